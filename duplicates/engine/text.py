"""Plain letters out of any writing, a whole column at a time.

`fold` lowers case, opens ligatures and full-width forms and drops accents; punctuation stays, because parsing titles
needs it. `to_words` keeps letters and digits as words. Neither ever turns a text with something in it into nothing: a
title of pure punctuation keeps its punctuation. Both work on the column joined into one text, so the inner loops are C.
"""

import html
import re
import unicodedata

import numpy as np
from anyascii import anyascii

# Signs with a plain twin that parsing relies on. Everything a person may type for a bracket, dash or quote.
TWINS = {
    **dict.fromkeys("‘’‚‛′`´ʼʻ＇", "'"),
    **dict.fromkeys("“”„‟″«»＂", '"'),
    **dict.fromkeys("‐‑‒–—―−－﹣", "-"),
    **dict.fromkeys("（【〔［｛「『〈《", "("),
    **dict.fromkeys("）】〕］｝」』〉》", ")"),
    **dict.fromkeys("\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", ""),
    "…": "...",
    "&": "&",
}
APOSTROPHES = b"'`"
SPACE, NEWLINE = 32, 10
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

_ASCII_LOWER = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ[]{}", b"abcdefghijklmnopqrstuvwxyz()()")
# Line breaks and control characters end no line here: a newline stands between texts.
_BREAKS = dict.fromkeys((*range(32), 127, 133, 8232, 8233), " ")
# Pairs of letters that no language writes but UTF-8 read by the wrong table produces.
_GARBLED = re.compile("[\u00c2-\u00c6\u00ce-\u00d1\u00d8\u00d9\u00e0-\u00e9][\u0080-\u00bf\u201a-\u2122]|ï¿|\ufffd|â€")
_CONTROL_BYTES = bytes((*range(10), *range(11, 32), 127))
_IS_WORD = bytes(c if chr(c).isalnum() and c < 128 else (c if c >= 128 or c == 10 else 32) for c in range(256))


_TO_SPACES = {code: None if code in APOSTROPHES else " " for code in range(128) if not chr(code).isalnum()}


_BRACKETS = {"[": "(", "{": "(", "]": ")", "}": ")"}


class _FoldTable(dict[int, str]):
    """A translation table that works a character out the first time it is met."""

    def __missing__(self, code: int) -> str:
        self[code] = folded = _fold_character(chr(code))
        return folded


def _fold_character(character: str) -> str:
    """Return the plain form of one character: its twin, its base letters, or its Latin spelling."""
    if character in TWINS:
        return TWINS[character]
    code = ord(character)
    if code < 128:
        return _BRACKETS.get(character, character.lower())
    if any(low <= code <= high for low, high in _SPACED_BLOCKS):
        return f" {unicodedata.normalize('NFKC', character)} "
    base = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c)).lower()
    if base.isascii():
        return "".join(TWINS.get(c, c) for c in base)
    return (anyascii(base).lower() or base) if unicodedata.category(character)[0] in "LN" else base


_FOLD = _FoldTable()


def fold(texts: list[str]) -> list[str]:
    """Lower the case and strip the accents of every text. Punctuation and spaces stay; newlines become spaces."""
    joined = "\n".join(texts)
    if "&amp;" in joined or "&#" in joined or "&quot;" in joined:
        texts = [html.unescape(text) if "&" in text else text for text in texts]
        joined = "\n".join(texts)
    if joined.count("\n") >= len(texts) or _has_control(joined):
        texts = [text.translate(_BREAKS) for text in texts]
        joined = "\n".join(texts)
    if joined.isascii():
        return joined.encode().translate(_ASCII_LOWER).decode().split("\n")
    rows = [row for row, text in enumerate(texts) if not text.isascii()]
    written = [texts[row] for row in rows]
    written = [repaired(text) if _GARBLED.search(text) else text for text in written]
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


def repaired(text: str) -> str:
    """Undo UTF-8 that was read as Windows or Latin letters: `cafÃ©` is `café`. Lost letters become nothing."""
    for wrong in ("cp1252", "latin-1"):
        try:
            text = text.encode(wrong).decode()
        except UnicodeError:
            continue
        break
    return text.replace("ï¿½", "").replace("\ufffd", "")


def to_words(folded: list[str]) -> bytes:
    """Return the words of every folded text as one block, a newline between texts.

    Letters and digits stay, one space between words; a text of pure punctuation keeps that instead.
    """
    block = _words_of_bytes("\n".join(folded).encode())
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
    words = " ".join([word for word in folded.translate(_TO_SPACES).split(" ") if word])
    return words or folded.replace(" ", "")


def _words_of_bytes(joined: bytes) -> bytes:
    """Turn punctuation into spaces and keep single spaces between words only."""
    block = np.frombuffer(joined.translate(_IS_WORD, APOSTROPHES) + b"\n", np.uint8)
    edge = (block == SPACE) | (block == NEWLINE)
    keep = block != SPACE
    keep[1:] |= ~edge[:-1]  # the first space behind a word
    kept: bytes = block[keep].tobytes()
    return kept.replace(b" \n", b"\n")[:-1]
