"""The two actions that protect tracks from removal, for any list whose rows stand for tracks."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext

from duplicates.admin.shared import person
from duplicates.exceptions import DuplicatesError
from duplicates.services import permissions
from duplicates.services.protecting import protect_tracks
from library import admin_pages as pages
from library.models import Track


class ProtectActions:
    """Actions of a list and of a row's page."""

    def tracks_of(self, rows: QuerySet[Any]) -> QuerySet[Track]:
        """Return the tracks the chosen rows stand for."""
        return rows

    def has_protect_permission(self, request: HttpRequest) -> bool:
        return permissions.may_protect(person(request))

    @admin.action(description=lazy("Protect from removal"), permissions=["protect"], location=pages.EVERYWHERE)
    def protect(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._protect(request, queryset, is_protected=True)

    @admin.action(description=lazy("Lift the protection"), permissions=["protect"], location=pages.EVERYWHERE)
    def lift_protection(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._protect(request, queryset, is_protected=False)

    def _protect(self, request: HttpRequest, queryset: QuerySet[Any], *, is_protected: bool) -> None:
        try:
            count = protect_tracks(
                self.tracks_of(queryset), is_protected=is_protected, actor=person(request), now=timezone.now()
            )
        except DuplicatesError as refused:
            messages.warning(request, refused.sentence)
            return
        said = (
            ngettext("%(count)s track is protected now.", "%(count)s tracks are protected now.", count)
            if is_protected
            else ngettext("%(count)s track is no longer protected.", "%(count)s tracks are no longer protected.", count)
        )
        messages.success(request, said % {"count": pages.number(count)} if count else _("Nothing to change there."))
