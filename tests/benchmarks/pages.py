"""Measures every page of the admin: `python -m tests.benchmarks.pages [TRACKS] [GROUPS]` (1,000,000 and 10,000).

Fills a new database (SQLite, or the one DATABASE_URL names, which must be empty) and asks for each page as a superuser
would, each list by every sort and every choice of every filter. Prints the milliseconds of work one request takes (this
process and the database's, the better of two), those on the clock, and the queries; what is over the promise (300 ms of
work, 30 queries) is marked, and the exit status is then 1. `--only=WORDS` asks for some pages, `--again` uses a
database that was filled before, `-v` shows the slowest queries.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.changes import say, timed

MOST_SECONDS, MOST_QUERIES = 0.3, 30
TIMES = 2
CHOICES = 6  # of a filter
SEARCHES = {"library_track": "bad", "duplicates_duplicateanalysisgroup": "bad", "duplicates_auditrecord": "mara"}


@dataclass(frozen=True)
class Asked:
    """One address, and what it is called in the table."""

    name: str
    address: str


def addresses(analysis: Any, user: Any) -> Iterator[Asked]:
    """Every page there is: of each list every sort and filter, of each row its page, and the pages of their own."""
    from django.contrib import admin  # noqa: PLC0415 (needs Django to be set up)
    from django.urls import reverse  # noqa: PLC0415

    yield Asked("overview", reverse("admin:index"))
    for days in ("7", "30", "90", "365"):
        yield Asked(f"monitoring of {days} days", f"{reverse('admin:monitoring')}?days={days}")
        yield Asked(f"history of {days} days", f"{reverse('admin:duplicates_history')}?days={days}")
    for model, model_admin in admin.site._registry.items():
        yield from _of_list(model, model_admin, user)
        if (row := model_admin.get_queryset(_request(user, "")).order_by("pk").first()) is not None:
            yield Asked(f"one {model._meta.verbose_name}", _page(model, row.pk))
    group = analysis.groups.order_by("position")[5_000 if analysis.groups_found > 5_000 else 0]
    yield Asked("analysis", _page(type(analysis), analysis.pk))
    yield from _of_group(group)


def _of_group(group: Any) -> Iterator[Asked]:
    from urllib.parse import quote  # noqa: PLC0415

    from django.urls import reverse  # noqa: PLC0415 (needs Django to be set up)

    from duplicates.admin.groups import GroupAdmin  # noqa: PLC0415

    track = group.keeper_track_id
    yield Asked("review, next open", f"{_page(type(group), group.pk)}?_changelist_filters={quote('decision=open')}")
    for place, name in enumerate(GroupAdmin.list_display, 1):
        if name in GroupAdmin.sortable_by:
            queue = quote(f"analysis={group.analysis_id}&decision=open&o=-{place}")
            yield Asked(f"review, by {name}", f"{_page(type(group), group.pk)}?_changelist_filters={queue}")
    yield Asked("review, by a search", f"{_page(type(group), group.pk)}?_changelist_filters={quote('q=bad')}")
    yield Asked("first of a queue", reverse("admin:duplicates_review"))
    yield Asked("preview of a removal", f"{reverse('admin:duplicates_preview_removal', args=[group.pk])}")
    yield Asked("a member, step by step", reverse("admin:duplicates_explain_member", args=[group.pk, track + 1]))
    yield Asked("any two tracks", f"{reverse('admin:duplicates_explain_pair')}?left={track}&right={track + 500}")
    yield Asked("new plan", f"{reverse('admin:duplicates_new_plan')}?analysis={group.analysis_id}")
    yield Asked("a track of a group", reverse("admin:library_track_change", args=[track]))


def _of_list(model: Any, model_admin: Any, user: Any) -> Iterator[Asked]:
    from django.urls import reverse  # noqa: PLC0415 (needs Django to be set up)

    label = f"{model._meta.app_label}_{model._meta.model_name}"
    address = reverse(f"admin:{label}_changelist")
    name = str(model._meta.verbose_name_plural)
    yield Asked(name, address)
    yield Asked(f"{name}, page 100", f"{address}?p=100")
    if model_admin.search_fields:
        yield Asked(f"{name}, search", f"{address}?q={SEARCHES.get(label, 'ba')}")
    listed = model_admin.get_changelist_instance(_request(user, address))
    for column, shown in enumerate(listed.list_display):
        if shown in (model_admin.sortable_by if model_admin.sortable_by is not None else listed.list_display):
            yield from (Asked(f"{name} by {shown}{sign}", f"{address}?o={sign}{column}") for sign in ("", "-"))
    for spec in listed.filter_specs:
        for choice in [one for one in spec.choices(listed) if not one["selected"]][:CHOICES]:
            yield Asked(f"{name}: {spec.title}: {choice['display']}", f"{address}{choice['query_string']}")


def _request(user: Any, address: str) -> Any:
    from django.contrib.sessions.backends.signed_cookies import SessionStore  # noqa: PLC0415 (needs Django to be set up)
    from django.test import RequestFactory  # noqa: PLC0415

    request = RequestFactory().get(address or "/")
    request.user = user
    request.session = SessionStore()
    return request


def _page(model: Any, pk: object) -> str:
    from django.urls import reverse  # noqa: PLC0415 (needs Django to be set up)

    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[pk])


def measure(client: Any, asked: Asked) -> bool:
    """Print the line of one page; say whether it keeps the promise."""
    from django.db import connection  # noqa: PLC0415 (needs Django to be set up)

    queries = _Queries()
    with connection.execute_wrapper(queries):
        answer = client.get(asked.address)
    seconds, waited = min(_timed_once(client, asked) for _ in range(TIMES))
    is_kept = seconds < MOST_SECONDS and len(queries.sql) < MOST_QUERIES and answer.status_code in (200, 302)
    verdict = "" if is_kept else f"OVER {answer.status_code}"
    say(f"{asked.name[:64]:64} {seconds * 1000:6.0f} {waited * 1000:6.0f} {len(queries.sql):4} {verdict}".rstrip())
    if not is_kept and "-v" in sys.argv:
        for taken, sql in sorted(queries.sql, reverse=True)[:3]:
            say(f"    {taken:.3f} s  {sql[:1500]}")
    return is_kept


class _Queries:
    """Keeps what a page asks the database, and how long each took."""

    def __init__(self) -> None:
        self.sql: list[tuple[float, str]] = []

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        begun = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.sql.append((time.perf_counter() - begun, sql))


def _timed_once(client: Any, asked: Asked) -> tuple[float, float]:
    """Return the seconds of work one request takes, this process's and the database's, and those on the clock."""
    database, work, begun = _database_work(), time.process_time(), time.perf_counter()
    client.get(asked.address)
    return time.process_time() - work + _database_work() - database, time.perf_counter() - begun


def _database_work() -> float:
    """Return the CPU seconds of PostgreSQL's process for us; SQLite works in ours. Other machines' are not seen."""
    from django.db import connection  # noqa: PLC0415 (needs Django to be set up)

    if connection.vendor != "postgresql":
        return 0.0
    connection.ensure_connection()
    stat = Path(f"/proc/{connection.connection.info.backend_pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    numbers = [int(one) for one in sys.argv[1:] if one.isdecimal()]
    tracks, groups = (*numbers, *(1_000_000, 10_000)[len(numbers) :])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder}/pages.sqlite3")
        os.environ.setdefault("REPRISE_WORK_DIR", f"{folder}/work")
        import django  # noqa: PLC0415
        from django.core.management import call_command  # noqa: PLC0415

        django.setup()
        call_command("migrate", verbosity=0)
        return _measure_all(tracks, groups)


def _measure_all(tracks: int, groups: int) -> int:
    from django.conf import settings  # noqa: PLC0415 (needs Django to be set up)
    from django.contrib.auth.models import User  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415

    from duplicates.models import DuplicateAnalysisResult  # noqa: PLC0415
    from library.models import Track  # noqa: PLC0415
    from tests.benchmarks.page_library import build  # noqa: PLC0415

    settings.ALLOWED_HOSTS, settings.DEBUG = ["testserver"], False
    say(connection.vendor)
    if not Track.objects.exists():
        timed(f"{tracks:,} tracks and {groups:,} groups written", lambda: build(tracks, groups))
    elif "--again" not in sys.argv:
        sys.exit("That database holds tracks. Name an empty one in DATABASE_URL.")
    analysis = DuplicateAnalysisResult.objects.order_by("-created_at")[0]
    user, _ = User.objects.get_or_create(username="mara", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(user)
    client.get("/admin/")  # the first request loads the templates
    words = next((one.partition("=")[2] for one in sys.argv if one.startswith("--only=")), "")
    kept = [measure(client, asked) for asked in addresses(analysis, user) if words in asked.name]
    say(f"{len(kept)} pages, {kept.count(False)} over {MOST_SECONDS * 1000:.0f} ms or {MOST_QUERIES} queries")
    return 1 if False in kept else 0


if __name__ == "__main__":
    sys.exit(main())
