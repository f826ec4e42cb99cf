"""How the list of groups is narrowed down: by confidence, decision, size, and what became of them since."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from duplicates.admin.shared import chosen_analysis, visible_results
from duplicates.choices import ConfidenceBand, Preset, Resolution
from duplicates.services.difference import GroupChange, groups_that_changed
from duplicates.services.library_changes import touched_groups
from duplicates.services.selecting import SIZES, in_band


class PresetFilter(admin.SimpleListFilter):
    """What counts as a duplicate: leads to the newest analysis that asked so."""

    title = gettext_lazy("preset")
    parameter_name = "preset"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        self.chosen = chosen_analysis(request)
        asked = set(visible_results(request).order_by().values_list("preset", flat=True).distinct())
        return [(preset.value, str(preset.label)) for preset in Preset if preset.value in asked]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Leave the groups alone: which analysis they are of is the filter of analyses' to say."""
        return queryset

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Mark the preset of the analysis that is shown; another leads away from that analysis."""
        shown = self.chosen.preset if self.chosen else ""
        for value, label in self.lookup_choices:
            address = changelist.get_query_string({self.parameter_name: value}, ["analysis"])
            yield {"selected": value == shown, "query_string": address, "display": label}


class BandFilter(admin.SimpleListFilter):
    """How sure a group is, in the bands of the settings."""

    title = gettext_lazy("confidence")
    parameter_name = "band"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return ConfidenceBand.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(in_band(value)) if (value := self.value()) in ConfidenceBand.values else queryset


class SizeFilter(admin.SimpleListFilter):
    """Pairs, small groups and large ones; large ones deserve a closer look."""

    title = gettext_lazy("size")
    parameter_name = "size"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("pair", _("Two tracks")), ("few", _("3 to 5 tracks")), ("many", _("More than 5"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(SIZES[value]) if (value := self.value()) in SIZES else queryset


def decided(decision: str | None) -> Q:
    """Return which groups a choice of the decision filter means; all of them for none."""
    if decision == "open":
        return Q(is_resolved=False)
    return Q(is_resolved=True, resolution=decision) if decision else Q()


class ResolutionFilter(admin.SimpleListFilter):
    """Still open, or what was decided."""

    title = gettext_lazy("decision")
    parameter_name = "decision"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", _("Open")), *((value, str(label)) for value, label in Resolution.choices)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(decided(self.value()))


class TouchedFilter(admin.SimpleListFilter):
    """Groups with a member that was edited or removed since the analysis; every other one is still true."""

    title = gettext_lazy("still true")
    parameter_name = "touched"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        self.analysis = chosen_analysis(request)
        return [("yes", _("A track has changed")), ("no", _("Unchanged"))] if self.analysis else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.analysis is None or self.value() not in ("yes", "no"):
            return queryset
        touched = touched_groups(self.analysis).values("pk")
        return queryset.filter(pk__in=touched) if self.value() == "yes" else queryset.exclude(pk__in=touched)


class SinceFilter(admin.SimpleListFilter):
    """What became of a group since the analysis before. Those that are gone are listed there."""

    title = gettext_lazy("since the one before")
    parameter_name = "since"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        self.analysis = chosen_analysis(request)
        older = self.analysis.predecessor if self.analysis else None
        fates = [fate for fate in GroupChange if fate != GroupChange.GONE]
        return [(fate.value, str(fate.label)) for fate in fates] if older else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        older = self.analysis.predecessor if self.analysis else None
        fate = self.value()
        if older is None or self.analysis is None or fate is None or fate not in dict(self.lookup_choices):
            return queryset
        changed = groups_that_changed(older, self.analysis, GroupChange(fate))
        return queryset.filter(pk__in=changed.values("pk"))


class ArtistFilter(admin.SimpleListFilter):
    """The groups of one artist, reached from the page of a group; a menu of every artist would be of no use."""

    title = gettext_lazy("artist")
    parameter_name = "artist"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, value)] if (value := self.value()) else []

    def value(self) -> str | None:
        return self.used_parameters.get(self.parameter_name)

    def has_output(self) -> bool:
        return bool(self.value())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(artist=value) if (value := self.value()) else queryset
