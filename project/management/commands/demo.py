"""`manage.py demo`: from an empty database to duplicates to look at, in one command."""

import sys
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.management import CommandError, CommandParser, call_command

from duplicates.console import summary_lines
from duplicates.management.operating import OperatorCommand
from duplicates.models import DuplicateAnalysisResult
from project import demo, serving

INTERRUPTED = 130


class Command(OperatorCommand):
    help = "Fill an empty database with a sample library, find its duplicates and say how to look at them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--serve", action="store_true", help="Open it: start the web server and a worker.")
        parser.add_argument(
            "--port", type=serving.port_number, default=8000, help="Port for --serve (default: %(default)s)."
        )
        parser.add_argument("--new-password", action="store_true", help="Set and print a new password for `demo`.")

    def handle(self, *, serve: bool, port: int, new_password: bool, **options: Any) -> None:
        """Prepare, import, analyse, show, serve; each does nothing that an earlier run has done."""
        demo.print_every_script(sys.stdout)
        try:
            demo.require_demo_database()
            if serve:
                serving.require_free_port(port)
            user, analysis = self._prepare()
            self._say("", *demo.group_lines(analysis), "")
            self._say("4/4 Ready", *demo.login_lines(user, new_password=new_password))
            if serve:
                serving.serve(settings.BASE_DIR / "manage.py", port, when_ready=self._say_open)
                self._say("Stopped.")
            else:
                self._say("Open it   uv run manage.py demo --serve   then http://127.0.0.1:8000/admin/")
        except (demo.DemoStopped, serving.ServingFailed) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped. Run it again to go on.", returncode=INTERRUPTED) from None

    def _prepare(self) -> tuple[AbstractUser, DuplicateAnalysisResult]:
        self._say("1/4 Preparing the database")
        call_command("migrate", verbosity=0)
        user = demo.ensure_user()
        self._say("2/4 Importing the sample library")
        call_command("import_library", str(demo.SAMPLE), source=demo.SOURCE, stdout=self.stdout)
        self._say("3/4 Looking for duplicates")
        analysis = demo.run_analysis(user)
        self._say(*summary_lines(analysis))
        return user, analysis

    def _say(self, *lines: str) -> None:
        for line in lines:
            self.stdout.write(line)
        self.stdout.flush()

    def _say_open(self, address: str) -> None:
        self._say(f"Open it   {address}   (Ctrl-C stops it)")
