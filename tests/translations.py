"""Refreshes the translations: finds every sentence of the code, merges them into locale/*/django.po, compiles the .mo.

`uv run python -m tests.translations` does it, without gettext's programs. A new sentence appears in the .po with
an empty translation; fill it in and run the command again. `tests/test_translations.py` fails while one is missing.
"""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polib

ROOT = Path(__file__).parent.parent
LOCALES = ROOT / "locale"
LANGUAGES = ("de",)
SOURCES = ("duplicates", "library", "project", "templates")
# Operators read these: they stay English.
NOT_FOR_PEOPLE = ("migrations", "management", "sample")
FUNCTIONS = {
    "_": (None, 0),
    "lazy": (None, 0),
    "gettext": (None, 0),
    "gettext_lazy": (None, 0),
    "gettext_noop": (None, 0),
    "noop": (None, 0),
    "ngettext": (None, 0, 1),
    "ngettext_lazy": (None, 0, 1),
    "npgettext_lazy": (0, 1, 2),
    "pgettext": (0, 1),
    "pgettext_lazy": (0, 1),
}

NEVER_SHOWN = ("Task",)  # contexts of Django's own sentences that none of our pages has

# The action of an audit record, where it is written.
ACTION = re.compile(r'\brecord(?:ed)?\(\s*"([a-z_]+\.[a-z_]+)"')

type Message = tuple[str | None, str, str | None]  # context, sentence, plural


def messages() -> dict[tuple[str | None, str], str | None]:
    """Return every sentence there is to translate, with its context and, where it has one, its plural."""
    found: dict[tuple[str | None, str], str | None] = {}
    for context, sentence, plural in _all():
        if not sentence:
            continue
        key = (context, sentence)
        found[key] = plural or found.get(key)
    return found


def _all() -> Iterator[Message]:
    for path in _files(".py"):
        tree = ast.parse(path.read_text())
        yield from _calls(tree)
        if path.name == "exceptions.py":
            yield from _errors(tree)
    for path in _files(".html"):
        yield from _of_template(path)
    yield from _names_of_models()
    yield from _actions_of_the_audit_trail()
    yield from ((None, said, None) for said in (*_of_the_matcher(), *_of_the_admin(), *_of_the_settings()))
    yield from _of_django()


def _files(kind: str) -> Iterator[Path]:
    for place in SOURCES:
        for path in sorted((ROOT / place).rglob(f"*{kind}")):
            if not set(NOT_FOR_PEOPLE) & set(path.parts):
                yield path


def _calls(tree: ast.AST) -> Iterator[Message]:
    """Yield the sentences that are given to gettext and its like."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        places = FUNCTIONS.get(name)
        texts = [one.value if isinstance(one, ast.Constant) else None for one in node.args]
        if places is None or len(texts) <= places[-1] or not isinstance(texts[places[1]], str):
            continue
        context = None if places[0] is None else texts[places[0]]
        yield context, texts[places[1]], texts[places[2]] if len(places) == 3 else None


def _errors(tree: ast.AST) -> Iterator[Message]:
    """Yield what the errors of a module say: the first line of each docstring, and the way out."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef):
            continue
        if said := ast.get_docstring(node):
            yield None, said.splitlines()[0], None
        for line in node.body:
            if isinstance(line, ast.AnnAssign | ast.Assign) and isinstance(line.value, ast.Constant):
                target = line.target if isinstance(line, ast.AnnAssign) else line.targets[0]
                if getattr(target, "id", "") == "advice" and line.value.value:
                    yield None, line.value.value, None


def _of_template(path: Path) -> Iterator[Message]:
    from django.utils.translation.template import templatize  # noqa: PLC0415 (needs settings)

    yield from _calls(ast.parse(_only_calls(templatize(path.read_text(), origin=str(path)))))


def _only_calls(code: str) -> str:
    """Return the calls of gettext in what `templatize` made, which masks everything else with X."""
    pattern = re.compile(
        r"\b(?:n?p?gettext|_)\(\s*(?:u?(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"),?\s*)+(?:count\s*)?\)", re.DOTALL
    )
    return "\n".join(match.group() for match in pattern.finditer(code))


def _names_of_models() -> Iterator[Message]:
    """Yield the names of our models and their fields, most of which Django derives from the code."""
    from django.apps import apps  # noqa: PLC0415 (needs settings)
    from django.utils import translation  # noqa: PLC0415 (likewise)

    from library.model_names import names_of  # noqa: PLC0415 (likewise)

    with translation.override(None):
        for label in ("library", "duplicates"):
            yield from ((None, name, None) for name in names_of(apps.get_app_config(label)))


def _actions_of_the_audit_trail() -> Iterator[Message]:
    """Yield how the audit trail calls what its records are about."""
    from django.utils import translation  # noqa: PLC0415 (needs settings)

    from duplicates.models.records import action_words  # noqa: PLC0415 (likewise)

    codes = {f"analysis.{status}" for status in ("queued", "completed", "failed", "cancelled")}
    for path in _files(".py"):
        codes |= set(ACTION.findall(path.read_text()))
    with translation.override(None):
        yield from ((None, action_words(code), None) for code in sorted(codes))


