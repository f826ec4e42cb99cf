"""What the matcher reaches on labelled music. The floors lie a little below what is measured, to catch a fall.

`python -m tests.benchmarks.engine accuracy` prints the figures themselves.
"""

import pytest

from duplicates.engine.pipeline import find_clusters
from duplicates.engine.settings import EngineSettings, Preset
from tests.benchmarks.engine import CALIBRATED, LABELLED, labelled_pairs, musicbrainz_truth, reliability
from tests.engine import datasets
from tests.engine.support import groups_of, pairs_of

pytestmark = pytest.mark.usefixtures("labelled_data")


def precision_and_recall(found: set, matches: set, judged: set | None = None) -> tuple[float, float]:
    reported = found if judged is None else found & judged
    return len(found & matches) / len(reported), len(found & matches) / len(matches)


@pytest.mark.parametrize(
    ("number", "precision", "recall"),
    [pytest.param(True, 0.997, 0.986, id="with track numbers"), pytest.param(False, 0.996, 0.982, id="without")],
)
def test_tracks_of_the_same_release_are_found(number: bool, precision: float, recall: float) -> None:
    clusters = find_clusters(datasets.musicbrainz(number=number), EngineSettings(preset=Preset.RELEASE))
    reached = precision_and_recall(pairs_of(groups_of(clusters)), musicbrainz_truth())
    assert reached >= (precision, 0.0)
    assert reached[1] >= recall


@pytest.mark.parametrize(
    ("name", "preset", "precision", "recall"),
    [
        pytest.param("isrc_library", Preset.RECORDING, 0.99, 0.95, id="real exports"),
        pytest.param("itunes_amazon", Preset.RELEASE, 0.98, 0.92, id="two shops"),
        pytest.param("itunes_amazon_dirty", Preset.RELEASE, 0.97, 0.82, id="values in the wrong column"),
    ],
)
def test_labelled_pairs_are_told_apart(name: str, preset: Preset, precision: float, recall: float) -> None:
    pairs, columns = LABELLED[name]
    labels = labelled_pairs(pairs)
    matches = {pair for pair, (label, _) in labels.items() if label == "1"}
    found = pairs_of(groups_of(find_clusters(columns(), EngineSettings(preset=preset))))
    reached = precision_and_recall(found, matches, set(labels))
    assert reached >= (precision, 0.0)
    assert reached[1] >= recall


@pytest.mark.parametrize("name", CALIBRATED)
def test_a_probability_promises_no_more_than_it_holds(name: str) -> None:
    assert [band for band in reliability(name)[1] if not band.is_reached] == []


def test_every_kind_of_look_alike_is_told_apart() -> None:
    """Covers, other versions and neighbours on an album of equal length: removing one of those is what people fear."""
    labels = labelled_pairs("isrc_pairs.csv.gz")
    settings = EngineSettings(preset=Preset.RECORDING)
    found = pairs_of(groups_of(find_clusters(datasets.isrc_library(), settings)))
    kinds = {kind: (0, 0) for _, kind in labels.values() if kind != "same_isrc"}
    for pair, (label, kind) in labels.items():
        if label == "0":
            right, total = kinds[kind]
            kinds[kind] = (right + (pair not in found), total + 1)
    assert {kind: right / total for kind, (right, total) in kinds.items() if right / total < 0.99} == {}
