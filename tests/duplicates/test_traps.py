"""The traps the first duplicate finder fell into, outside its matcher: each is named here.

Those of the matcher are in `tests/engine/test_promises.py`.
"""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from rest_framework.test import APIClient

from duplicates.choices import AnalysisStatus, ExportStatus, ITunesMatch, Trigger
from duplicates.exceptions import AnalysisCancelled, LastCopy, MemberChanged
from duplicates.models import AuditRecord, DuplicateAnalysisResult, DuplicateAnalysisTrack, DuplicatePreferences
from duplicates.services import claims, lifecycle, running, saving
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.exporting import request_export, write_export
from duplicates.services.impact_summary import get_impact_summary
from duplicates.services.options import AnalysisOptions
from duplicates.services.purging import purge_removal
from duplicates.services.removal import remove_duplicates
from library.models import ITunesTrack, Track
from tests.duplicates.admin.conftest import signed_in
from tests.duplicates.copies import copy, group_of
from tests.duplicates.factories import VIEWS, AnalysisFactory, ExportFactory, GroupFactory, UserFactory
from tests.duplicates.library_of import make_library

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MANAGER = (*VIEWS, "duplicates.run_analysis", "duplicates.export_analysis", "duplicates.review_groups")
PREFERRING = ("duplicates.add_duplicatepreferences", "duplicates.change_duplicatepreferences")


def queue() -> DuplicateAnalysisResult:
    return lifecycle.queue_analysis(
        AnalysisOptions(), actor=None, trigger=Trigger.COMMAND, now=NOW, force=True
    ).analysis


class TestRunning:
    def test_a_request_only_queues_and_knows_the_id_before_any_work(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The analysis ran inside the web request, and the id for polling was known only when it was over."""
        make_library()
        woken: list[uuid.UUID] = []
        monkeypatch.setattr("duplicates.api.analyses.enqueue_analysis", woken.append)
        client = APIClient()
        client.force_login(UserFactory(permissions=MANAGER))

        answer = client.post("/api/v1/analyses/", {}, format="json")

        analysis = DuplicateAnalysisResult.objects.get()
        assert answer.json()["analysis_id"] == str(analysis.pk)
        assert (analysis.status, analysis.started_at) == (AnalysisStatus.QUEUED, None)

    def test_the_owner_sees_the_progress_while_it_runs(self) -> None:
        """The progress page refused the owner of a run until the run was over."""
        owner = UserFactory(permissions=MANAGER)
        run = AnalysisFactory(
            user=owner,
            status=AnalysisStatus.RUNNING,
            completed_at=None,
            lease_token=uuid.uuid4(),
            lease_until=NOW,
            slot=1,
        )

        answer = signed_in(owner).get(reverse("admin:duplicates_analysis_progress", args=[run.pk]))

        assert answer.status_code == 200
        assert answer.json()["status"] == "running"

    def test_a_cancel_is_a_fact_in_the_database(self) -> None:
        """Cancel flags lived in the memory of one process, so a cancel through another web worker did nothing."""
        make_library()
        analysis = queue()
        claimed = claims.claim(analysis.pk, now=NOW)

        call_command("cancel_analysis", str(analysis.pk))

        analysis.refresh_from_db()
        assert analysis.status == AnalysisStatus.CANCELLED
        with pytest.raises(AnalysisCancelled):
            claims.renew(claimed, now=NOW)

    def test_checkpoints_are_files_that_outlive_their_process(
        self, work_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Checkpoints lived in memory, so a killed run began again."""
        make_library()
        analysis = queue()
        monkeypatch.setattr(saving, "save_groups", lambda *args, **kwargs: 1 / 0)

        running.run_analysis(analysis.pk)

        kept = [path for path in work_dir.rglob("*") if path.is_file() and str(analysis.pk) in str(path)]
        assert sum(path.stat().st_size for path in kept) > 0


class TestCatalogue:
    def test_matches_are_saved_with_each_member(self) -> None:
        """Matches with the iTunes catalogue were shown once and never saved."""
        make_library()
        ITunesTrack.objects.create(
            catalog="home", title="Harbour Lights", artist="The Quiet Tide", persistent_id="000000000000000A"
        )

        DuplicateDetectionService().find_duplicates_with_persistence(AnalysisOptions())

        saved = DuplicateAnalysisTrack.objects.filter(itunes_match=ITunesMatch.EXACT)
        assert {member.itunes_persistent_id for member in saved} == {"000000000000000A"}

    def test_two_entries_for_one_title_and_artist_stay_two(self) -> None:
        """The second of two entries for one (title, artist) overwrote the first before anything was compared."""
        make_library()
        for number, album in enumerate(("Low Water", "Greatest Hits"), 1):
            ITunesTrack.objects.create(
                catalog="home",
                title="Harbour Lights",
                artist="The Quiet Tide",
                album=album,
                persistent_id=f"{number:016X}",
            )

        DuplicateDetectionService().find_duplicates_with_persistence(AnalysisOptions())

        saved = DuplicateAnalysisTrack.objects.filter(itunes_match=ITunesMatch.EXACT)
        assert {member.itunes_persistent_id for member in saved} == {f"{1:016X}"}


class TestRemoving:
    def test_a_removal_is_checked_before_and_recorded_after(self) -> None:
        """Smart deletion neither looked at the tracks once more nor left a record."""
        kept, gone = copy(), copy()
        group = group_of(kept, gone)
        Track.objects.filter(pk=gone.pk).update(title="Edited since")

        with pytest.raises(MemberChanged):
            remove_duplicates(group=group, keeper_id=kept.pk, removing=[gone.pk], actor=None, now=NOW)
        remove_duplicates(
            group=group_of(kept, third := copy()), keeper_id=kept.pk, removing=[third.pk], actor=None, now=NOW
        )

        records = AuditRecord.objects.filter(action="duplicates.removed").order_by("pk")
        assert [(record.was_successful, record.track_count) for record in records] == [(False, 0), (True, 1)]

    def test_no_removal_leaves_a_group_without_a_copy(self) -> None:
        """Bulk deletion removed the keeper with its duplicates."""
        kept, gone = copy(), copy()

        with pytest.raises(LastCopy):
            remove_duplicates(
                group=group_of(kept, gone), keeper_id=kept.pk, removing=[kept.pk, gone.pk], actor=None, now=NOW
            )

        assert set(Track.objects.values_list("pk", flat=True)) == {kept.pk, gone.pk}

    def test_plays_are_counted_after_the_rows_are_gone(self) -> None:
        """The summary added the plays of removed tracks up after their rows had gone, and so found none."""
        kept, gone = copy(play_count=36), copy(play_count=14)
        group = group_of(kept, gone)
        removal = remove_duplicates(group=group, keeper_id=kept.pk, removing=[gone.pk], actor=None, now=NOW)

        purge_removal(removal.pk, actor=None, now=NOW + timedelta(days=31))

        assert not Track.objects.filter(pk=gone.pk).exists()
        assert get_impact_summary(group.analysis).plays_kept == 14


def addresses_of(analysis: DuplicateAnalysisResult) -> list[str]:
    """Return every address of the admin that names an analysis, its group or its export."""
    group, export = GroupFactory(analysis=analysis), ExportFactory(analysis=analysis, user=analysis.user)
    named = {
        "duplicates_duplicateanalysisresult_": analysis.pk,
        "duplicates_analysis_": analysis.pk,
        "duplicates_duplicateanalysisgroup_": group.pk,
        "duplicates_decide": group.pk,
        "duplicates_preview_removal": group.pk,
        "duplicates_duplicateanalysisexport_": export.pk,
        "duplicates_export_": export.pk,
    }
    found = []
    for name in names_of(get_resolver()):
        for prefix, key in named.items():
            if name.startswith(prefix) and not name.endswith(("_changelist", "_add")):
                found.append(reverse(f"admin:{name}", args=[key]))
    return found


def names_of(resolver: URLResolver) -> list[str]:
    """Return the names of all patterns that take one argument."""
    names = []
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLPattern):
            names += [pattern.name] if pattern.name and str(pattern.pattern).count("<") == 1 else []
        else:
            names += names_of(pattern)
    return names


