"""Plain letters out of any writing, a whole column at a time.

`fold` lowers case, opens ligatures, full-width and half-width forms and drops accents; punctuation stays, because
parsing titles needs it. Every script keeps its own letters: `romanised` spells them in Latin ones, and that is only
ever a second reading. `to_words` keeps letters and digits as words. Neither ever turns a text with something in it
into nothing: a title of pure punctuation keeps its punctuation. Both work on the column joined into one text, so the
inner loops are C.
"""

import html
import re
import unicodedata

import numpy as np
from anyascii import anyascii

# Signs with a plain twin that parsing relies on. Everything a person may type for a bracket, dash or quote.
TWINS = {
    **dict.fromkeys("‘’‚‛′´ʼʻ＇", "'"),
    **dict.fromkeys("“”„‟″«»＂", '"'),
    **dict.fromkeys("‐‑‒–—―−－﹣", "-"),
    **dict.fromkeys("（【〔［｛「『〈《", "("),
    **dict.fromkeys("）】〕］｝」』〉》", ")"),
    **dict.fromkeys("\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", ""),
    **dict.fromkeys("・·•", " "),
    **dict.fromkeys("〜～∼", "~"),
    "…": "...",
    "、": ",",
    "。": ".",
    "ς": "σ",
    # Letters of their own, however much they look like others with an accent.
    **dict.fromkeys("йЙ", "й"),
    **dict.fromkeys("їЇ", "ї"),
}
APOSTROPHES = b"'`"
SPACE = 32
# Ideographs, kana: each is a word of its own, since such titles have no spaces.
_SPACED_BLOCKS = (
    (0x2E80, 0x2FDF),
    (0x3005, 0x3007),
    (0x3040, 0x30FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x323AF),
)
# Indic scripts, Thai, Tibetan, Burmese, Khmer: their marks are vowels and tones. Hangul decomposes into single sounds.
_WHOLE_BLOCKS = ((0x0900, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0xAC00, 0xD7A3))
# What one program writes as a letter and another as a letter and its mark; katakana of half the width.
LOOSE = re.compile("[\u0300-\u036f\u1100-\u11ff\u3099\u309a\uff61-\uffdc]")
_HALF_WIDTH = re.compile("[\uff61-\uffdc]+")
# What is left of letters a program could not write: their sign, often cut in the middle, or a row of one letter.
_LOST = re.compile("ï¿½?|\ufffd|ý{3,}")

_ASCII_LOWER = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ[]{}", b"abcdefghijklmnopqrstuvwxyz()()")
# Line breaks and control characters end no line here: a newline stands between texts.
_BREAKS = dict.fromkeys((*range(32), 127, 133, 8232, 8233), " ")
# Pairs of letters that no language writes but UTF-8 read by the wrong table produces.
GARBLED = re.compile(
    "ý{3}|[\u00c2-\u00c6\u00ce-\u00d1\u00d8\u00d9\u00e0-\u00e9][\u0080-\u00bf\u201a-\u2122]|ï¿|\ufffd|â€"
)
_ESCAPED = re.compile("&(?:amp;|#|quot;)")
_CONTROL_BYTES = bytes((*range(10), *range(11, 32), 127))
_IS_WORD = bytes(c if chr(c).isalnum() and c < 128 else (c if c >= 128 or c == 10 else 32) for c in range(256))


_BRACKETS = {"[": "(", "{": "(", "]": ")", "}": ")"}


class _FoldTable(dict[int, str]):
    """A translation table that works a character out the first time it is met."""

    def __missing__(self, code: int) -> str:
        self[code] = folded = _fold_character(chr(code))
        return folded


def folded_character(character: str) -> str:
    """Return the plain form of one character."""
    return _FOLD[ord(character)]


def _fold_character(character: str) -> str:
    """Return the plain form of one character: its twin, its base letters, or its Latin spelling."""
    code = ord(character)
    if code < 128:
        return _BRACKETS.get(character, character.lower())
    if character in TWINS:
        return TWINS[character]
    if any(low <= code <= high for low, high in _SPACED_BLOCKS):
        return f" {unicodedata.normalize('NFKC', character)} "
    kind = unicodedata.category(character)[0]
    if kind == "N":
        return anyascii(character).lower() or character
    is_whole = kind == "S" or any(low <= code <= high for low, high in _WHOLE_BLOCKS)
    return character if is_whole else _base_letters(character)


