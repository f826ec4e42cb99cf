"""Every function of the matcher that takes text survives arbitrary Unicode, and a new one cannot be forgotten here.

What each promises of any text is tested beside it; this file holds the list, and the promises of whole records.
"""

import inspect
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, get_args

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duplicates.engine import (
    artists,
    bags,
    differences,
    evidence,
    keeper_signals,
    misplaced,
    spellings,
    text,
    text_columns,
    title_columns,
    titles,
    vocabulary,
)
from duplicates.engine.normalise import Records, normalise
from duplicates.engine.pipeline import find_clusters
from duplicates.engine.records import TRACK_SCHEMA
from duplicates.engine.settings import EngineSettings, Preset
from tests.engine.support import groups_of, song, tracks

ANY_TEXT = st.text(st.characters(blacklist_categories=("Cs",)), max_size=40)
# What makes the matcher look closer, in any order and among anything.
_PIECES = """ - | (|)|live|remix| feat. |ft|unknown|2020|3:33|03-|Ã©|ï¿½|&amp;|第|二|ｶﾞ|the | by |file://x/%20|part ii"""
_SIGNS = "aéI 2東ж()[]-_.,:&/+'\u0301\n\x1f"
PIECES = st.lists(st.sampled_from([*_SIGNS, *_PIECES.split("|")]), max_size=10).map("".join)
TEXTS = st.one_of(ANY_TEXT, PIECES)
MODULES: tuple[ModuleType, ...] = (
    *(artists, bags, differences, evidence, keeper_signals, misplaced, spellings),
    *(text, text_columns, title_columns, titles, vocabulary),
)
ROWS = np.array([0]), np.array([1])


def folded(one: str) -> str:
    return text.fold([one])[0]


def words(one: str) -> str:
    return text.words_of(folded(one))


def column(*texts: str) -> pl.Series:
    return pl.Series(texts, dtype=pl.String)


def credits_of(one: str, other: str) -> tuple[artists.Credit, artists.Credit]:
    return artists.read_credit(folded(one)), artists.read_credit(folded(other))


FUZZED: dict[str, Callable[[str, str], Any]] = {
    "artists.kinship": lambda a, b: artists.kinship(*credits_of(a, b), words(b)),
    "artists.plain_name": lambda a, b: artists.plain_name(folded(a)),
    "artists.read_credit": lambda a, b: artists.read_credit(f"{folded(a)}{artists.GUESTS}{folded(b)}"),
    "artists.remixer": lambda a, b: artists.remixer(words(a)),
    "artists.unmet": lambda a, b: artists.unmet(*credits_of(a, b), words(b)),
    "bags.bags": lambda a, b: bags.bags(column(words(a), words(b))).size.tolist(),
    "differences.differences": differences.differences,
    "differences.graphemes": lambda a, b: differences.graphemes(a),
    "evidence.called": lambda a, b: evidence.called(a),
    "keeper_signals.path_of": lambda a, b: keeper_signals.path_of(a),
    "misplaced.free_title": lambda a, b: misplaced.free_title(folded(a)),
    "misplaced.is_displaced": lambda a, b: misplaced.is_displaced(folded(a)),
    "misplaced.is_number_like": lambda a, b: misplaced.is_number_like(folded(a)),
    "misplaced.length_among": lambda a, b: misplaced.length_among(folded(a)),
    "misplaced.length_of": lambda a, b: misplaced.length_of(folded(a)),
    "misplaced.without_genres": lambda a, b: misplaced.without_genres(words(a)),
    "spellings.by_words": lambda a, b: [
        found.tolist()
        for found in spellings.by_words(
            column(words(a), words(b)), *ROWS, tuple(starts_of(a, b)), np.ones(1, np.bool_), at_least=45.0
        )
    ],
    "spellings.keys": lambda a, b: spellings.keys(column(words(a)), ROWS[0]),
    "spellings.pairwise": lambda a, b: spellings.pairwise(spellings.fuzz.ratio, [a], [b]).tolist(),
    "spellings.ratio": lambda a, b: spellings.ratio(column(words(a), words(b)), *ROWS, at_least=45.0).tolist(),
    "spellings.spellings": lambda a, b: spellings.spellings(column(words(a), words(b))).in_latin(np.arange(2)),
    "spellings.word_starts": lambda a, b: [start.tolist() for start in starts_of(a, b)],
    "text.composed": lambda a, b: text.composed(a),
    "text.fold": lambda a, b: text.fold([a, b]),
    "text.folded_character": lambda a, b: [text.folded_character(sign) for sign in a],
    "text.repaired": lambda a, b: text.repaired(a),
    "text.romanised": lambda a, b: text.romanised(words(a)),
    "text.to_words": lambda a, b: text.to_words(text.fold([a, b])).decode(),
    "text.without_spaces": lambda a, b: text.without_spaces(a.encode()).decode(),
    "text.words_of": lambda a, b: text.words_of(folded(a)),
    "text.words_of_block": lambda a, b: text.words_of_block("\n".join(text.fold([a, b])).encode()).decode(),
    "text_columns.at_once": lambda a, b: text_columns.at_once(
        text_columns.fold_column, {"one": column(a), "other": column(b)}
    )["other"].to_list(),
    "text_columns.fold_column": lambda a, b: text_columns.fold_column(column(a, b)).to_list(),
    "text_columns.joined": lambda a, b: text_columns.joined(column(a, b)).decode(),
    "text_columns.put": lambda a, b: text_columns.put(column(a, b), ROWS[1], column(a)).to_list(),
    "text_columns.romanised_column": lambda a, b: text_columns.romanised_column(column(words(a))).to_list(),
    "text_columns.rows_matching": lambda a, b: text_columns.rows_matching(column(a, b), "live").tolist(),
    "text_columns.same": lambda a, b: text_columns.same(a, 2).to_list(),
    "text_columns.unjoined": lambda a, b: text_columns.unjoined(f"{a}\n{b}").to_list(),
    "text_columns.words_column": lambda a, b: text_columns.words_column(column(folded(a), folded(b))).to_list(),
    "title_columns.take_apart": lambda a, b: title_columns.take_apart(
        column(folded(a), folded(b)), column(folded(b), ""), column("", folded(a)), np.array([0, 3])
    ).to_dicts(),
    "titles.are_strangers": lambda a, b: titles.are_strangers(words(a), words(b)),
    "titles.classify": lambda a, b: titles.classify(folded(a)),
    "titles.classify_for": lambda a, b: titles.classify_for(folded(a), folded(b), titles.BUILT_IN, may_be_album=True),
    "titles.may_count": lambda a, b: titles.may_count(words(a).split(" ")),
    "titles.name_of_version": lambda a, b: titles.name_of_version(folded(a), 1),
    "titles.named_by": lambda a, b: titles.named_by(folded(a)),
    "titles.number_other_parts": lambda a, b: titles.number_other_parts(words(a), words(b)),
    "titles.numbers_a_part": lambda a, b: titles.numbers_a_part(words(a)),
    "titles.parse_title": lambda a, b: titles.parse_title(folded(a), folded(b), folded(a), 3),
    "titles.part_numbers": lambda a, b: titles.part_numbers(words(a)),
    "titles.vocabulary_of": lambda a, b: titles.vocabulary_of(((a, "live"), (b, "own"))).own,
    "vocabulary.add_phrase": lambda a, b: vocabulary.add_phrase({}, ((a, b), True, False, 1)),
    "vocabulary.phrases": lambda a, b: vocabulary.phrases(a),
    "vocabulary.phrases_of": lambda a, b: vocabulary.phrases_of(vocabulary.table_of({1: f"{a}, {b} {a}"})),
    "vocabulary.said": lambda a, b: vocabulary.said(vocabulary.TAILS, words(a).split(" ")),
    "vocabulary.table_of": lambda a, b: vocabulary.table_of({1: f"{a}, {b}", 2: "^live$"}),
}


