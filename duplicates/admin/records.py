"""The audit trail, to be read, found and never edited, and the history of clean-up it adds up to."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from duplicates.admin.history_page import HistoryPage
from duplicates.models import AuditRecord
from duplicates.models.records import action_words
from duplicates.services import permissions
from library import admin_pages as pages


class ActionFilter(admin.AllValuesFieldListFilter):
    """The actions that were recorded, in words."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        for choice in super().choices(changelist):
            yield {**choice, "display": action_words(str(choice["display"]))}


@admin.register(AuditRecord)
class AuditRecordAdmin(pages.ReadOnlyAdmin):
    """Who did what. One's own records and the system's; everybody's with the permission to see everybody's analyses."""

    list_display = ("when", "who", "what", "subject", "outcome", "message", "took")
    list_filter = ("was_successful", ("action", ActionFilter), "created_at")
    search_fields = ("user_name", "subject_label", "subject_id", "action")
    search_help_text = lazy("Person, action, subject or its id")
    sortable_by = ("when",)
    ordering = ("-created_at",)
    list_display_links = ("when",)
    empty_message = lazy("Nothing recorded yet. Every analysis, decision, export and clean-up will be listed here.")
    fields = ("when", "who", "what", "subject", "outcome", "message", "took", "address", "counted", "was", "became")
    readonly_fields = ("when", "who", "what", "subject", "outcome", "took", "counted", "was", "became")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return AuditRecord.objects.visible_to(request.user).order_by(*self.ordering)

    @admin.display(description=lazy("when"), ordering="created_at")
    def when(self, record: AuditRecord) -> str | SafeString:
        return pages.moment(record.created_at, timezone.now())

    @admin.display(description=lazy("who"))
    def who(self, record: AuditRecord) -> str:
        return record.user_name or _("System")

    @admin.display(description=lazy("action"))
    def what(self, record: AuditRecord) -> str:
        return record.action_words

    @admin.display(description=lazy("subject"))
    def subject(self, record: AuditRecord) -> str | SafeString:
        if not record.subject_label:
            return pages.UNKNOWN
        try:
            link = reverse(f"admin:duplicates_{record.subject_type}_change", args=[record.subject_id])
        except NoReverseMatch:
            return record.subject_label
        return format_html('<a href="{}">{}</a>', link, record.subject_label)

    @admin.display(description=lazy("outcome"))
    def outcome(self, record: AuditRecord) -> SafeString:
        return pages.badge("good", _("Done")) if record.was_successful else pages.badge("bad", _("Failed"))

    @admin.display(description=lazy("took"))
    def took(self, record: AuditRecord) -> str:
        return pages.duration(record.duration_seconds)

    @admin.display(description=lazy("numbers"))
    def counted(self, record: AuditRecord) -> SafeString:
        return pages.facts(record.counts)

    @admin.display(description=lazy("before"))
    def was(self, record: AuditRecord) -> SafeString:
        return pages.facts(record.before)

    @admin.display(description=lazy("after"))
    def became(self, record: AuditRecord) -> SafeString:
        return pages.facts(record.after)

    # --- The history of clean-up ------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.cleanup_view)
        return [path("history/", view, name="duplicates_history"), *super().get_urls()]

    def cleanup_view(self, request: HttpRequest) -> HttpResponseBase:
        """Show what clean-up came to. It adds everybody's work up, so it is for those who see everybody's."""
        if not permissions.may_view_history(request.user):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("History of clean-up"),
            **HistoryPage(request.GET.get("days", ""), timezone.now()).context(),
        }
        return TemplateResponse(request, "admin/duplicates/history.html", context)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Offer the history to those who may see it."""
        sees = {"sees_history": permissions.may_view_history(request.user)}
        return super().changelist_view(request, {**sees, **(extra_context or {})})