def _base_letters(character: str) -> str:
    """Return a letter in lower case without its accents; Latin letters with strokes and ligatures become plain ones."""
    base = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c)).casefold()
    if base.isascii() or not unicodedata.name(base[0], "").startswith("LATIN "):
        return "".join(TWINS.get(c, c) for c in base)
    return anyascii(base).lower() or base


_FOLD = _FoldTable()


def fold(texts: list[str]) -> list[str]:
    """Lower the case and strip the accents of every text. Punctuation and spaces stay; newlines become spaces."""
    joined = "\n".join(texts)
    if _ESCAPED.search(joined):
        texts = [html.unescape(text) if _ESCAPED.search(text) else text for text in texts]
        joined = "\n".join(texts)
    if joined.count("\n") >= len(texts) or _has_control(joined):
        texts = [text.translate(_BREAKS) for text in texts]
        joined = "\n".join(texts)
    if joined.isascii():
        return joined.encode().translate(_ASCII_LOWER).decode().split("\n")
    rows = [row for row, text in enumerate(texts) if not text.isascii()]
    written = [texts[row] for row in rows]
    written = [repaired(text) if GARBLED.search(text) else text for text in written]
    written = [composed(text) if LOOSE.search(text) else text for text in written]
    odd = "\n".join(written).translate(_FOLD).split("\n")
    plain = joined.encode().translate(_ASCII_LOWER).decode().split("\n")
    for row, text in zip(rows, odd, strict=True):
        plain[row] = text if text.strip() else texts[row]
    return plain


def _has_control(joined: str) -> bool:
    """Tell whether a column holds control characters or line breaks of any alphabet besides its own newlines."""
    return len(joined.encode().translate(None, _CONTROL_BYTES)) != len(joined.encode()) or any(
        sign in joined for sign in "\x85\u2028\u2029"
    )


def composed(text: str) -> str:
    """Put letters and their marks together and widen katakana: `ｶﾞ` is `ガ`, and so is `カ` with a mark behind it."""
    return unicodedata.normalize("NFC", _HALF_WIDTH.sub(lambda run: unicodedata.normalize("NFKC", run[0]), text))


class _LatinTable(dict[int, str]):
    """A translation table to Latin letters and digits alone that works a character out the first time it is met."""

    def __missing__(self, code: int) -> str:
        self[code] = spelt = "".join(letter for letter in anyascii(chr(code)).lower() if letter.isalnum())
        return spelt


_LATIN = _LatinTable()


def romanised(words: str) -> str:
    """Spell words of any script in Latin letters, without spaces: `г р о м` and `gr om` are both `grom`."""
    return words.replace(" ", "") if words.isascii() else words.translate(_LATIN)


def repaired(text: str) -> str:
    """Undo UTF-8 that was read as Windows or Latin letters: `cafÃ©` is `café`. Lost letters become nothing."""
    for wrong in ("cp1252", "latin-1"):
        try:
            text = text.encode(wrong).decode()
        except UnicodeError:
            continue
        break
    return _LOST.sub("", text)


def to_words(folded: list[str]) -> bytes:
    """Return the words of every folded text as one block, a newline between texts.

    Letters and digits stay, one space between words; a text of pure punctuation keeps that instead.
    """
    block = words_of_block("\n".join(folded).encode())
    if not (block.startswith(b"\n") or b"\n\n" in block or block.endswith(b"\n") or not block):
        return block
    words = block.split(b"\n")
    lost = [row for row, text in enumerate(folded) if text and not words[row]]
    for row in lost:
        words[row] = folded[row].replace(" ", "").encode()
    return b"\n".join(words)


def without_spaces(words: bytes) -> bytes:
    """Return a block of words with the spaces taken out."""
    return words.translate(None, b" ")


def words_of(folded: str) -> str:
    """Return the words of one folded text, as `to_words` does for a column."""
    words = b" ".join(folded.encode().translate(_IS_WORD, APOSTROPHES).split()).decode()
    return words or folded.replace(" ", "")


def words_of_block(joined: bytes) -> bytes:
    """Turn punctuation into spaces and keep single spaces between words only; texts of pure punctuation end empty."""
    block = np.frombuffer(joined.translate(_IS_WORD, APOSTROPHES) + b"\n", np.uint8)
    keep = block != SPACE
    keep[1:] |= block[:-1] > SPACE  # the first space behind a word
    kept: bytes = block[keep].tobytes()
    return kept.replace(b" \n", b"\n")[:-1]
