"""What duplicates add to the page of a track: its story, its deletion by hand, and the removal plan for files.

The library's own page knows nothing of duplicates; this one takes its place.
"""

import tempfile
import zipfile
from pathlib import Path
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from duplicates.admin.protecting import ProtectActions
from duplicates.admin.shared import person
from duplicates.admin.track_groups import groups_of
from duplicates.exceptions import DuplicatesError
from duplicates.services import permissions
from duplicates.services.deleting import delete_tracks, what_would_go_last
from duplicates.services.removal_plan import export_removal_plan
from duplicates.services.timeline import Event, EventKind, track_timeline
from library import admin_pages as pages
from library.admin import TrackAdmin
from library.models import Track

EVENT_BADGES = {
    EventKind.ADDED: "good",
    EventKind.CHANGED: "info",
    EventKind.GROUPED: "quiet",
    EventKind.DECIDED: "info",
    EventKind.REOPENED: "warn",
    EventKind.REMOVED: "bad",
    EventKind.RESTORED: "good",
    EventKind.MERGED: "keeper",
    EventKind.GONE: "bad",
}
LIST = "admin:library_track_changelist"

admin.site.unregister(Track)


@admin.register(Track)
class TrackWithStoryAdmin(ProtectActions, TrackAdmin):
    """A track with everything that happened to it."""

    change_form_template = "admin/duplicates/track.html"
    change_list_template = "admin/duplicates/tracks.html"
    delete_confirmation_template = "admin/duplicates/delete_track.html"

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """One at a time and with a confirmation: whoever may, and not from quarantine."""
        may = request.user.has_perm("library.delete_track")
        return bool(may and (obj is None or obj.quarantined_at is None))

    actions: Any = ("compare", "protect", "lift_protection")

    def get_actions(
        self, request: HttpRequest, action_location: admin.ActionLocation = admin.ActionLocation.CHANGE_LIST
    ) -> Any:
        """Offer no deletion of many: each is asked about by itself."""
        found = super().get_actions(request, action_location)
        return {name: one for name, one in found.items() if name in self.actions}

    def has_compare_permission(self, request: HttpRequest) -> bool:
        return permissions.may_view_groups(request.user)

    @admin.action(description=lazy("Why are these two not a group?"), permissions=["compare"])
    def compare(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponseRedirect:
        """Lead to the explanation of two ticked tracks."""
        ids = list(queryset.order_by("pk").values_list("pk", flat=True)[:3])
        if len(ids) != 2 or request.POST.get("select_across") == "1":
            self.message_user(request, _("Tick two tracks to compare them."), messages.WARNING)
            return HttpResponseRedirect(request.get_full_path())
        return HttpResponseRedirect(f"{reverse('admin:duplicates_explain_pair')}?left={ids[0]}&right={ids[1]}")

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Tell the track's groups and its story below its fields."""
        now = timezone.now()
        context: dict[str, Any] = {"story": [_shown(event, now) for event in track_timeline(obj)]}
        if permissions.may_view_groups(request.user):
            context |= {"its_groups": groups_of(request, obj), "pair_url": reverse("admin:duplicates_explain_pair")}
        return context

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask before a track is deleted for good, and by itself whether the last copy is to go; then do it."""
        track = self.get_object(request, unquote(object_id))
        if not isinstance(track, Track):
            raise Http404(_("There is no such track."))
        if not self.has_delete_permission(request, track):
            raise PermissionDenied
        last = what_would_go_last([track.pk])
        if request.method == "POST":
            confirmed = [track.pk] if "last_copy" in request.POST else []
            return self._delete(request, track, confirmed)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Delete a track"),
            "track": track,
            "last": list(last.values()),
        }
        return TemplateResponse(request, "admin/duplicates/delete_track.html", context)

    def _delete(self, request: HttpRequest, track: Track, confirmed: list[int]) -> HttpResponse:
        name = str(track)
        try:
            delete_tracks(
                track_ids=[track.pk], actor=person(request), now=timezone.now(), confirmed_last_copies=confirmed
            )
        except DuplicatesError as error:
            self.message_user(request, error.sentence, messages.ERROR)
            return HttpResponseRedirect(reverse("admin:library_track_delete", args=[track.pk]))
        self.message_user(request, _("Deleted %(track)s.") % {"track": name}, messages.SUCCESS)
        return HttpResponseRedirect(reverse(LIST))

    # --- The removal plan -------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.plan_view)
        return [path("removal-plan/", view, name="duplicates_removal_plan"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Offer the removal plan to those who may remove and see where files lie."""
        return super().changelist_view(request, {"may_plan": self._may_plan(request), **(extra_context or {})})

    def plan_view(self, request: HttpRequest) -> HttpResponseBase:
        """Send CSV, M3U and script of everything in quarantine as one archive."""
        if not self._may_plan(request):
            raise PermissionDenied
        with tempfile.TemporaryDirectory() as folder:
            try:
                export_removal_plan(Path(folder), actor=person(request), now=timezone.now())
            except DuplicatesError as error:
                self.message_user(request, error.sentence, messages.WARNING)
                return HttpResponseRedirect(reverse(LIST))
            archive = tempfile.TemporaryFile()  # noqa: SIM115 (the response closes it)
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as into:
                for file in sorted(Path(folder).iterdir()):
                    into.write(file, file.name)
        archive.seek(0)
        return FileResponse(archive, as_attachment=True, filename="removal-plan.zip")

    def _may_plan(self, request: HttpRequest) -> bool:
        sees_files = request.user.has_perm("library.view_track_location")
        return bool(self.has_view_permission(request) and permissions.may_remove(request.user) and sees_files)


def _shown(event: Event, now: Any) -> dict[str, Any]:
    return {
        "at": pages.moment(event.at, now),
        "badge": pages.badge(EVENT_BADGES[event.kind], event.kind.label),
        "sentence": event.sentence,
        "who": event.who,
        "url": _address(event),
    }


def _address(event: Event) -> str:
    if event.subject is None:
        return ""
    model, key = event.subject
    try:
        return reverse(f"admin:{model.replace('.', '_')}_change", args=[key])
    except NoReverseMatch:
        return ""
