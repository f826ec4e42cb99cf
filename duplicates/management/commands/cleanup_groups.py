"""`manage.py cleanup_groups`: decide the same about many groups by a plan: preview it, confirm it, undo it."""

import json
import signal
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.management.base import CommandError
from django.utils import timezone
from tqdm import tqdm

from duplicates.choices import LaterEdits, PlanState, Resolution
from duplicates.console import named_analysis
from duplicates.exceptions import DuplicatesError
from duplicates.management.operating import OperatorCommand
from duplicates.models import CleanupPlan
from duplicates.services import planning, process
from duplicates.services.keeper_profiles import find_profile
from duplicates.services.plan_work import work_on_plan
from duplicates.services.selecting import GroupFilter

MOST_REFUSED = 20
INTERRUPTED = 130


class Command(OperatorCommand):
    """Parse, plan, and carry out what was confirmed."""

    help = (
        "Decide the same about many groups of an analysis. Without --confirm nothing is changed: the plan is worked "
        "out, printed and kept; give its id to --plan later. Exit code 0: done; 1: refused or failed; 130: stopped."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("analysis", nargs="?", default="latest", help="Id of the analysis (default latest).")
        parser.add_argument(
            "--filter",
            nargs="+",
            default=[],
            metavar="NAME=VALUE",
            help="Which groups: band, size, decision, itunes_match, touched, since, artist, search "
            "(default all undecided).",
        )
        parser.add_argument("--strategy", default="", metavar="PROFILE", help="Keeper profile (default: as they are).")
        parser.add_argument(
            "--resolution", default=Resolution.DELETED.value, help="What to decide (default %(default)s)."
        )
        parser.add_argument("--plan", default="", metavar="ID", help="Go on with this plan instead of making one.")
        todo = parser.add_mutually_exclusive_group()
        todo.add_argument("--preview", action="store_true", help="Only say what would be done; the default.")
        todo.add_argument("--confirm", type=int, metavar="COUNT", help="Carry it out if it removes so many copies.")
        todo.add_argument("--undo", action="store_true", help="Undo what the plan has done.")
        todo.add_argument("--cancel", action="store_true", help="Stop the plan; what it has done stays.")
        parser.add_argument(
            "--later-edits", choices=LaterEdits.values, default=LaterEdits.ASK.value, help="What --undo does with them."
        )
        parser.add_argument("--user", default="", metavar="NAME", help="In whose name (default the system's).")
        parser.add_argument("--output", choices=("text", "json"), default="text", help="How to print the plan.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked and print what became of the plan."""
        try:
            plan = self._plan(options)
            plan = self._go_on(plan, options)
        except DuplicatesError as error:
            raise CommandError(error.sentence) from error
        self._print(plan, options["output"])
        if plan.state == PlanState.FAILED:
            raise CommandError(f"The plan failed: {plan.error_message} Go on with: --plan {plan.pk}")
        if planning.is_at_work(plan):
            raise CommandError(f"Stopped midway. Go on with: --plan {plan.pk}", returncode=INTERRUPTED)

    def _plan(self, options: dict[str, Any]) -> CleanupPlan:
        """Return the plan that is named, or a new one, with the work done that needs nobody's word."""
        if options["plan"]:
            plan = planning.get_plan(options["plan"])
            if plan.state == PlanState.FAILED:
                plan = planning.continue_plan(plan, actor=None, now=timezone.now())
            is_stopping = options["cancel"] or options["undo"]
            return plan if is_stopping or not planning.is_at_work(plan) else self._work(plan, options)
        if options["undo"] or options["cancel"]:
            raise CommandError("Name the plan with --plan ID.")
        plan = planning.plan_cleanup(
            analysis=named_analysis(options["analysis"]),
            wanted=_filter(options["filter"]),
            resolution=options["resolution"],
            profile=find_profile(options["strategy"]) if options["strategy"] else None,
            actor=_user(options["user"]),
            now=timezone.now(),
        )
        return self._work(plan, options)

    def _go_on(self, plan: CleanupPlan, options: dict[str, Any]) -> CleanupPlan:
        actor, now = _user(options["user"]), timezone.now()
        if options["cancel"]:
            return planning.cancel_plan(plan, actor=actor, now=now)
        if options["undo"]:
            edits = LaterEdits(options["later_edits"])
            return self._work(planning.undo_plan(plan, actor=actor, now=now, later_edits=edits), options)
        if options["confirm"] is not None:
            confirmed = planning.confirm_plan(plan, typed_count=options["confirm"], actor=actor, now=now)
            return self._work(confirmed, options)
        return plan

    def _work(self, plan: CleanupPlan, options: dict[str, Any]) -> CleanupPlan:
        """Work in this process with a bar on a terminal; Ctrl-C ends after the transaction at hand."""
        before = signal.signal(signal.SIGINT, lambda number, frame: process.ask_to_stop())
        try:
            with tqdm(unit=" groups", disable=True if options["output"] == "json" else None, leave=False) as bar:

                def draw(seen: CleanupPlan) -> None:
                    bar.total, bar.n = planning.progress_of(seen)
                    bar.refresh()

                after = work_on_plan(plan.pk, now=timezone.now, report=draw)
        finally:
            signal.signal(signal.SIGINT, before)
        if after is None:
            raise CommandError("Another process is at this plan. Wait for it, or for its lease to end.")
        return after

    def _print(self, plan: CleanupPlan, output: str) -> None:
        if output == "json":
            self.stdout.write(json.dumps(_as_json(plan), default=str, indent=2))
            return
        for line in _lines(plan):
            self.stdout.write(line)
        self.stdout.write(str(plan.pk))


def _filter(pairs: list[str]) -> GroupFilter:
    values: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name not in GroupFilter.names():
            raise CommandError(f"{pair!r} is no filter. Write NAME=VALUE with one of {', '.join(GroupFilter.names())}.")
        values[name] = value
    return GroupFilter(**values)  # type: ignore[arg-type]


def _lines(plan: CleanupPlan) -> Iterator[str]:
    profile = f", keepers by {plan.profile_name}" if plan.profile_name else ""
    yield f"{plan.get_resolution_display()}{profile}: {plan.get_state_display().lower()}."
    yield (
        f"{plan.group_count:,} of {plan.total_groups:,} groups, {plan.track_count:,} copies, "
        f"{plan.play_count:,} plays, {plan.place_count:,} playlist places, {plan.byte_count / 1e6:,.1f} MB"
        + (f" and {plan.sizeless_count:,} of unknown size." if plan.sizeless_count else ".")
    )
    if plan.confirmed_at:
        yield f"Done: {plan.done_groups:,} groups, {plan.done_tracks:,} copies. Undone: {plan.undone_groups:,} groups."
    for code, many in sorted(plan.refused.items()):
        yield f"Refused: {many:,} groups, {code}"
    for item in planning.refused_items(plan, most=MOST_REFUSED):
        yield f"  {item.label}: {item.message}"
    if plan.state == PlanState.PLANNED and plan.group_count:
        yield f"Carry it out with: --plan {plan.pk} --confirm {plan.track_count}"


def _as_json(plan: CleanupPlan) -> dict[str, Any]:
    names = ("resolution", "profile_name", "state", "total_groups", "group_count", "track_count", "play_count")
    more = ("place_count", "byte_count", "sizeless_count", "done_groups", "done_tracks", "undone_groups", "refused")
    items = planning.refused_items(plan, most=MOST_REFUSED)
    return {
        "plan_id": plan.pk,
        **{name: getattr(plan, name) for name in (*names, *more)},
        "refused_groups": [{"group": item.label, "code": item.code, "why": item.message} for item in items],
        "error_message": plan.error_message,
    }


def _user(name: str) -> AbstractBaseUser | None:
    if not name:
        return None
    found = get_user_model()._default_manager.filter(username=name).first()
    if found is None:
        raise CommandError(f"There is no user {name!r}.")
    return found