def starts_of(one: str, other: str) -> list[Any]:
    starts = spellings.word_starts(column(words(one), words(other)))
    return [starts[rows] for rows in ROWS]


def takes_text(function: Callable[..., Any]) -> bool:
    """Tell whether a function is handed a text, some texts, or a column of them."""
    return any(holds_text(parameter.annotation) for parameter in inspect.signature(function).parameters.values())


def holds_text(kind: Any) -> bool:
    return kind in (str, bytes, pl.Series, artists.Credit) or any(map(holds_text, get_args(kind)))


def text_functions() -> Iterable[str]:
    for module in MODULES:
        for name, member in vars(module).items():
            function = inspect.unwrap(member) if callable(member) else None
            is_ours = inspect.isfunction(function) and function.__module__ == module.__name__
            if is_ours and not name.startswith("_") and takes_text(function):
                yield f"{module.__name__.rpartition('.')[2]}.{name}"


# Read tables that the engine itself wrote; what else they are handed is tested in test_explain.
NO_TEXT = {"evidence.base_weight", "evidence.decode_evidence", "evidence.read_tables"}


def test_every_text_function_is_in_the_list() -> None:
    assert set(text_functions()) == FUZZED.keys() | NO_TEXT


@pytest.mark.parametrize("name", FUZZED)
@given(one=TEXTS, other=TEXTS)
def test_it_takes_any_text_and_says_the_same_each_time(name: str, one: str, other: str) -> None:
    found = FUZZED[name](one, other)
    assert FUZZED[name](one, other) == found
    str(found).encode()  # nothing that no database keeps


RECORDS = st.fixed_dictionaries(
    {
        **{name: st.none() | TEXTS for name, kind in TRACK_SCHEMA.items() if kind == pl.String()},
        "duration_ms": st.none() | st.integers(0, 2**40),
        "track_number": st.none() | st.integers(0, 9_999),
        "year": st.none() | st.integers(0, 2_999),
    }
)


def said_of(records: Records, row: int) -> list[Any]:
    names = [name for name in Records.__slots__ if name not in {"track_id", "texts"}]
    return [getattr(records, name)[row].item() for name in names] + list(records.texts.row(row))


@given(st.lists(RECORDS, min_size=1, max_size=4), st.sampled_from(Preset))
def test_a_record_is_read_among_others_as_it_is_read_alone(rows: list[dict[str, Any]], preset: Preset) -> None:
    settings = EngineSettings(preset=preset)
    together = normalise(tracks(*rows), settings)
    for place, row in enumerate(rows):
        assert said_of(together, place) == said_of(normalise(tracks(row), settings), 0)


@given(RECORDS, st.sampled_from(Preset))
def test_two_copies_of_anything_are_a_group_or_not_enough_data(row: dict[str, Any], preset: Preset) -> None:
    found = find_clusters(tracks(row, row, song("Glass River", "The Lanterns")), EngineSettings(preset=preset))
    assert groups_of(found) == [[1, 2]] or {1, 2} <= set(found.not_enough_data.tolist()), str(row)
