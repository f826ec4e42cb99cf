"""Runs that stop and go on: handed back, resumed from what was kept, cancelled or refused for want of memory."""

import pytest

from duplicates.choices import AnalysisStatus
from duplicates.engine import memory
from duplicates.exceptions import AnalysisAlreadyRunning, AnalysisCancelled, NotResumable
from duplicates.models import DuplicateAnalysisResult
from duplicates.services import itunes, lifecycle, process, running, saving, work_folder
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.options import AnalysisOptions
from library.models import ITunesTrack
from tests.duplicates.library_of import SONG_COUNT, make_library
from tests.duplicates.queued import NOW, queue, status_of

pytestmark = pytest.mark.django_db


class TestHandingBack:
    def test_a_run_asked_to_stop_goes_back_with_its_checkpoints(self, monkeypatch) -> None:
        make_library()
        analysis = queue()
        original = saving.save_groups

        def stop_before_saving(*args, **kwargs):
            process.ask_to_stop()
            return original(*args, **kwargs)

        monkeypatch.setattr(saving, "save_groups", stop_before_saving)
        running.run_analysis(analysis.pk)
        process.become_worker("")

        assert status_of(analysis) == AnalysisStatus.QUEUED
        assert list(work_folder.analyses_with_checkpoints()) == [analysis.pk]

        monkeypatch.setattr(saving, "save_groups", original)
        assert running.run_analysis(analysis.pk).analysis.groups_found == SONG_COUNT
        assert list(work_folder.analyses_with_checkpoints()) == []


class TestResuming:
    def failed(self) -> DuplicateAnalysisResult:
        analysis = queue()
        lifecycle.end_by_hand(analysis, AnalysisStatus.FAILED, actor=None, now=NOW, message="…")
        return lifecycle.get_analysis(analysis.pk)

    def test_a_failed_analysis_runs_again_as_the_same_row(self) -> None:
        make_library()
        analysis = self.failed()

        lifecycle.resume(analysis, actor=None, now=NOW)
        ran = running.run_analysis(analysis.pk)

        assert (ran.analysis.status, ran.analysis.error_code) == (AnalysisStatus.COMPLETED, "")

    def test_a_finished_one_cannot_be_resumed(self) -> None:
        analysis = DuplicateDetectionService().find_duplicates_with_persistence(AnalysisOptions()).analysis

        with pytest.raises(NotResumable, match="is completed"):
            lifecycle.resume(analysis, actor=None, now=NOW)

    def test_it_is_refused_while_an_equal_one_runs(self) -> None:
        analysis = self.failed()
        running = queue()

        with pytest.raises(AnalysisAlreadyRunning) as refused:
            lifecycle.resume(analysis, actor=None, now=NOW)

        assert refused.value.facts == {"analysis_id": str(running.pk)}

    def test_stages_with_a_matching_checkpoint_are_skipped(self, monkeypatch, caplog) -> None:
        make_library()
        undisturbed = running.run_analysis(queue().pk).analysis
        analysis = queue()
        original = saving.save_groups
        monkeypatch.setattr(saving, "save_groups", lambda *args, **kwargs: 1 / 0)
        running.run_analysis(analysis.pk)
        monkeypatch.setattr(saving, "save_groups", original)
        lifecycle.resume(lifecycle.get_analysis(analysis.pk), actor=None, now=NOW)

        with caplog.at_level("INFO", "reprise.analysis"):
            resumed = running.run_analysis(analysis.pk).analysis

        assert "Stage found taken from its checkpoint" in caplog.text
        assert not any("Phase: Loading" in message for message in caplog.messages)
        assert snapshot(resumed) == snapshot(undisturbed)

    def test_a_save_goes_on_where_it_was_killed(self, monkeypatch) -> None:
        make_library(copies=3)
        undisturbed = running.run_analysis(queue().pk).analysis
        analysis = queue()
        monkeypatch.setattr(saving, "GROUPS_PER_BATCH", 2)
        original, written = saving._write, []

        def die_in_the_second_batch(*args):
            if written:
                raise MemoryError
            written.append(args)
            return original(*args)

        monkeypatch.setattr(saving, "_write", die_in_the_second_batch)
        running.run_analysis(analysis.pk)
        assert analysis.groups.count() == 2
        monkeypatch.setattr(saving, "_write", original)
        lifecycle.resume(lifecycle.get_analysis(analysis.pk), actor=None, now=NOW)

        resumed = running.run_analysis(analysis.pk).analysis

        assert snapshot(resumed) == snapshot(undisturbed)


