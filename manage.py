#!/usr/bin/env python3
"""Run a management command: `uv run manage.py help` lists them."""

import os
import sys


def main() -> None:
    """Run it, and say in one sentence when the installation is not ready for it."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415 (needs the variable above)
    from django.core.management import execute_from_command_line  # noqa: PLC0415
    from django.db.utils import OperationalError, ProgrammingError  # noqa: PLC0415

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        _refuse(error, str(error))
    except (OperationalError, ProgrammingError) as error:
        if "no such table" in str(error) or getattr(error.__cause__, "sqlstate", "") == "42P01":
            _refuse(error, "The database is not prepared. Run: uv run manage.py migrate")
        raise


def _refuse(error: Exception, sentence: str) -> None:
    if "--traceback" in sys.argv:
        raise error
    sys.exit(sentence)


if __name__ == "__main__":
    main()
