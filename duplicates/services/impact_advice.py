"""What the clean-up of one analysis suggests: rules over its summary, each with the limit of the reference."""

from collections.abc import Iterator

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from duplicates.services.history_advice import Advice, Tone
from duplicates.services.impact_summary import ImpactSummary
from library.numbers import number

LITTLE_DONE, HALF_DONE = 25.0, 50.0  # percent of groups decided
MUCH_ELIMINATED = 30.0  # percent of duplicates


def get_impact_advice(summary: ImpactSummary) -> list[Advice]:
    """Return what is left to do with an analysis, in the order people read; nothing for one without groups."""
    return [*_progress(summary), *_left(summary), *_anew(summary)] if summary.groups else []


def _progress(summary: ImpactSummary) -> Iterator[Advice]:
    done = summary.groups_resolved_percent
    said = {"percent": f"{done:.0f}"}
    if done < LITTLE_DONE:
        yield Advice("low_progress", Tone.INFO, _("%(percent)s %% of the groups are decided: a beginning.") % said)
    elif done < HALF_DONE:
        yield Advice("moderate_progress", Tone.INFO, _("%(percent)s %% of the groups are decided.") % said)
    else:
        yield Advice("good_progress", Tone.GOOD, _("%(percent)s %% of the groups are decided.") % said)


def _left(summary: ImpactSummary) -> Iterator[Advice]:
    untouched = summary.groups_open - summary.groups_partly
    if untouched:
        sentence = ngettext("%(count)s group waits for a decision.", "%(count)s groups wait for a decision.", untouched)
        yield Advice("unresolved_groups", Tone.INFO, sentence % {"count": number(untouched)})
    if summary.groups_partly:
        sentence = ngettext(
            "%(count)s group is cleaned up in part and has more copies to look at.",
            "%(count)s groups are cleaned up in part and have more copies to look at.",
            summary.groups_partly,
        )
        yield Advice("partial_groups", Tone.INFO, sentence % {"count": number(summary.groups_partly)})


def _anew(summary: ImpactSummary) -> Iterator[Advice]:
    if summary.duplicates_eliminated_percent > MUCH_ELIMINATED:
        sentence = _("%(percent)s %% of the duplicates are gone. A new analysis shows what is left.")
        yield Advice("new_analysis", Tone.INFO, sentence % {"percent": f"{summary.duplicates_eliminated_percent:.0f}"})
    if summary.keepers_gone:
        sentence = ngettext(
            "%(count)s track that was to be kept is gone. Look whether that was meant.",
            "%(count)s tracks that were to be kept are gone. Look whether that was meant.",
            summary.keepers_gone,
        )
        yield Advice("keepers_gone", Tone.WARN, sentence % {"count": number(summary.keepers_gone)})
