"""Keeper profiles: the built-in ones to read, those of staff to make and change."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from duplicates.admin.plan_forms import RULES_SHOWN, ProfileForm
from duplicates.admin.shared import person
from duplicates.choices import KeeperRuleName
from duplicates.models import KeeperProfile
from duplicates.services import keeper_profiles
from library import admin_pages as pages

CHANGED = pages.when("changed_at", _("changed"))


@admin.register(KeeperProfile)
class KeeperProfileAdmin(pages.CalmAdmin):
    """Named lists of rules by which a copy is kept."""

    list_display = ("name", "rules_in_order", "kind", "user", CHANGED)
    list_select_related = ("user",)
    search_fields = ("name",)
    sortable_by = ()
    actions = None
    empty_message = _("No profiles yet.")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Offer the rules line by line; a built-in profile is only read."""
        return super().get_form(request, obj, change, **kwargs) if self._is_read(obj) else ProfileForm

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show the name, then the rules in their order."""
        if self._is_read(obj):
            return ((None, {"fields": ("name", "description", "rules_in_order")}),)
        shown = max(RULES_SHOWN, len(obj.rules) if obj else 0)
        rules = tuple(f"rule_{number + 1}" for number in range(shown))
        help_text = _("The first rule on which two copies differ decides.")
        return (
            (None, {"fields": ("name", "description")}),
            (_("Rules, the most important first"), {"fields": rules, "description": help_text}),
            (_("Lists"), {"fields": ("sources", "folders")}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Built-in profiles show what they are."""
        return ("name", "description", "rules_in_order") if self._is_read(obj) else ()

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody changes a built-in profile."""
        return not self._is_read(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody removes a built-in profile."""
        return not self._is_read(obj) and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Hand the rules to the service, which writes the audit record."""
        keeper_profiles.save_profile(
            name=obj.name,
            description=obj.description,
            wishes=form.wishes,
            profile=obj,
            actor=person(request),
            now=timezone.now(),
        )

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Let the service forget the profile, with its audit record."""
        keeper_profiles.remove_profile(obj, actor=person(request), now=timezone.now())

    @admin.display(description=_("rules in order"))
    def rules_in_order(self, profile: KeeperProfile) -> SafeString:
        names = [(str(KeeperRuleName(wish.rule).label),) for wish in keeper_profiles.wishes_of(profile)]
        return format_html_join(", ", "{}", names)

    @admin.display(description=_("made by"))
    def kind(self, profile: KeeperProfile) -> SafeString:
        return pages.badge("quiet", _("Built in")) if profile.is_built_in else pages.badge("info", _("Your own"))

    def _is_read(self, obj: Any) -> bool:
        return isinstance(obj, KeeperProfile) and obj.is_built_in
