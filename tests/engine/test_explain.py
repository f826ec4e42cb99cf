"""A pair taken apart: bits that add up, levels in words, and the reason it is or is not a group."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from duplicates.engine import shipped
from duplicates.engine.evidence import base_weight, contradiction, decode_evidence, read_tables
from duplicates.engine.explain import Known, Outcome, PairExplanation, explain_pair, in_percent, were_candidates
from duplicates.engine.levels import COMPARISONS, pack, unpack
from duplicates.engine.model import from_bytes
from duplicates.engine.pipeline import choose_keepers, find_clusters
from duplicates.engine.settings import EngineSettings, Preset
from tests.engine.support import keeper_columns, song, tracks

SETTINGS = EngineSettings()
COLUMNS = tracks(
    song("I Got"), song("I Got - 2020 Remaster"), song("Glass Mountain", duration_ms=99_000), song("", "", "")
)


def judged(one: dict[str, object], other: dict[str, object], **options: object) -> PairExplanation:
    """Explain a pair of its own with the shipped beliefs."""
    wanted = EngineSettings(**options)  # type: ignore[arg-type]
    return explain_pair(tracks(one, other), 1, 2, wanted, shipped.shipped_model(wanted).to_bytes())


class TestTheSum:
    def test_the_parts_add_up_to_the_weight(self) -> None:
        found = explain_pair(COLUMNS, 1, 2, SETTINGS, find_clusters(COLUMNS, SETTINGS).tables)
        assert found.base_weight + sum(part.bits for part in found.contributions) == pytest.approx(found.match_weight)
        assert found.probability == pytest.approx(1 / (1 + 2**-found.match_weight))

    def test_stored_evidence_reads_the_same_as_a_fresh_explanation(self) -> None:
        clusters = find_clusters(COLUMNS, SETTINGS)
        groups = choose_keepers(COLUMNS, clusters, keeper_columns(), SETTINGS)
        fresh = explain_pair(COLUMNS, 1, 2, SETTINGS, clusters.tables)
        stored = decode_evidence(int(groups.evidence[1]), clusters.tables)
        assert [(p.comparison, p.level, p.bits) for p in stored] == [
            (p.comparison, p.level, p.bits) for p in fresh.contributions
        ]
        assert groups.match_weight[1] == pytest.approx(base_weight(clusters.tables) + sum(p.bits for p in stored))

    @pytest.mark.parametrize("preset", Preset)
    def test_reading_without_numpy_agrees_with_the_model(self, preset: Preset) -> None:
        tables = shipped.shipped_model(EngineSettings(preset=preset)).to_bytes()
        sizes = [len(comparison.levels) for comparison in COMPARISONS]
        codes = pack(np.random.default_rng(1).integers(0, sizes, (300, len(sizes))).astype(np.uint8))
        read = [
            base_weight(tables) + sum(part.bits for part in decode_evidence(code, tables)) for code in codes.tolist()
        ]
        assert read == pytest.approx(from_bytes(tables).weights(codes).tolist())

    def test_every_level_keeps_its_name(self) -> None:
        tables = shipped.shipped_model(SETTINGS).to_bytes()
        code = int(pack(np.full((1, len(COMPARISONS)), 1, np.uint8))[0])
        assert [part.level for part in decode_evidence(code, tables)] == [c.levels[1] for c in COMPARISONS]
        assert unpack(np.array([code]))[0].tolist() == [1] * len(COMPARISONS)

    @pytest.mark.parametrize("tables", [b"", b"{}", b"[]", b'{"format": 99}', b"\xff"])
    def test_tables_of_another_engine_are_a_value_error(self, tables: bytes) -> None:
        with pytest.raises(ValueError, match="not written by this engine"):
            read_tables(tables)

    def test_a_vector_of_another_engine_is_a_value_error(self) -> None:
        with pytest.raises(ValueError, match="knows no level 15"):
            decode_evidence(15, shipped.shipped_model(SETTINGS).to_bytes())


class TestTheOutcome:
    @pytest.mark.parametrize(
        ("pair", "known", "outcome"),
        [
            pytest.param((1, 2), Known(), Outcome.LINKED, id="linked"),
            pytest.param((1, 2), Known(same_group=False), Outcome.CUT_OR_NEVER_COMPARED, id="nobody looked which"),
            pytest.param(
                (1, 2), Known(same_group=False, were_candidates=True), Outcome.CUT_AS_WEAK, id="cut as a weak link"
            ),
            pytest.param(
                (1, 2), Known(same_group=False, were_candidates=False), Outcome.NEVER_A_CANDIDATE, id="never compared"
            ),
            pytest.param(
                (1, 2), Known(same_group=False, both_ungrouped=True), Outcome.NEVER_A_CANDIDATE, id="nobody grouped"
            ),
            pytest.param((1, 2), Known(declared_different=True), Outcome.DECLARED_DIFFERENT, id="declared different"),
            pytest.param((1, 3), Known(), Outcome.BELOW_THRESHOLD, id="below threshold"),
            pytest.param((1, 3), Known(same_group=True), Outcome.LINKED_THROUGH_OTHERS, id="through others"),
            pytest.param((1, 4), Known(), Outcome.NOT_ENOUGH_DATA, id="not enough data"),
        ],
    )
    def test_it_is_named(self, pair: tuple[int, int], known: Known, outcome: Outcome) -> None:
        tables = find_clusters(COLUMNS, SETTINGS).tables
        assert explain_pair(COLUMNS, *pair, SETTINGS, tables, known=known).outcome == outcome

    def test_two_songs_with_nothing_in_common_were_never_compared(self) -> None:
        found = judged(song("I Got"), song("Glass", "Otto Marsh", "Low Country", duration_ms=99_000))
        assert found.outcome == Outcome.NEVER_A_CANDIDATE

    @pytest.mark.parametrize(
        ("other", "options", "said"),
        [
            pytest.param(song("I Got (Live)"), {}, "version marker on one side", id="another version"),
            pytest.param(
                song("I Got - Remastered"), {"fold_remasters": False}, "version another remaster", id="remaster"
            ),
            pytest.param(song("I Got", album="Best Of"), {"preset": Preset.EXACT}, "album", id="exact"),
        ],
    )
    def test_what_the_preset_forbids_is_named(
        self, other: dict[str, object], options: dict[str, object], said: str
    ) -> None:
        found = judged(song("I Got"), other, **options)
        assert (found.outcome, said in found.reason) == (Outcome.FORBIDDEN, True)

    def test_no_rule_is_named_where_two_songs_differ_anyway(self) -> None:
        assert judged(song("I Got"), song("Glass Mountain (Live)")).outcome == Outcome.BELOW_THRESHOLD

    def test_a_chance_below_the_threshold_is_told_with_both_figures(self) -> None:
        found = explain_pair(COLUMNS, 1, 3, SETTINGS, find_clusters(COLUMNS, SETTINGS).tables)
        assert f"{in_percent(found.probability)} where 50 % is needed" in found.reason

    def test_an_unknown_track_is_a_key_error(self) -> None:
        with pytest.raises(KeyError):
            explain_pair(COLUMNS, 1, 77, SETTINGS, find_clusters(COLUMNS, SETTINGS).tables)

    def test_a_track_is_not_a_pair_with_itself(self) -> None:
        with pytest.raises(ValueError, match="itself"):
            explain_pair(COLUMNS, 1, 1, SETTINGS, find_clusters(COLUMNS, SETTINGS).tables)


class TestWhetherTwoWereCompared:
    """The candidate stage itself is asked: what it leaves out depends on the whole library, not on the two."""

    # 300 copies of one song by others: more than any posting list is read for.
    CROWD = [song("I Got", f"Band {n:03}", f"Album {n:03}", duration_ms=90_000 + n * 997) for n in range(300)]

    def test_two_that_share_rare_words_were(self) -> None:
        library = tracks(song("Ember Days"), song("Ember Days", album="Low Country"), *self.CROWD)
        assert were_candidates(library, 1, 2, SETTINGS)

    def test_two_that_share_only_what_everybody_has_were_not(self) -> None:
        library = tracks(
            song("I Got", "Otto Marsh", "Low Country", duration_ms=71_000),
            song("I Got", "Ada Quill", "Paper Boats", duration_ms=78_000),
            *self.CROWD,
        )
        assert not were_candidates(library, 1, 2, SETTINGS)
        assert not were_candidates(library, 2, 1, SETTINGS)

    def test_copies_stand_for_their_original(self) -> None:
        library = tracks(song("Ember Days"), song("Ember Days"), song("Ember Days", duration_ms=200_400), *self.CROWD)
        assert were_candidates(library, 1, 2, SETTINGS)
        assert were_candidates(library, 2, 3, SETTINGS)

    def test_what_people_declared_different_is_no_copy_that_follows_its_original(self) -> None:
        crowd = tracks(*[song("I Got")] * 300, song("Glass Mountain"))
        assert were_candidates(crowd, 1, 300, SETTINGS)
        declared = np.array([[track_id, 301] for track_id in range(1, 301)])
        assert not were_candidates(crowd, 1, 300, SETTINGS, not_duplicates=declared)

    @pytest.mark.parametrize("unknown", [0, 77])
    def test_an_unknown_track_is_a_key_error(self, unknown: int) -> None:
        with pytest.raises(KeyError):
            were_candidates(tracks(song("I Got"), song("I Got")), 1, unknown, SETTINGS)


class TestTheValues:
    def test_each_comparison_shows_what_it_read(self) -> None:
        isrc = {"isrc": "GBAYE0000001"}
        found = judged(song("I Got", year=1999, **isrc), song("I Got (Live)", duration_ms=201_500, **isrc))
        values = {part.comparison: (part.left_value, part.right_value) for part in found.contributions}
        assert values["length"] == ("3:20.000", "3:21.500")
        assert values["version"] == ("", "live")
        assert values["year"] == ("1999", "")
        assert values["identifier"] == ("ISRC GBAYE0000001", "ISRC GBAYE0000001")

    def test_of_two_kinds_of_identifier_the_equal_one_is_shown(self) -> None:
        recording = {"musicbrainz_recording_id": "0a1b2c3d-0000-4000-8000-000000000001"}
        found = judged(song("I Got", isrc="GBAYE0000001", **recording), song("I Got", isrc="USAAA0000002", **recording))
        part = next(part for part in found.contributions if part.comparison == "identifier")
        assert part.left_value == part.right_value == f"MusicBrainz {recording['musicbrainz_recording_id']}"


class TestIdentifiers:
    ISRC = {"isrc": "GBAYE0000001"}

    @pytest.mark.parametrize(
        ("other", "said"),
        [
            pytest.param(song("I Got (Live)", **ISRC), "version marker on one side", id="another version"),
            pytest.param(song("Glass Mountain", **ISRC), "title", id="another title"),
            pytest.param(song("I Got", duration_ms=290_000, **ISRC), "more than 20 s apart", id="another length"),
        ],
    )
    def test_an_equal_one_with_other_music_is_pointed_out(self, other: dict[str, object], said: str) -> None:
        found = judged(song("I Got", **self.ISRC), other)
        assert found.remark.startswith("The identifier is equal, but the music differs")
        assert said in found.remark

    def test_agreement_all_round_needs_no_remark(self) -> None:
        assert judged(song("I Got", **self.ISRC), song("I Got", album="Best Of", **self.ISRC)).remark == ""

    def test_other_music_without_identifiers_needs_no_remark(self) -> None:
        assert contradiction(list(judged(song("I Got"), song("I Got (Live)")).contributions)) == ""


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.5, "50 %"),
        (0.123, "12.3 %"),
        (0.99999, "over 99.9 %"),
        (0.00001, "under 0.1 %"),
        (1.0, "100 %"),
        (0.0, "0 %"),
    ],
)
def test_nothing_but_certainty_reads_as_certain(share: float, text: str) -> None:
    assert in_percent(share) == text


def test_reading_evidence_loads_no_library() -> None:
    script = (
        "import sys; import duplicates.engine.evidence; "
        "print(*({'numpy', 'polars', 'scipy', 'rapidfuzz'} & set(sys.modules)))"
    )
    root = Path(__file__).parent.parent.parent
    loaded = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == ""
