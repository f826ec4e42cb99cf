"""Folding and words: every script keeps something, and nothing a person types makes two different titles empty."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duplicates.engine.text import composed, fold, repaired, romanised, to_words, without_spaces, words_of

ANY_TEXT = st.text(st.characters(blacklist_categories=("Cs",)), max_size=40)


def words(text: str) -> str:
    return to_words(fold([text])).decode()


class TestFolding:
    @pytest.mark.parametrize(
        ("typed", "plain"),
        [
            pytest.param("Don’t Stop Me Now", "dont stop me now", id="curly quote"),
            pytest.param("Don't Stop Me Now", "dont stop me now", id="straight quote"),
            pytest.param("Beyoncé", "beyonce", id="accent"),
            pytest.param("Motörhead", "motorhead", id="umlaut"),
            pytest.param("Sigur Rós — Ágætis byrjun", "sigur ros agaetis byrjun", id="dash and ligature"),
            pytest.param("ﬁnal ﬂight", "final flight", id="typographic ligatures"),
            pytest.param("ＦＵＬＬ　ＷＩＤＴＨ", "full width", id="full width"),
            pytest.param("Straße", "strasse", id="sharp s"),
            pytest.param("AC/DC", "ac dc", id="slash"),
            pytest.param("Simon &amp; Garfunkel", "simon garfunkel", id="html entity"),
            pytest.param("cafÃ©", "cafe", id="utf-8 read as latin"),
            pytest.param("  two   spaces\t", "two spaces", id="spaces and tabs"),
            pytest.param("ｶﾞﾗｽ", "ガ ラ ス", id="katakana of half the width with its dot"),
            pytest.param("カ\u3099ラス", "ガ ラ ス", id="kana and mark written apart"),
            pytest.param("ア・イ", "ア イ", id="middle dot"),
            pytest.param("\u110b\u1161\u11ab\u1102\u1167\u11bc", "안녕", id="hangul sound by sound"),
            pytest.param("Ёлка", "елка", id="yo"),
            pytest.param("ΕΛΛΆΔΑΣ", "ελλαδασ", id="greek capitals"),
            pytest.param("٣", "3", id="arabic digit"),
        ],
    )
    def test_spellings_of_one_text_become_one(self, typed: str, plain: str) -> None:
        assert words(typed) == plain

    @pytest.mark.parametrize(
        "title",
        [
            "東京",
            "さよーなら",
            "사랑",
            "Москва",
            "Ελλάδα",
            "שלום",
            "سلام",
            "ไทย",
            "नमस्ते",
            "★",
            "♥",
            "???",
            "†††",
            "…",
            "()",
            "😀",
            "İ",
        ],
    )
    def test_no_script_and_no_sign_folds_to_nothing(self, title: str) -> None:
        assert words(title) != ""

    def test_different_cyrillic_titles_stay_different(self) -> None:
        assert words("Москва") != words("Минск")

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            pytest.param("мой", "мои", id="Cyrillic short i"),
            pytest.param("мел", "мель", id="Cyrillic soft sign"),
            pytest.param("เสือ", "เสื้อ", id="Thai tone"),
            pytest.param("कम", "काम", id="Devanagari vowel"),
            pytest.param("가나", "가냐", id="Hangul"),
        ],
    )
    def test_what_latin_letters_cannot_tell_apart_stays_apart(self, one: str, other: str) -> None:
        assert words(one) != words(other)

    @pytest.mark.parametrize(
        ("native", "latin"), [("Группа крови", "Gruppa krovi"), ("ガラスの", "Garasu no"), ("Ελλάδα", "Ellada")]
    )
    def test_every_script_can_be_spelt_in_latin_letters(self, native: str, latin: str) -> None:
        assert romanised(words(native)) == romanised(words(latin))

    def test_each_ideograph_is_a_word(self) -> None:
        assert words("東京事変").split() == ["東", "京", "事", "変"]

    def test_lost_letters_of_a_broken_export_leave_no_noise(self) -> None:
        assert repaired("Donï¿½ï¿½t") == "Dont"
        assert repaired("Beyoncï¿") == "Beyonc"
        assert repaired("ýýýýýý Remix") == " Remix"


class TestColumns:
    @given(st.lists(ANY_TEXT, min_size=1, max_size=6))
    def test_a_column_folds_row_by_row(self, texts: list[str]) -> None:
        assert fold(texts) == [fold([text])[0] for text in texts]

    @given(ANY_TEXT)
    def test_the_latin_spelling_is_plain_letters_and_keeps_latin_words(self, text: str) -> None:
        spelt = romanised(words(text))
        assert spelt == romanised(spelt)
        assert " " not in spelt

    @given(ANY_TEXT)
    def test_composing_twice_changes_nothing(self, text: str) -> None:
        assert composed(composed(text)) == composed(text)

    @given(st.lists(ANY_TEXT, min_size=1, max_size=6))
    def test_words_keep_one_row_per_text(self, texts: list[str]) -> None:
        folded = fold(texts)
        assert to_words(folded).decode().split("\n") == [words_of(text) for text in folded]

    @given(ANY_TEXT)
    def test_only_blank_text_folds_to_nothing(self, text: str) -> None:
        assert (words(text) == "") <= (text.strip() == "" or not any(c.isalnum() or c.isprintable() for c in text))

    @given(ANY_TEXT)
    def test_folding_twice_changes_nothing_for_latin_words(self, text: str) -> None:
        once = words(text)
        if once.isascii():
            assert words(once) == once

    @given(st.lists(ANY_TEXT, min_size=1, max_size=4))
    def test_taking_spaces_out_keeps_the_rows(self, texts: list[str]) -> None:
        block = to_words(fold(texts))
        assert without_spaces(block).count(b"\n") == block.count(b"\n")
