"""The memory a run needs: said before it begins, and followed by the size of its chunks."""

from duplicates.engine import memory
from duplicates.engine.memory import budget, catalogue_budget, members_at_once
from duplicates.engine.settings import EngineSettings
from tests.engine.support import song, tracks


class TestBudget:
    def test_an_ordinary_library_has_ample_memory(self) -> None:
        ample = budget(100_000, EngineSettings())
        assert ample.is_enough
        assert ample.chunk(50_000) == 50_000

    def test_a_million_tracks_fit_under_the_default_ceiling(self) -> None:
        assert budget(1_000_000, EngineSettings()).is_enough

    def test_too_large_a_library_names_a_ceiling_that_is_enough(self) -> None:
        refused = budget(5_000_000, EngineSettings())
        assert not refused.is_enough
        assert budget(5_000_000, EngineSettings(memory_limit_mb=refused.needed_mb)).is_enough
        assert not budget(5_000_000, EngineSettings(memory_limit_mb=refused.needed_mb - 1)).is_enough

    def test_chunks_shrink_as_memory_gets_scarce(self) -> None:
        least = budget(300_000, EngineSettings()).needed_mb
        sizes = [budget(300_000, EngineSettings(memory_limit_mb=least + more)).chunk(8_000) for more in (0, 40, 200)]
        assert 8_000 * memory.SMALLEST_CHUNK <= sizes[0] < sizes[1] < sizes[2] == 8_000

    def test_long_texts_need_more_memory_and_smaller_chunks(self) -> None:
        ordinary = budget(100_000, EngineSettings(), text_bytes=100_000 * memory.RECORD_TEXT)
        wordy = budget(100_000, EngineSettings(), text_bytes=100_000 * memory.RECORD_TEXT * 4)
        assert ordinary == budget(100_000, EngineSettings())
        assert wordy.needed_mb > ordinary.needed_mb
        assert wordy.chunk(8_000) == ordinary.chunk(8_000) // 4

    def test_a_catalogue_counts_once_it_needs_more_than_the_matching(self) -> None:
        settings = EngineSettings()
        assert catalogue_budget(1_000_000, 1_000, settings).needed_mb < budget(1_000_000, settings).needed_mb
        assert catalogue_budget(20_000, 200_000, settings).needed_mb > budget(190_000, settings).needed_mb

    def test_as_many_members_are_looked_up_at_once_as_there_is_room_for(self) -> None:
        least = catalogue_budget(100_000, 100_000, EngineSettings()).needed_mb
        tight, ample = (EngineSettings(memory_limit_mb=least + more) for more in (0, 140))
        assert members_at_once(100_000, 100_000, tight) == memory.SMALLEST_LOOKUP
        assert members_at_once(100_000, 100_000, ample) == 100_000

    def test_text_is_counted_in_bytes_up_to_where_it_is_cut(self) -> None:
        columns = tracks(song("é", "", ""), song("a" * 5_000, "", ""))
        assert columns.text_bytes == 2 + 1_000
        assert tracks(song("", "", "")).text_bytes == 0
