"""Preferences: everybody edits their own; superusers see all."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from duplicates.admin.shared import person
from duplicates.models import DuplicatePreferences
from library import admin_pages as pages


@admin.register(DuplicatePreferences)
class PreferencesAdmin(pages.CalmAdmin):
    """How one person likes to start an analysis and to leaf through its groups."""

    list_display = ("user", "default_preset", "export_format", "groups_per_page")
    fields = ("default_preset", "export_format", "groups_per_page")
    sortable_by = ()
    ordering = ("pk",)
    actions = None
    empty_message = "No preferences yet: the defaults hold. Add yours with the button above."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).select_related("user")
        return rows if request.user.is_superuser else rows.filter(user_id=person(request).pk)

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Lead to the row one already has; a permission check would ask for it on every page of the site."""
        own = DuplicatePreferences.objects.filter(user_id=person(request).pk).first()
        if own is None:
            return super().add_view(request, *args, **kwargs)
        return HttpResponseRedirect(reverse("admin:duplicates_duplicatepreferences_change", args=[own.pk]))

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Offer no "Save and add another": everybody has one row."""
        return super().render_change_form(request, context | {"show_save_and_add_another": False}, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Make a new row the property of its author."""
        if not change:
            obj.user_id = request.user.pk
        super().save_model(request, obj, form, change)
