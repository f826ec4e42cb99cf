"""Preferences: everybody edits their own; superusers see all."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import ActionLocation
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from duplicates.admin.shared import person
from duplicates.models import DuplicatePreferences
from duplicates.services.preferring import change_preferences, reset_preferences
from duplicates.time_zones import remember
from library import admin_pages as pages

EVERYWHERE = [ActionLocation.CHANGE_LIST, ActionLocation.CHANGE_FORM]


@admin.register(DuplicatePreferences)
class PreferencesAdmin(pages.CalmAdmin):
    """How one person likes to work, and from when on a result no longer holds for them."""

    list_display = ("user", "default_preset", "export_format", "groups_per_page")
    fieldsets = (
        (None, {"fields": ("default_preset", "export_format", "groups_per_page", "language", "time_zone")}),
        (
            lazy("When a result no longer holds"),
            {
                "fields": ("stale_after_hours", "significant_tracks", "significant_percent"),
                "description": lazy("Leave a field empty to follow the site."),
            },
        ),
        (
            lazy("What to say about it"),
            {"fields": ("warn_of_age", "warn_of_changes", "suggest_refresh", "auto_refresh")},
        ),
    )
    sortable_by = ()
    ordering = ("pk",)
    actions = ("reset",)
    empty_message = lazy("No preferences yet: the defaults hold. Add yours with the button above.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).select_related("user")
        return rows if request.user.is_superuser else rows.filter(user_id=person(request).pk)

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Lead to the row one already has; a permission check would ask for it on every page of the site."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        own = DuplicatePreferences.objects.filter(user_id=person(request).pk).first()
        if own is None:
            return super().add_view(request, *args, **kwargs)
        return HttpResponseRedirect(reverse("admin:duplicates_duplicatepreferences_change", args=[own.pk]))

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Offer no "Save and add another": everybody has one row."""
        return super().render_change_form(request, context | {"show_save_and_add_another": False}, *args, **kwargs)

    @admin.action(description=lazy("Reset to the defaults"), permissions=["change"], location=EVERYWHERE)
    def reset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset:
            preferences = reset_preferences(row.user, actor=person(request), now=timezone.now())
            if preferences.user_id == request.user.pk:
                remember(request.session, preferences)
        self.message_user(request, _("The defaults hold again."), messages.SUCCESS)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write what was changed the way the API does; a new row belongs to its author."""
        author = person(request)
        values = {name: form.cleaned_data[name] for name in (form.changed_data if change else form.cleaned_data)}
        saved = change_preferences(obj.user if change else author, values, actor=author, now=timezone.now())
        obj.pk, obj.user_id, obj._state.adding = saved.pk, saved.user_id, False
        if saved.user_id == author.pk:
            remember(request.session, saved)
