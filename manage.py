#!/usr/bin/env python3
"""Run a management command: `uv run manage.py help` lists them."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    from django.core.management import execute_from_command_line  # noqa: PLC0415 (needs the variable above)

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
