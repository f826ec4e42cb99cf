"""Filters of the library's lists that know their choices without reading a million tracks."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from library.models import LibraryImport, Track

# Formats are offered from this many of the newest tracks: reading all of a million for a filter would be slow.
FORMATS_FROM_NEWEST = 2_000


class QuarantineFilter(admin.SimpleListFilter):
    """In the library, or removed and waiting in quarantine."""

    title = lazy("quarantine")
    parameter_name = "quarantine"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", _("In the library")), ("yes", _("In quarantine"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in ("yes", "no"):
            return queryset
        return queryset.filter(quarantined_at__isnull=self.value() == "no")


class SourceFilter(admin.SimpleListFilter):
    """Where tracks were imported from; the short list of imports knows the names, the tracks need not be read."""

    title = lazy("source")
    parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        imports = LibraryImport.objects.filter(is_catalog=False, is_dry_run=False)
        sources = imports.order_by("source").values_list("source", flat=True).distinct()
        return [(source, source) for source in sources]

    def has_output(self) -> bool:
        """Filter even by a name that is not offered, rather than showing everything under it."""
        return bool(self.lookup_choices or self.value())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(source=self.value()) if self.value() else queryset


class FormatFilter(admin.SimpleListFilter):
    """The file formats met among the newest tracks."""

    title = lazy("format")
    parameter_name = "format"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        newest = Track.objects.order_by("-pk").values_list("format", flat=True)[:FORMATS_FROM_NEWEST]
        return [(name, name) for name in sorted(set(newest)) if name]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(format=self.value()) if self.value() else queryset


class CatalogFilter(SourceFilter):
    """The reference catalogues that were loaded."""

    title = lazy("catalogue")
    parameter_name = "catalog"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        catalogs = LibraryImport.objects.filter(is_catalog=True, is_dry_run=False)
        names = catalogs.order_by("source").values_list("source", flat=True).distinct()
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(catalog=self.value()) if self.value() else queryset
