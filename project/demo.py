"""What `manage.py demo` is made of: when it may run, its login, its progress, what it prints, and serving.

The demo works in the database of the settings, so it first makes sure that nobody's music is in there. Everything it
makes carries a mark: the tracks their source, the login its address. The command looks after the order.
"""

import secrets
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.db import connection

from duplicates.choices import AnalysisStatus
from duplicates.console import following
from duplicates.engine.evidence import decode_evidence
from duplicates.models import DuplicateAnalysisResult, DuplicateAnalysisTrack
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.options import AnalysisOptions
from library.models import Track

SAMPLE = Path(__file__).parent / "sample" / "Sample Library.xml"
SOURCE = "Reprise sample library"
USERNAME, ADDRESS = "demo", "demo@reprise.invalid"
GROUPS_SHOWN = 6
EVIDENCE_SHOWN = 4
# No letter or digit that is easily taken for another one.
PASSWORD_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # noqa: S105 (what passwords are made of)


class DemoStopped(Exception):
    """The demo cannot go on, or would touch what it did not make. The message says what is wrong and what to do."""


# --- May it run? ----------------------------------------------------------------------------------------------------


def require_demo_database() -> None:
    """Raise DemoStopped in production, and for a database with tracks or a login that no demo has made."""
    if settings.IS_PRODUCTION:
        raise DemoStopped("The demo does not run with DJANGO_ENV=production. Try it on your own computer.")
    tables = connection.introspection.table_names()
    if Track._meta.db_table in tables and (foreign := Track.objects.exclude(source=SOURCE).count()):
        raise DemoStopped(
            f"This database holds {foreign:,} tracks that are not the demo's. Nothing was changed. "
            f"Give the demo a database of its own: DATABASE_URL=sqlite:///demo.sqlite3 uv run manage.py demo"
        )
    users = get_user_model().objects
    if get_user_model()._meta.db_table in tables and users.filter(username=USERNAME).exclude(email=ADDRESS).exists():
        raise DemoStopped(
            f"This database has a user called {USERNAME} that the demo did not make. Nothing was changed. "
            f"Rename that user or give the demo a database of its own."
        )


# --- The login ------------------------------------------------------------------------------------------------------


def ensure_user() -> AbstractUser:
    """Return the demo's user, without a password at first. It may do everything: its database holds only the demo."""
    user, is_new = get_user_model().objects.get_or_create(
        username=USERNAME, defaults={"email": ADDRESS, "is_staff": True, "is_superuser": True}
    )
    if is_new:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    return user


def login_lines(user: AbstractUser, *, new_password: bool) -> Iterator[str]:
    """Say how to log in. The password is made here, so that a run cut short earlier cannot keep it to itself."""
    yield f"User      {user.get_username()}"
    if user.has_usable_password() and not new_password:
        yield "Password  the one an earlier run printed; `uv run manage.py demo --new-password` sets another"
        return
    password = "-".join("".join(secrets.choice(PASSWORD_LETTERS) for _ in range(4)) for _ in range(4))
    user.set_password(password)
    user.save(update_fields=["password"])
    yield f"Password  {password}   (shown only now)"


# --- The analysis ---------------------------------------------------------------------------------------------------


def run_analysis(user: AbstractUser) -> DuplicateAnalysisResult:
    """Analyse the library with the default options, or return the result of an earlier run that still holds.

    Raises DemoStopped when there is no complete result in the end.
    """
    service = DuplicateDetectionService()
    with following() as draw:
        ran = service.find_duplicates_with_persistence(AnalysisOptions(), user=user, draw=draw)
    if ran.analysis.status != AnalysisStatus.COMPLETED:
        reason = ran.analysis.error_message or "Run the demo again when it has ended."
        raise DemoStopped(f"The analysis is {ran.analysis.status}. {reason}")
    return ran.analysis


# --- What was found -------------------------------------------------------------------------------------------------


def group_lines(analysis: DuplicateAnalysisResult) -> Iterator[str]:
    """Show the first groups: which copy to keep, and what makes each other one the same."""
    tables = bytes(analysis.learnt_tables or b"")
    yield f"The first {min(GROUPS_SHOWN, analysis.groups_found)} of {analysis.groups_found:,} groups:"
    for group in analysis.groups.order_by("position").prefetch_related("members")[:GROUPS_SHOWN]:
        yield ""
        yield f"#{group.position}  {group.title or 'Untitled'} by {group.artist or 'unknown artist'}"
        for member in sorted(group.members.all(), key=lambda member: member.position):
            yield f"    {'keep' if member.is_canonical else 'same'}  {_described(member)}"
            yield f"          {group.keeper_reason if member.is_canonical else _reason(member, tables)}"


def print_every_script(stream: TextIO) -> None:
    """Let a terminal that cannot show Greek or Thai show question marks instead of ending the run."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="replace")


def _described(member: DuplicateAnalysisTrack) -> str:
    seconds = (member.duration_ms or 0) // 1_000
    length = f"{seconds // 60}:{seconds % 60:02}"
    plays = "1 play" if member.play_count == 1 else f"{member.play_count} plays"
    parts = (f"“{member.title}”", member.artist or "no artist", member.album, length, member.format, plays)
    return " · ".join(part for part in parts if part)


def _reason(member: DuplicateAnalysisTrack, tables: bytes) -> str:
    """Say how sure the matcher is and name the evidence that weighed most, for and against."""
    told = [one for one in decode_evidence(member.evidence, tables) if not one.missing and one.bits]
    told.sort(key=lambda one: -abs(one.bits))
    words = ", ".join(f"{one.comparison}: {one.level} ({one.bits:+.1f})" for one in told[:EVIDENCE_SHOWN])
    return f"{member.similarity:.1%} sure. {words}".strip()
