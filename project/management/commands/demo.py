"""`manage.py demo`: from an empty database to duplicates to look at, in one command."""

import sys
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser, call_command

from duplicates.choices import AnalysisStatus
from duplicates.console import summary_lines
from project import demo, serving


class Command(BaseCommand):
    help = "Fill an empty database with a sample library, find its duplicates and say how to look at them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--serve", action="store_true", help="Open it: start the web server and a worker.")
        parser.add_argument("--port", type=int, default=8000, help="Port for --serve (default: %(default)s).")
        parser.add_argument("--new-password", action="store_true", help="Set and print a new password for `demo`.")

    def handle(self, *, serve: bool, port: int, new_password: bool, **options: Any) -> None:
        """Prepare, import, analyse, show; every step does nothing when an earlier run has done it."""
        demo.print_every_script(sys.stdout)
        try:
            demo.require_demo_database()
            if serve:
                serving.require_free_port(port)
            self._step("1/4", "Preparing the database")
            call_command("migrate", verbosity=0)
            login = demo.ensure_login(new_password=new_password)
            self._step("2/4", "Importing the sample library")
            call_command("import_library", str(demo.SAMPLE), source=demo.SOURCE, stdout=self.stdout)
            self._step("3/4", "Looking for duplicates")
            analysis = demo.run_analysis(login.user)
            if analysis.status != AnalysisStatus.COMPLETED:
                raise CommandError(f"The analysis is {analysis.status}. {analysis.error_message}")
            self._say(*summary_lines(analysis), "", *demo.group_lines(analysis), "")
            self._step("4/4", "Ready")
            self._say(*demo.login_lines(login))
            if serve:
                serving.serve(settings.BASE_DIR / "manage.py", port, when_ready=self._say_open)
                self._say("Stopped.")
            else:
                self._say("Open it   uv run manage.py demo --serve   then http://127.0.0.1:8000/admin/")
        except (demo.DemoRefused, serving.ServingFailed) as error:
            raise CommandError(str(error)) from error

    def _step(self, number: str, words: str) -> None:
        self.stdout.write(self.style.MIGRATE_HEADING(f"{number} {words}"))

    def _say(self, *lines: str) -> None:
        for line in lines:
            self.stdout.write(line)
        self.stdout.flush()

    def _say_open(self, address: str) -> None:
        self._say(f"Open it   {address}   (Ctrl-C stops it)")
