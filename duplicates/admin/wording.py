"""Counts with their nouns, as lists and pages say them."""

from django.utils.translation import ngettext

from library import admin_pages as pages


def groups_in_words(count: int) -> str:
    """Return "1 group" or "12 groups"."""
    return ngettext("%(count)s group", "%(count)s groups", count) % {"count": pages.number(count)}


def duplicates_in_words(count: int) -> str:
    """Return "1 duplicate" or "12 duplicates"."""
    return ngettext("%(count)s duplicate", "%(count)s duplicates", count) % {"count": pages.number(count)}


def tracks_in_words(count: int) -> str:
    """Return "1 track" or "12 tracks"."""
    return ngettext("%(count)s track", "%(count)s tracks", count) % {"count": pages.number(count)}
