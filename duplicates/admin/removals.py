"""The quarantine: what was removed and by whom, to be brought back, or deleted for good before its time."""

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext, ngettext_lazy

from duplicates.admin.shared import person
from duplicates.choices import CleanupState, LaterEdits, LedgerKind
from duplicates.exceptions import UndoConflict
from duplicates.models import CleanupAction
from duplicates.services import permissions, purging, undo
from library import admin_pages as pages
from library.models import Track
from library.moments import relative

COPIES_SHOWN = 200
MOST_AT_ONCE = 500  # as many as a bulk removal without a plan
REFUSALS_NAMED = 3
SOON = timedelta(days=7)
STATE_BADGES = {CleanupState.DONE: "warn", CleanupState.UNDONE: "good", CleanupState.PURGED: "quiet"}
_GONE = lazy("Track %(number)s, not here any more")
_CHANGED = {
    LedgerKind.VALUE: ngettext_lazy(
        "%(count)s value of a track changed", "%(count)s values of tracks changed", "count"
    ),
    LedgerKind.PLACE: ngettext_lazy("%(count)s playlist place changed", "%(count)s playlist places changed", "count"),
    LedgerKind.GROUP: ngettext_lazy("%(count)s group decided", "%(count)s groups decided", "count"),
}


class WhereaboutsFilter(admin.SimpleListFilter):
    """Waiting, about to go, back in the library, or gone."""

    title = lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("waiting", _("In quarantine")),
            ("soon", _("Expires within a week")),
            ("undone", _("Brought back")),
            ("purged", _("Deleted for good")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "waiting":
                return queryset.filter(state=CleanupState.DONE)
            case "soon":
                return queryset.filter(state=CleanupState.DONE, expires_at__lte=timezone.now() + SOON)
            case "undone" | "purged" as state:
                return queryset.filter(state=state)
        return queryset


class WhoFilter(admin.SimpleListFilter):
    """Everybody's, or one's own."""

    title = lazy("by")
    parameter_name = "by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("me", _("Me"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(user_id=request.user.pk) if self.value() == "me" else queryset


@admin.register(CleanupAction)
class RemovalAdmin(pages.ReadOnlyAdmin):
    """Removals one may see: one's own, the system's, and those in analyses one sees."""

    page_name = lazy("Quarantine")
    list_display = ("what", "kept", "moved", "until", "removed_by")
    list_display_links = ("what",)
    list_filter = (WhereaboutsFilter, WhoFilter, "created_at")
    search_fields = ("label", "user_name")
    search_help_text = lazy("Group or person")
    sortable_by = ("until", "removed_by")
    ordering = ("-created_at", "-pk")
    actions = ("bring_back", "bring_back_keeping_edits", "bring_back_as_it_was", "delete_for_good")
    empty_message: Any = lazy("Nothing was removed yet. Copies you remove wait here, so that they can come back.")
    fieldsets = (
        (None, {"fields": ("in_group", "whereabouts", "kept", "copies")}),
        (lazy("What moved"), {"fields": ("plays", "places", "freed", "changed")}),
        (lazy("Who and when"), {"fields": ("who", "removed", "expires", "ended")}),
    )
    readonly_fields = ("whereabouts", "kept", "copies", "plays", "places", "freed", "changed", "who", "removed",
                       "expires", "ended", "in_group")  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        keeper = Track.objects.filter(pk=OuterRef("keeper_track_id"))
        rows: QuerySet[Any] = CleanupAction.objects.visible_to(request.user).select_related("analysis")
        named: QuerySet[Any] = rows.defer("analysis__learnt_tables").annotate(
            keeper_title=Subquery(keeper.values("title")), keeper_artist=Subquery(keeper.values("artist"))
        )
        return named

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return permissions.may_remove(request.user)

    def has_purge_permission(self, request: HttpRequest) -> bool:
        return permissions.may_purge(request.user)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Offer nothing to what is over."""
        return {"unfit_actions": () if obj.state == CleanupState.DONE else self.actions}

    # --- Bringing back ------------------------------------------------------------------------------------------------

    @admin.action(description=lazy("Bring back"), permissions=["remove"], location=pages.EVERYWHERE)
    def bring_back(self, request: HttpRequest, queryset: QuerySet[CleanupAction]) -> None:
        self._bring_back(request, queryset, LaterEdits.ASK)

    @admin.action(
        description=lazy("Bring back, keeping what was edited since"),
        permissions=["remove"],
        location=pages.EVERYWHERE,
    )
    def bring_back_keeping_edits(self, request: HttpRequest, queryset: QuerySet[CleanupAction]) -> None:
        self._bring_back(request, queryset, LaterEdits.KEEP)

    @admin.action(
        description=lazy("Bring back, with the values from before"), permissions=["remove"], location=pages.EVERYWHERE
    )
    def bring_back_as_it_was(self, request: HttpRequest, queryset: QuerySet[CleanupAction]) -> None:
        self._bring_back(request, queryset, LaterEdits.RESTORE)

    def _bring_back(self, request: HttpRequest, queryset: QuerySet[Any], later_edits: LaterEdits) -> None:
        user, chosen = person(request), self._chosen(request, queryset)
        allowed = [one for one in chosen if permissions.may_undo(user, one)]
        outcome = undo.undo_each(allowed, actor=user, now=timezone.now(), later_edits=later_edits)
        copies = sum(one.removed_count for one in outcome.actions)
        if copies:
            said = ngettext("%(count)s copy is back.", "%(count)s copies are back.", copies)
            self.message_user(request, said % {"count": pages.number(copies)}, messages.SUCCESS)
        self._say_refused(request, [f"{one}: {error.sentence}" for one, error in outcome.refused])
        if any(isinstance(error, UndoConflict) for _one, error in outcome.refused):
            self.message_user(request, _("Bring them back with one of the other two choices."), messages.INFO)
        if left_out := len(chosen) - len(allowed):
            said = ngettext("%(count)s is not yours to undo.", "%(count)s are not yours to undo.", left_out)
            self.message_user(request, said % {"count": pages.number(left_out)}, messages.WARNING)

    def _say_refused(self, request: HttpRequest, sentences: list[str]) -> None:
        for sentence in sentences[:REFUSALS_NAMED]:
            self.message_user(request, sentence, messages.WARNING)
        if (more := len(sentences) - REFUSALS_NAMED) > 0:
            said = ngettext("%(count)s more stayed.", "%(count)s more stayed.", more)
            self.message_user(request, said % {"count": pages.number(more)}, messages.WARNING)

    def _chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[CleanupAction]:
        """Return the newest first; of more than can be done while somebody waits, the newest."""
        chosen = list(queryset.order_by("-created_at", "-pk")[: MOST_AT_ONCE + 1])
        if len(chosen) > MOST_AT_ONCE:
            said = _("Only the newest %(count)s were looked at; undo a whole plan on its own page.")
            self.message_user(request, said % {"count": MOST_AT_ONCE}, messages.WARNING)
        return chosen[:MOST_AT_ONCE]

    # --- Deleting for good --------------------------------------------------------------------------------------------

    @admin.action(description=lazy("Delete for good…"), permissions=["purge"], location=pages.EVERYWHERE)
    def delete_for_good(self, request: HttpRequest, queryset: QuerySet[CleanupAction]) -> HttpResponse | None:
        """Ask first: nothing brings these copies back."""
        chosen = self._chosen(request, queryset.filter(state=CleanupState.DONE))
        if not chosen:
            self.message_user(request, _("None of these waits in quarantine."), messages.WARNING)
            return None
        if request.POST.get("confirmed") == "yes":
            self._purge(request, chosen)
            return None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Delete these copies for good?"),
            "removals": chosen,
            "shown": chosen[:20],
            "copies": sum(one.removed_count for one in chosen),
            "field": "CHANGE_FORM-action" if "CHANGE_FORM-action" in request.POST else "action",
        }
        return TemplateResponse(request, "admin/duplicates/purge.html", context)

    def _purge(self, request: HttpRequest, chosen: list[CleanupAction]) -> None:
        now, deleted, held = timezone.now(), 0, 0
        for one in chosen:
            purged = purging.purge_removal(one.pk, actor=person(request), now=now, is_early=True)
            deleted, held = deleted + purged.deleted, held + purged.held
        said = ngettext("Deleted %(count)s copy for good.", "Deleted %(count)s copies for good.", deleted)
        self.message_user(request, said % {"count": pages.number(deleted)}, messages.SUCCESS)
        if held:
            said = ngettext(
                "%(count)s stays: its keeper is gone, so it may be the last one.",
                "%(count)s stay: their keepers are gone, so they may be the last ones.",
                held,
            )
            self.message_user(request, said % {"count": pages.number(held)}, messages.WARNING)

    # --- Columns ------------------------------------------------------------------------------------------------------

    @admin.display(description=lazy("group"))
    def what(self, removal: CleanupAction) -> SafeString:
        copies = ngettext("%(count)s copy", "%(count)s copies", removal.removed_count)
        return pages.two_lines(removal.label or _("Untitled"), copies % {"count": pages.number(removal.removed_count)})

    @admin.display(description=lazy("state"))
    def whereabouts(self, removal: CleanupAction) -> SafeString:
        words = {
            CleanupState.DONE: _("In quarantine"),
            CleanupState.UNDONE: _("Brought back"),
            CleanupState.PURGED: _("Deleted for good"),
        }
        state = CleanupState(removal.state)
        return pages.badge(STATE_BADGES[state], words[state])

    @admin.display(description=lazy("kept"))
    def kept(self, removal: Any) -> SafeString:
        """Name the keeper, by its number where it has gone since."""
        if removal.keeper_title is None:
            return format_html("{}", _GONE % {"number": removal.keeper_track_id})
        name = pages.two_lines(removal.keeper_title or _("Untitled"), removal.keeper_artist or _("Unknown artist"))
        return _track_link(removal.keeper_track_id, name)

    @admin.display(description=lazy("moved to it"))
    def moved(self, removal: CleanupAction) -> SafeString:
        """Say what the keeper got, and what room the removal made."""
        plays = ngettext("%(count)s play", "%(count)s plays", removal.plays_moved)
        places = ngettext("%(count)s place", "%(count)s places", removal.places_moved)
        moved = [
            words % {"count": pages.number(count)}
            for words, count in ((plays, removal.plays_moved), (places, removal.places_moved))
            if count
        ]
        freed = _("%(size)s freed") % {"size": pages.size(removal.bytes_freed)} if removal.bytes_freed else ""
        return pages.two_lines(", ".join(moved) or pages.UNKNOWN, freed)

    @admin.display(description=lazy("state"), ordering="expires_at")
    def until(self, removal: CleanupAction) -> SafeString:
        """Say where it is and, while it waits, until when."""
        end = removal.expires_at if removal.state == CleanupState.DONE else removal.ended_at
        when = relative(end, timezone.now()) if end else ""
        return format_html('{} <span class="aside under">{}</span>', self.whereabouts(removal), when)

    @admin.display(description=lazy("removed"), ordering="created_at")
    def removed_by(self, removal: CleanupAction) -> SafeString:
        who = _("by %(who)s") % {"who": self.who(removal)}
        return format_html('{} <span class="aside under">{}</span>', self.removed(removal), who)

    @admin.display(description=lazy("plays moved"))
    def plays(self, removal: CleanupAction) -> str:
        return pages.number(removal.plays_moved)

    @admin.display(description=lazy("places moved"))
    def places(self, removal: CleanupAction) -> str:
        return pages.number(removal.places_moved)

    @admin.display(description=lazy("size"))
    def freed(self, removal: CleanupAction) -> str:
        return pages.size(removal.bytes_freed)

    @admin.display(description=lazy("by"))
    def who(self, removal: CleanupAction) -> str:
        return removal.user_name or _("System")

    @admin.display(description=lazy("when"), ordering="created_at")
    def removed(self, removal: CleanupAction) -> str | SafeString:
        return pages.moment(removal.created_at, timezone.now())

    @admin.display(description=lazy("expires"), ordering="expires_at")
    def expires(self, removal: CleanupAction) -> str | SafeString:
        return pages.moment(removal.expires_at, timezone.now()) if removal.state == CleanupState.DONE else pages.UNKNOWN

    @admin.display(description=lazy("ended"))
    def ended(self, removal: CleanupAction) -> str | SafeString:
        return pages.moment(removal.ended_at, timezone.now())

    @admin.display(description=lazy("group"))
    def in_group(self, removal: CleanupAction) -> str | SafeString:
        if removal.group_id is None:
            return pages.two_lines(removal.label, _("Its analysis was cleaned up"))
        link = reverse("admin:duplicates_duplicateanalysisgroup_change", args=[removal.group_id])
        return format_html('<a href="{}">{}</a>', link, removal.label or _("Open the group"))

    @admin.display(description=lazy("copies"))
    def copies(self, removal: CleanupAction) -> SafeString:
        """Name the copies; those that are gone by their number."""
        removed = removal.entries.filter(kind=LedgerKind.TRACK).order_by("pk").values_list("track_id", flat=True)
        ids = [pk for pk in removed[:COPIES_SHOWN] if pk is not None]
        here = Track.objects.in_bulk(ids)
        return pages.lines(_track_link(pk, str(here[pk])) if pk in here else _GONE % {"number": pk} for pk in ids)

    @admin.display(description=lazy("changed besides"))
    def changed(self, removal: CleanupAction) -> SafeString | str:
        kinds = list(removal.entries.order_by().values_list("kind", flat=True))
        # The plural is chosen by `%`: asked for its text before, a lazy one has none.
        said = [str(words % {"count": many}) for kind, words in _CHANGED.items() if (many := kinds.count(kind))]
        return pages.lines(said) if said else pages.UNKNOWN


def _track_link(track_id: int, text: str) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse("admin:library_track_change", args=[track_id]), text)