def _of_the_matcher() -> Iterator[str]:
    """Yield the words that pages show of what the matcher and its runs say."""
    from duplicates.engine.evidence import CALLED  # noqa: PLC0415 (needs settings, through its package)
    from duplicates.engine.keeper_rules import RULES  # noqa: PLC0415 (likewise)
    from duplicates.engine.levels import COMPARISONS  # noqa: PLC0415 (likewise)
    from duplicates.services.metrics import size_classes  # noqa: PLC0415 (likewise)
    from duplicates.services.progress import STAGES  # noqa: PLC0415 (likewise)

    yield from CALLED.values()
    for comparison in COMPARISONS:
        yield from (comparison.name, *comparison.levels)
    for rule in RULES.values():
        yield from filter(None, (rule.alone, rule.noun))
    yield from (words for _phase, words in STAGES.values())
    yield from (_without_numbers(name) for name in size_classes())


def _without_numbers(said: str) -> str:
    return re.sub(r"\d[\d,]*", "%(a)s", said)


def _of_the_admin() -> Iterator[str]:
    """Yield the heads of columns, also of those that Django calls by their methods."""
    from django.contrib import admin  # noqa: PLC0415 (needs settings)
    from django.utils import translation  # noqa: PLC0415 (likewise)

    from library.admin_pages import CalmAdmin  # noqa: PLC0415 (likewise)

    admin.autodiscover()
    with translation.override(None):
        for one in admin.site._registry.values():
            if isinstance(one, CalmAdmin):
                columns = [*one.list_display, *one.readonly_fields, *_fields_of(one)]
                named = [column if callable(column) else getattr(type(one), column, None) for column in columns]
                yield from (str(column.short_description) for column in named if hasattr(column, "short_description"))


def _fields_of(one: Any) -> Iterator[Any]:
    for _title, options in one.fieldsets or ():
        for field in options["fields"]:
            yield from field if isinstance(field, tuple) else (field,)


def _of_the_settings() -> Iterator[str]:
    """Yield what the page of the settings says of those that can be changed while the site runs."""
    from duplicates.site_settings import variables  # noqa: PLC0415 (needs settings)

    for variable in variables().values():
        yield from filter(None, (variable.help, variable.unit))


def _of_django() -> Iterator[Message]:
    """Yield what Django's own pages say and its translators have not come to yet."""
    import django  # noqa: PLC0415 (needs nothing, but is told of by its path)

    for part in ("conf", "contrib/admin", "contrib/auth"):
        folder = Path(django.__file__).parent / part / "locale"
        translated: set[tuple[str | None, str]] = set()
        for language in LANGUAGES:
            catalogue = polib.pofile(str(folder / language / "LC_MESSAGES" / "django.po"))
            translated |= {(one.msgctxt, one.msgid) for one in catalogue if one.translated()}
        for one in polib.pofile(str(folder / "en" / "LC_MESSAGES" / "django.po")):
            if (one.msgctxt, one.msgid) not in translated and one.msgctxt not in NEVER_SHOWN:
                yield one.msgctxt, one.msgid, one.msgid_plural or None


def path_of(language: str) -> Path:
    """Return the file with the translations into a language."""
    return LOCALES / language / "LC_MESSAGES" / "django.po"


def refresh(language: str) -> tuple[int, int]:
    """Merge the sentences into the .po and compile it; return how many there are and how many are still missing."""
    path = path_of(language)
    known = {(one.msgctxt, one.msgid): one for one in polib.pofile(str(path))}
    merged = polib.POFile(wrapwidth=118)
    merged.metadata = polib.pofile(str(path)).metadata
    for (context, sentence), plural in sorted(messages().items(), key=lambda one: (one[0][1], one[0][0] or "")):
        merged.append(_entry(context, sentence, plural, known.get((context, sentence))))
    merged.save(str(path))
    merged.save_as_mofile(str(path.with_suffix(".mo")))
    return len(merged), len([one for one in merged if not one.translated()])


def _entry(context: str | None, sentence: str, plural: str | None, known: polib.POEntry | None) -> polib.POEntry:
    entry = polib.POEntry(msgid=sentence, msgctxt=context)
    if "%(" in sentence or "%(" in (plural or ""):
        entry.flags = ["python-format"]
    if plural is None:
        entry.msgstr = known.msgstr if known else ""
        return entry
    entry.msgid_plural = plural
    entry.msgstr_plural = {0: "", 1: ""}
    if known and known.msgstr_plural:
        entry.msgstr_plural = dict(known.msgstr_plural)
    return entry


def main() -> None:
    """Refresh every language and say what is left to translate."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django  # noqa: PLC0415

    django.setup()
    for language in LANGUAGES:
        count, missing = refresh(language)
        print(f"{language}: {count} sentences, {missing} still to translate")


if __name__ == "__main__":
    main()
