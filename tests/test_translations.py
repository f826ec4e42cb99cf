"""Every sentence for people has its German, and what is compiled is what is written."""

import gettext
import re
from pathlib import Path

import polib
import pytest

from tests.translations import LANGUAGES, ROOT, messages, path_of

PLACEHOLDER = re.compile(r"%\(\w+\)[srd]|%s|%%")


def entries(language: str) -> dict[tuple[str | None, str], polib.POEntry]:
    return {(one.msgctxt, one.msgid): one for one in polib.pofile(str(path_of(language))) if not one.obsolete}


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return request.param


def test_every_sentence_is_translated(language: str) -> None:
    known = entries(language)

    missing = [sentence for key in messages() if not (key in known and known[key].translated()) for sentence in key[1:]]

    assert not missing, "run `uv run python -m tests.translations`, translate what is empty, and run it again"


def test_no_translation_is_left_of_a_sentence_that_is_gone(language: str) -> None:
    assert not entries(language).keys() - messages().keys(), "run `uv run python -m tests.translations`"


def test_no_translation_is_a_guess(language: str) -> None:
    assert not [one.msgid for one in entries(language).values() if one.fuzzy]


def test_what_is_compiled_is_what_is_written(language: str) -> None:
    with path_of(language).with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)

    for entry in entries(language).values():
        if entry.msgid_plural:
            forms = (entry.msgid, entry.msgid_plural)
            context = entry.msgctxt
            said = [compiled.npgettext(context, *forms, n) if context else compiled.ngettext(*forms, n) for n in (1, 2)]
            assert said == [entry.msgstr_plural[0], entry.msgstr_plural[1]]
        elif entry.msgctxt:
            assert compiled.pgettext(entry.msgctxt, entry.msgid) == entry.msgstr
        else:
            assert compiled.gettext(entry.msgid) == entry.msgstr


def test_a_translation_fills_in_what_its_sentence_fills_in(language: str) -> None:
    for entry in entries(language).values():
        expected = sorted(PLACEHOLDER.findall(entry.msgid_plural or entry.msgid))
        for text in entry.msgstr_plural.values() if entry.msgid_plural else [entry.msgstr]:
            assert sorted(PLACEHOLDER.findall(text)) == expected, entry.msgid


def test_no_page_says_anything_outside_of_translations() -> None:
    """A whole page of German began with "Track 226 against the keeper of its group"."""
    said = [f"{one.name}: {text}" for one in sorted((ROOT / "templates").rglob("*.html")) for text in _bare_words(one)]

    assert said == ["group.html: iTunes", "new_token.html: Authorization: Bearer …", "plain.html: | Reprise"]


def _bare_words(template: Path) -> list[str]:
    unseen = r"{#.*?#}|<!--.*?-->|<script.*?</script>|{% blocktranslate.*?{% endblocktranslate %}"
    text = re.sub(unseen, "  ", template.read_text(), flags=re.S)
    handed = re.findall(r'(?:\w_name=|default:)"(?!Reprise)([^"]+)"', text)
    shown = re.sub(r"{%.*?%}|{{.*?}}|<[^>]*>", "  ", text, flags=re.S)
    return [*handed, *(bare.strip() for bare in re.split(r"\s{2,}|\n", shown) if re.search(r"[A-Za-z]{2}", bare))]
