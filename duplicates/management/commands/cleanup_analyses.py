"""`manage.py cleanup_analyses`: delete analyses past their retention, and removed tracks past their quarantine."""

import json
import re
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError
from django.utils import timezone

from duplicates.exceptions import CleanupRunning
from duplicates.management.operating import OperatorCommand
from duplicates.services.leftovers import Freed
from duplicates.services.retention import CleanupResult, cleanup_old_results, plan_cleanup


class Command(OperatorCommand):
    """Parse, plan, and delete unless it is a dry run."""

    help = (
        "Delete analyses that are too old or too many. Pinned, queued and running ones and the newest completed one of "
        "each user stay. Tracks removed as duplicates are purged once their quarantine is over; export files, "
        "checkpoints, old changes of the library and audit records go when their own time is past. "
        "Exit code 0: done; 1: refused, or something could not be deleted."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        site_says = "(default: what the settings say)"
        parser.add_argument("--days", type=int, help=f"Delete older ones {site_says}.")
        parser.add_argument("--keep-per-user", type=int, help=f"Keep so many a user {site_says}.")
        parser.add_argument("--user", default="", metavar="NAME", help="Only this user's; 'system' means nobody's.")
        parser.add_argument(
            "--checkpoint-hours",
            type=int,
            help=f"Remove what stopped runs kept for going on after so long {site_says}.",
        )
        parser.add_argument(
            "--max-storage",
            type=size_in_bytes,
            metavar="SIZE",
            help=f"Delete the oldest until the results hold no more than SIZE, such as 500MB or 2GB {site_says}.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Only say what would be deleted.")
        parser.add_argument("--output", choices=("text", "json"), default="text", help="How to print the result.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Plan, delete and report."""
        for name in ("days", "keep_per_user", "checkpoint_hours"):
            if (options[name] or 0) < 0:
                raise CommandError(f"--{name.replace('_', '-')} cannot be negative: {options[name]}.")
        plan = plan_cleanup(
            now=timezone.now(),
            days=options["days"],
            keep_per_user=options["keep_per_user"],
            users=_users(options["user"]),
            checkpoint_hours=options["checkpoint_hours"],
            max_bytes=options["max_storage"],
        )
        result = CleanupResult(plan)
        if not options["dry_run"]:
            try:
                result = cleanup_old_results(plan, actor=None, now=timezone.now())
            except CleanupRunning as refused:
                raise CommandError(refused.sentence) from refused
        self._print(result, options)
        if result.errors:
            raise CommandError(f"{len(result.errors)} could not be deleted; the log says why.")

    def _print(self, result: CleanupResult, options: dict[str, Any]) -> None:
        plan, is_dry = result.plan, options["dry_run"]
        leftovers = plan.leftovers if is_dry else result.leftovers
        if options["output"] == "json":
            self.stdout.write(json.dumps(_as_values(result, leftovers, is_dry=is_dry), default=str))
            return
        verb, deleted = ("Would delete", len(plan)) if is_dry else ("Deleted", result.deleted)
        why = f"{len(plan.by_age)} by age, {len(plan.by_count)} by count, {len(plan.by_storage)} by storage"
        self.stdout.write(f"{verb} {deleted} analyses: {why}.")
        if is_dry and plan.removals:
            self.stdout.write(f"Would purge the tracks of {len(plan.removals)} removals.")
        if result.purged or result.held:
            held = f" {result.held} stay: the copy kept instead is gone." if result.held else ""
            self.stdout.write(f"Purged {result.purged} removed tracks.{held}")
        for name, freed in leftovers.items():
            if freed.count:
                size = f" ({freed.size_bytes / 1e6:,.1f} MB)" if freed.size_bytes else ""
                self.stdout.write(f"{verb} {freed.count:,} {name.replace('_', ' ')}{size}.")


def _as_values(result: CleanupResult, leftovers: Mapping[str, Freed], *, is_dry: bool) -> dict[str, Any]:
    """Return what `--output json` prints; `bytes` is what was freed, or would be but for the rows of analyses."""
    plan = result.plan
    return {
        "by_age": plan.by_age,
        "by_count": plan.by_count,
        "by_storage": plan.by_storage,
        "deleted": result.deleted,
        "removals": plan.removals,
        "purged": result.purged,
        "held": result.held,
        "leftovers": {name: {"count": freed.count, "bytes": freed.size_bytes} for name, freed in leftovers.items()},
        "bytes": sum(freed.size_bytes for freed in leftovers.values()) if is_dry else result.freed_bytes,
        "errors": result.errors,
        "dry_run": is_dry,
    }


_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def size_in_bytes(text: str) -> int:
    """Read a size such as 500MB, 1.5 GB or a plain number of bytes."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]B)?", text.strip().upper())
    if found is None:
        raise ArgumentTypeError(f"{text!r} is no size. Write one like 500MB or 2GB.")
    return int(float(found[1]) * _UNITS.get(found[2], 1))


def _users(name: str) -> list[int | None] | None:
    if not name:
        return None
    if name == "system":
        return [None]
    user = get_user_model()._default_manager.filter(username=name).values_list("pk", flat=True).first()
    if user is None:
        raise CommandError(f"There is no user {name!r}. Use 'system' for analyses that belong to nobody.")
    return [user]
