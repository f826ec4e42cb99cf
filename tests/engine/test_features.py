"""The features that copies share: every word, edge and run is what plain string handling says it is."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from duplicates.engine.features import features
from duplicates.engine.hashing import words_of
from duplicates.engine.normalise import normalise
from duplicates.engine.settings import EngineSettings
from tests.engine.support import song, tracks

TEXTS = st.lists(st.text("abcé夜 ", max_size=14), min_size=1, max_size=8)


def hashed(text: str) -> int:
    """Return the hash of one word among nothing else."""
    return int(words_of(text.replace(" ", "").encode()).whole()[0])


def block(texts: list[str]) -> bytes:
    return "\n".join(texts).encode()


class TestWordsOfAColumn:
    @given(TEXTS)
    def test_every_word_is_hashed_where_it_stands(self, texts: list[str]) -> None:
        values, rows = words_of(block(texts)).words()
        expected = [(hashed(word), row) for row, text in enumerate(texts) for word in text.split(" ") if word]
        found = [(value, row) for value, row in zip(values.tolist(), rows.tolist(), strict=True) if value]
        assert found == expected

    @given(TEXTS)
    def test_a_whole_text_is_its_letters_without_the_spaces(self, texts: list[str]) -> None:
        assert words_of(block(texts)).whole().tolist() == [hashed(text) for text in texts]

    @given(TEXTS)
    def test_edges_are_the_first_and_last_bytes_of_texts_long_enough(self, texts: list[str]) -> None:
        words, plain = words_of(block(texts)), [text.replace(" ", "").encode() for text in texts]
        long = [row for row, text in enumerate(plain) if len(text) >= 5]
        for (values, rows), edges in (
            (words.first(3, 5), [plain[row][:3] for row in long]),
            (words.last_letters(3, 5), [plain[row][-3:] for row in long]),
        ):
            assert rows.tolist() == long
            assert values.tolist() == [int(words_of(edge).whole()[0]) for edge in edges]

    @given(TEXTS)
    def test_a_sampled_run_depends_on_the_runs_of_its_text_alone(self, texts: list[str]) -> None:
        values, rows = words_of(block(texts)).sampled_run(3)
        alone = [words_of(block([texts[row]])).sampled_run(3)[0].tolist() for row in rows.tolist()]
        assert [[value] for value in values.tolist()] == alone
        assert rows.tolist() == [row for row, text in enumerate(texts) if len(text.replace(" ", "").encode()) >= 3]


class TestFeaturesOfRecords:
    def test_a_library_in_parts_has_the_features_of_the_whole(self) -> None:
        titles = ("I Got", "Ночной город", "夜晚的城市", "", "Harbour Lights Forever", "Déjà Vu")
        records = normalise(tracks(*(song(title) for title in titles)), EngineSettings())
        whole = np.stack(features(records, 0, len(titles)), axis=1)
        parts = [np.stack(features(records, *edges), axis=1) for edges in pairwise((0, 1, 3, 4, 6))]
        assert sorted(map(tuple, whole.tolist())) == sorted(map(tuple, np.concatenate(parts).tolist()))

    def test_a_title_shares_features_with_its_latin_spelling(self) -> None:
        titles = [song("Ночной город", "Кино", ""), song("Nochnoy gorod", "Kino", "")]
        values, rows = features(normalise(tracks(*titles), EngineSettings()), 0, 2)
        assert len(np.intersect1d(values[rows == 0], values[rows == 1])) >= 4