class TestOwnership:
    def test_no_address_of_an_analysis_opens_to_a_stranger(self) -> None:
        """Ownership was checked on half of the routes."""
        foreign = AnalysisFactory(user=UserFactory())
        stranger = signed_in(UserFactory(permissions=MANAGER))
        addresses = addresses_of(foreign)

        assert len(addresses) >= 10
        for address in addresses:
            for answer in (stranger.get(address), stranger.post(address)):
                assert answer.status_code in {302, 403, 404, 405}, address
                assert "/duplicates/" not in answer.get("Location", ""), address


class TestPreferencesAndExports:
    def test_preferences_have_a_screen_that_saves_them(self) -> None:
        """Preferences existed, and no page to set them."""
        person: User = UserFactory(permissions=(*VIEWS, *PREFERRING))
        screen = reverse("admin:duplicates_duplicatepreferences_add")

        signed_in(person).post(screen, {"default_preset": "song", "export_format": "csv", "groups_per_page": "100"})

        assert DuplicatePreferences.objects.of(person).default_preset == "song"

    @pytest.mark.django_db(transaction=True)
    def test_an_export_says_nothing_of_its_rows_before_they_are_written(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The progress of an export was made up."""
        monkeypatch.setattr("duplicates.services.exporting.WRITTEN_AT_ONCE", 0)
        make_library()
        analysis = DuplicateDetectionService().find_duplicates_with_persistence(AnalysisOptions()).analysis

        export = request_export(analysis, "csv", actor=None, now=NOW, enqueue=lambda pk: None)
        before: tuple[Any, ...] = (export.status, export.row_count, export.size_bytes)
        write_export(export.pk)

        export.refresh_from_db()
        assert before == (ExportStatus.PENDING, 0, None)
        assert export.row_count == DuplicateAnalysisTrack.objects.filter(group__analysis=analysis).count()