class TestMemory:
    @pytest.mark.parametrize(
        ("name", "megabytes", "said"),
        [
            pytest.param("RECORD_BYTES", 180, "10 tracks needs 2,002 MB of memory and may use 512", id="a library"),
            pytest.param(
                "ENTRY_BYTES",
                1_000,
                "10 tracks up in an iTunes catalogue of 2 entries needs 2,202 MB",
                id="a catalogue",
            ),
        ],
    )
    def test_what_is_above_the_ceiling_is_refused_before_it_is_read(
        self, settings, monkeypatch, name: str, megabytes: int, said: str
    ) -> None:
        make_library()
        for digit in "AB":
            ITunesTrack.objects.create(catalog="home", persistent_id=digit * 16, title="Harbour Lights")
        settings.ANALYSIS_MEMORY_MB = 512
        monkeypatch.setattr(memory, name, megabytes * memory.MEGABYTE)
        monkeypatch.setattr("duplicates.services.loading.load_library", None)

        failed = running.run_analysis(queue().pk).analysis

        assert (failed.status, failed.error_code) == (AnalysisStatus.FAILED, "MEMORY_LIMIT")
        assert said in failed.error_message

    def test_a_small_ceiling_gives_the_same_groups_in_smaller_chunks(self, settings, monkeypatch) -> None:
        make_library(copies=3)
        ample = running.run_analysis(queue().pk).analysis
        settings.ANALYSIS_MEMORY_MB = 256
        monkeypatch.setattr(memory, "PROCESS_BYTES", 240 * memory.MEGABYTE)

        tight = running.run_analysis(queue(minutes=1).pk).analysis

        assert snapshot(tight) == snapshot(ample)


def snapshot(analysis: DuplicateAnalysisResult) -> list[tuple[object, ...]]:
    """Everything a reader sees of the groups."""
    return [
        (group.position, group.group_key, group.confidence, group.keeper_track_id, *members)
        for group in analysis.groups.order_by("position")
        for members in [list(group.members.order_by("position").values_list("track_id", "similarity", "evidence"))]
    ]


class TestPartialResults:
    def cancel_while_saving(self, monkeypatch, analysis) -> DuplicateAnalysisResult:
        monkeypatch.setattr(saving, "GROUPS_PER_BATCH", 2)
        original = saving._write

        def write_and_cancel(*args):
            saved = original(*args)
            lifecycle.request_cancel(analysis, actor=None, now=NOW)
            return saved

        monkeypatch.setattr(saving, "_write", write_and_cancel)
        monkeypatch.setattr(running, "PARTIAL_SECONDS", 0.0)
        return running.run_analysis(analysis.pk).analysis

    def test_what_was_found_before_a_cancel_is_kept_and_marked(self, monkeypatch, settings) -> None:
        settings.PROGRESS_INTERVAL_SECONDS = 0
        make_library()

        cancelled = self.cancel_while_saving(monkeypatch, queue())

        # A batch before the cancel, and one before the time for keeping more was up.
        assert (cancelled.status, cancelled.is_partial, cancelled.groups_found) == ("cancelled", True, 4)
        assert cancelled.has_groups
        assert cancelled.groups.count() == 4

    def test_nothing_is_kept_when_that_was_not_wanted(self, monkeypatch, settings) -> None:
        settings.PROGRESS_INTERVAL_SECONDS = 0
        make_library()
        analysis = queue()
        DuplicateAnalysisResult.objects.filter(pk=analysis.pk).update(keep_partial=False)

        cancelled = self.cancel_while_saving(monkeypatch, analysis)

        assert (cancelled.is_partial, cancelled.groups_found) == (False, 0)

    def test_a_run_stopped_after_clustering_shows_its_first_groups(self, monkeypatch) -> None:
        make_library()
        analysis = queue()
        monkeypatch.setattr("duplicates.services.itunes.cross_reference", stop_once(analysis))

        cancelled = running.run_analysis(analysis.pk).analysis

        assert (cancelled.is_partial, cancelled.groups_found) == (True, SONG_COUNT)


def stop_once(analysis: DuplicateAnalysisResult):
    """Return a cross-reference that is cancelled the first time it is asked."""
    original, asked = itunes.cross_reference, []

    def cross_reference(*args, **kwargs):
        if not asked:
            asked.append(1)
            raise AnalysisCancelled
        return original(*args, **kwargs)

    return cross_reference
