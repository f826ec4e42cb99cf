"""Runs a management command that ends when the process which started it is gone, even by `kill -9`.

    python project/lifeline.py manage.py COMMAND …

The starter holds the other end of standard input and never writes. When it dies the system closes that end, and this
process asks itself to stop as SIGTERM would. Works wherever pipes do.
"""

import os
import runpy
import signal
import sys
import threading
from pathlib import Path


def end_with_starter() -> None:
    """Wait for the end of standard input, then ask this process to stop."""
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Be the command that is named, and watch."""
    manage = sys.argv[1]
    sys.argv = sys.argv[1:]
    sys.path[0] = str(Path(manage).resolve().parent)  # as if Python had been given the script itself
    threading.Thread(target=end_with_starter, name="lifeline", daemon=True).start()
    runpy.run_path(manage, run_name="__main__")


if __name__ == "__main__":
    main()
