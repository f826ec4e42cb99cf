"""The version vocabulary of staff: who taught the matcher which phrase, and how an analysis comes to know it.

An analysis takes the words with it when it is queued. So it can be gone on with and explained by the very words it
began with, and one queued after a change is not equal to one queued before.
"""

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from duplicates.choices import VersionMarker
from duplicates.engine.vocabulary import MARKERS, phrases
from duplicates.exceptions import InvalidOptions
from duplicates.models import VersionWord
from duplicates.models.vocabulary import LONGEST_PHRASE
from duplicates.services import audit
from duplicates.services.options import AnalysisOptions

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


def with_current_words(options: AnalysisOptions) -> AnalysisOptions:
    """Return the options with the phrases that are active now."""
    active = VersionWord.objects.filter(is_active=True).order_by("phrase")
    return replace(options, version_words=tuple(active.values_list("phrase", "marker")))


@audit.recorded("version_word.saved")
def save_word(
    *,
    phrase: str,
    marker: str,
    is_active: bool = True,
    word: VersionWord | None = None,
    actor: "AbstractBaseUser | None",
    now: datetime,
) -> VersionWord:
    """Add a phrase, or change the one given; a row that was never saved is an addition, too.

    Raises InvalidOptions for an unknown marker, a phrase of no use and one that is there already.
    """
    phrase = _checked(phrase, marker)
    word = word or VersionWord()
    before = None if word.pk is None else _as_facts(VersionWord.objects.get(pk=word.pk))
    word.phrase, word.marker, word.is_active, word.changed_at = phrase, marker, is_active, now
    word.user_id = actor.pk if actor else None
    try:
        with transaction.atomic():
            word.save()
            action = "version_word.added" if before is None else "version_word.changed"
            audit.record(action, actor=actor, now=now, subject=word, before=before, after=_as_facts(word))
    except IntegrityError as error:
        raise InvalidOptions(_("“%(phrase)s” is in the vocabulary already.") % {"phrase": phrase}) from error
    return word


@audit.recorded("version_word.removed", subject="word")
def remove_word(word: VersionWord, *, actor: "AbstractBaseUser | None", now: datetime) -> None:
    """Forget a phrase; analyses that took it with them keep it."""
    with transaction.atomic():
        audit.record("version_word.removed", actor=actor, now=now, subject=word, before=_as_facts(word))
        word.delete()


def built_in_words() -> list[tuple[str, str]]:
    """Return what the matcher knows by itself: each marker in words, and the phrases that reveal it, to be read."""
    shown = {name: ", ".join(_in_words(phrase) for phrase in phrases(menu)) for name, menu in MARKERS.items() if menu}
    return [(str(VersionMarker(name).label), menu) for name, menu in shown.items()]


def _in_words(phrase: str) -> str:
    """Write a pattern as people read it: `^live` begins a bracket, `live$` ends one, `#` is a number."""
    start = "… " if phrase.endswith("$") and not phrase.startswith("^") else ""
    end = " …" if phrase.startswith("^") and not phrase.endswith("$") else ""
    return f"{start}{phrase.strip('^$').replace('#', '(number)')}{end}"


def _checked(phrase: str, marker: str) -> str:
    phrase = " ".join(phrase.split())
    if marker not in VersionMarker.values:
        raise InvalidOptions(
            _("%(marker)r is no marker. Choose from %(values)s.")
            % {"marker": marker, "values": ", ".join(VersionMarker.values)}
        )
    if not any(letter.isalnum() for letter in phrase):
        raise InvalidOptions(_("A phrase needs at least one letter or digit."))
    if len(phrase) > LONGEST_PHRASE:
        raise InvalidOptions(
            _("A phrase has at most %(longest_phrase)s characters, not %(phrase)s.")
            % {"longest_phrase": LONGEST_PHRASE, "phrase": len(phrase)}
        )
    return phrase


def _as_facts(word: VersionWord) -> dict[str, Any]:
    return {"phrase": word.phrase, "marker": word.marker, "is_active": word.is_active}
