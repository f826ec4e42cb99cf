"""`manage.py run_duplicate_analysis`: find the duplicates of the library now, in this process."""

import json
from argparse import ArgumentParser
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.management.base import CommandError
from django.utils import timezone

from duplicates.choices import AnalysisStatus, Preset, SortBy, Trigger
from duplicates.console import following, summary_lines
from duplicates.engine.settings import IGNORABLE_FIELDS
from duplicates.exceptions import DuplicatesError
from duplicates.management.operating import OperatorCommand
from duplicates.models import DuplicatePreferences
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.lifecycle import get_analysis, resume
from duplicates.services.options import AnalysisOptions
from duplicates.services.progress import Sink
from duplicates.services.refreshing import due_for_refresh, quick_refresh, refresh_analysis
from duplicates.services.running import Ran
from duplicates.services.work_folder import is_unsaved_result_kept
from duplicates.services.workers import WORKER_COMMAND, are_there_workers
from duplicates.tasks import enqueue_analysis

INTERRUPTED = 130
MANAGE = "uv run manage.py"
LONGEST_SECONDS = 7 * 24 * 3600


class Command(OperatorCommand):
    """Parse, run, print."""

    help = (
        "Find duplicate songs and keep the result. Exit code 0: there is a result; 1: refused or failed, with the "
        "reason last on standard error; 130: cancelled with Ctrl-C. The analysis id is printed last."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--preset", help=f"One of {', '.join(Preset.values)} (default: what --user prefers, else recording)."
        )
        parser.add_argument("--search", default="", metavar="TERM", help="Only groups with a member that holds TERM.")
        parser.add_argument("--sort-by", default=SortBy.CONFIDENCE, help=f"One of {', '.join(SortBy.values)}.")
        parser.add_argument("--min-confidence", type=float, default=0.0, metavar="X", help="0 to 1 (default 0).")
        parser.add_argument("--user", default="", metavar="NAME", help="Whose analysis it is (default: the system's).")
        parser.add_argument("--force-refresh", action="store_true", help="Run even if an equal result still holds.")
        parser.add_argument("--background", action="store_true", help="Queue it for a worker and print its id.")
        parser.add_argument("--timeout", type=int, metavar="SECONDS", help="Stop the run after so long.")
        parser.add_argument(
            "--discard-partial", action="store_true", help="If it is stopped, keep nothing of what it has found."
        )
        parser.add_argument("--resume", metavar="ID", help="Go on with this failed or cancelled analysis instead.")
        parser.add_argument(
            "--refresh-stale",
            action="store_true",
            help="Refresh instead what is very stale or outdated by changes, for users whose preferences ask for it.",
        )
        parser.add_argument(
            "--quick-refresh", action="store_true", help="Run the newest result of --user again with its settings."
        )
        parser.add_argument(
            "--full", action="store_true", help="With a refresh: match every track, however few have changed."
        )
        parser.add_argument(
            "--ignore-field",
            nargs="+",
            action="extend",
            default=[],
            metavar="NAME",
            help=f"Leave this evidence out: {', '.join(sorted(IGNORABLE_FIELDS))}.",
        )
        parser.add_argument("--output", choices=("text", "json"), default="text", help="How to print the summary.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the analysis and print its summary."""
        if options["timeout"] is not None and not 1 <= options["timeout"] <= LONGEST_SECONDS:
            raise CommandError(f"--timeout must lie between 1 and {LONGEST_SECONDS} seconds, not {options['timeout']}.")
        try:
            if options["refresh_stale"]:
                self._refresh_stale(options)
                return
            ran = self._wanted(options)(options)
        except DuplicatesError as error:
            raise CommandError(error.sentence) from error
        except KeyboardInterrupt:
            self.stderr.write("Cancelled. Earlier results are untouched.")
            raise SystemExit(INTERRUPTED) from None
        self._print(ran, options["output"])

    def _wanted(self, options: dict[str, Any]) -> Callable[[dict[str, Any]], Ran]:
        if options["quick_refresh"]:
            return self._quick_refresh
        if options["full"]:
            raise CommandError("--full says how to refresh: give --quick-refresh or --refresh-stale with it.")
        return self._resume if options["resume"] else self._run

    def _quick_refresh(self, options: dict[str, Any]) -> Ran:
        successor = quick_refresh(
            actor=_user(options["user"]),
            now=timezone.now(),
            enqueue=enqueue_analysis if options["background"] else None,
            learns_anew=options["full"],
        )
        if options["background"]:
            return Ran(successor)
        with self._following(options) as draw:
            return DuplicateDetectionService().run_or_follow(successor, draw=draw)

    def _run(self, options: dict[str, Any]) -> Ran:
        user, limit, keeps = _user(options["user"]), options["timeout"], not options["discard_partial"]
        wanted = AnalysisOptions(
            preset=options["preset"] or DuplicatePreferences.objects.of(user).default_preset,
            search=options["search"],
            sort_by=options["sort_by"],
            min_confidence=options["min_confidence"],
            ignored_fields=tuple(options["ignore_field"]),
        )
        service = DuplicateDetectionService()
        if options["background"]:
            queued = service.queue(
                wanted,
                user=user,
                trigger=Trigger.COMMAND,
                force=options["force_refresh"],
                enqueue=enqueue_analysis,
                time_limit_seconds=limit,
                keep_partial=keeps,
            )
            return Ran(queued.analysis)
        with self._following(options) as draw:
            return service.find_duplicates_with_persistence(
                wanted,
                user=user,
                force=options["force_refresh"],
                time_limit_seconds=limit,
                keep_partial=keeps,
                draw=draw,
            )

    def _resume(self, options: dict[str, Any]) -> Ran:
        analysis = get_analysis(options["resume"])
        enqueue = enqueue_analysis if options["background"] else None
        resume(analysis, actor=None, now=timezone.now(), enqueue=enqueue, time_limit_seconds=options["timeout"])
        if options["background"]:
            return Ran(get_analysis(analysis.pk))
        with self._following(options) as draw:
            return DuplicateDetectionService().run_or_follow(analysis, draw=draw)

    def _refresh_stale(self, options: dict[str, Any]) -> None:
        """Refresh one after the other; one that fails or is under way already stops no other."""
        refreshed, refused = [], []
        for stale in due_for_refresh(now=timezone.now()):
            enqueue = enqueue_analysis if options["background"] else None
            try:
                successor = refresh_analysis(
                    stale, actor=stale.user, now=timezone.now(), enqueue=enqueue, learns_anew=options["full"]
                )
            except DuplicatesError as error:
                refused.append(f"{stale.pk}: {error.sentence}")
                continue
            if not options["background"]:
                with self._following(options) as draw:
                    successor = DuplicateDetectionService().run_or_follow(successor, draw=draw).analysis
            if successor.status in (AnalysisStatus.FAILED, AnalysisStatus.CANCELLED):
                refused.append(f"{successor.pk}: {successor.error_message}")
            else:
                refreshed.append(str(successor.pk))
        self._print_refreshed(refreshed, refused, options)
        if refused:
            raise CommandError(f"{len(refused)} of {len(refreshed) + len(refused)} could not be refreshed.")

    def _print_refreshed(self, refreshed: list[str], refused: list[str], options: dict[str, Any]) -> None:
        if options["background"] and refreshed:
            self._warn_without_workers()
        if options["output"] == "json":
            self.stdout.write(json.dumps({"refreshed": refreshed, "refused": refused}))
            return
        verb = "Queued" if options["background"] else "Refreshed"
        self.stdout.write(f"{verb} {len(refreshed)} of {len(refreshed) + len(refused)} results that no longer hold.")
        for line in refused:
            self.stderr.write(line)
        for analysis_id in refreshed:
            self.stdout.write(analysis_id)

    def _warn_without_workers(self) -> None:
        """Say at once that queued work waits for nobody."""
        if not are_there_workers(now=timezone.now()):
            self.stderr.write(f"No worker is running. Start one with: {WORKER_COMMAND}")

    def _following(self, options: dict[str, Any]) -> AbstractContextManager[Sink]:
        return following(quiet=options["output"] == "json" or options["verbosity"] == 0)

    def _print(self, ran: Ran, output: str) -> None:
        analysis = ran.analysis
        if output == "json":
            self.stdout.write(json.dumps(_as_json(ran), default=str, indent=2))
        elif analysis.status == AnalysisStatus.COMPLETED:
            if ran.is_reused:
                made = f"{timezone.localtime(analysis.age_anchor):%Y-%m-%d %H:%M}"
                self.stdout.write(f"Nothing has changed since this analysis of {made}; --force-refresh runs it again.")
            for line in summary_lines(analysis):
                self.stdout.write(line)
        elif analysis.is_active:
            self.stdout.write(f"The analysis is {analysis.get_status_display().lower()}.")
        if analysis.is_active:
            self._warn_without_workers()
        if is_unsaved_result_kept(analysis):
            self.stderr.write(
                f"What was found is kept. Save it again: {MANAGE} run_duplicate_analysis --resume {analysis.pk}\n"
                f"Export it unsaved: {MANAGE} export_analysis {analysis.pk} --output FILE"
            )
        if analysis.status in (AnalysisStatus.FAILED, AnalysisStatus.CANCELLED):
            raise CommandError(f"{analysis.error_message} ({analysis.error_code}, analysis {analysis.pk})")
        if output == "text":
            self.stdout.write(str(analysis.pk))


def _user(name: str) -> AbstractBaseUser | None:
    if not name:
        return None
    users = get_user_model()
    try:
        return users._default_manager.get_by_natural_key(name)
    except (users.DoesNotExist, UnicodeEncodeError) as error:
        raise CommandError(f"There is no user {name!r}. Create one with: uv run manage.py createsuperuser") from error


def _as_json(ran: Ran) -> dict[str, Any]:
    analysis = ran.analysis
    return {
        "analysis_id": str(analysis.pk),
        "status": analysis.status,
        "parameters": analysis.parameters,
        "tracks_analyzed": analysis.tracks_analyzed,
        "groups_found": analysis.groups_found,
        "duplicates_found": analysis.duplicates_found,
        "average_similarity": analysis.average_similarity,
        "not_enough_data_count": analysis.not_enough_data_count,
        "library_revision": analysis.library_revision,
        "processing_seconds": analysis.processing_seconds,
        "cpu_seconds": analysis.cpu_seconds,
        "peak_memory_bytes": analysis.peak_memory_bytes,
        "phase_seconds": analysis.phase_seconds,
        "figures": analysis.figures,
        "error_code": analysis.error_code,
        "error_message": analysis.error_message,
        "warning": ran.warning,
        "is_reused": ran.is_reused,
    }
