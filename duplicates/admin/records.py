"""The audit trail and the decisions that two tracks differ: to be read, found and never edited."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from duplicates.models import AuditRecord, NotDuplicate
from duplicates.models.records import action_words
from library import admin_pages as pages

REVOKED = pages.when("revoked_at", "taken back")


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
    search_help_text = "Person, action, subject or its id"
    sortable_by = ("when",)
    ordering = ("-created_at",)
    list_display_links = ("when",)
    empty_message = "Nothing recorded yet. Every analysis, decision, export and clean-up will be listed here."
    fields = ("when", "who", "what", "subject", "outcome", "message", "took", "address", "counted", "was", "became")
    readonly_fields = ("when", "who", "what", "subject", "outcome", "took", "counted", "was", "became")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return AuditRecord.objects.visible_to(request.user).order_by(*self.ordering)

    @admin.display(description="when", ordering="created_at")
    def when(self, record: AuditRecord) -> str | SafeString:
        return pages.moment(record.created_at, timezone.now())

    @admin.display(description="who")
    def who(self, record: AuditRecord) -> str:
        return record.user_name or "System"

    @admin.display(description="action")
    def what(self, record: AuditRecord) -> str:
        return record.action_words

    @admin.display(description="subject")
    def subject(self, record: AuditRecord) -> str | SafeString:
        if not record.subject_label:
            return pages.UNKNOWN
        try:
            link = reverse(f"admin:duplicates_{record.subject_type}_change", args=[record.subject_id])
        except NoReverseMatch:
            return record.subject_label
        return format_html('<a href="{}">{}</a>', link, record.subject_label)

    @admin.display(description="outcome")
    def outcome(self, record: AuditRecord) -> SafeString:
        return pages.badge("good", "Done") if record.was_successful else pages.badge("bad", "Failed")

    @admin.display(description="took")
    def took(self, record: AuditRecord) -> str:
        return pages.duration(record.duration_seconds)

    @admin.display(description="numbers")
    def counted(self, record: AuditRecord) -> SafeString:
        return pages.facts(record.counts)

    @admin.display(description="before")
    def was(self, record: AuditRecord) -> SafeString:
        return pages.facts(record.before)

    @admin.display(description="after")
    def became(self, record: AuditRecord) -> SafeString:
        return pages.facts(record.after)


@admin.register(NotDuplicate)
class NotDuplicateAdmin(pages.ReadOnlyAdmin):
    """Pairs that staff declared different; they stay apart in every later analysis."""

    list_display = ("left_label", "right_label", "decided_by", "decided", "state", "note")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), "created_at")
    search_fields = ("left_label", "right_label", "note", "user__username")
    sortable_by = ()
    ordering = ("-pk",)
    empty_message = "No decision yet. Pairs declared different while reviewing groups will be listed here."
    fields = ("left_label", "right_label", "decided_by", "decided", "state", REVOKED, "note")
    readonly_fields = ("decided_by", "decided", "state", REVOKED)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("user")

    @admin.display(description="decided by")
    def decided_by(self, decision: NotDuplicate) -> str:
        return decision.user.get_username() if decision.user else "System"

    @admin.display(description="decided")
    def decided(self, decision: NotDuplicate) -> str | SafeString:
        return pages.moment(decision.created_at, timezone.now())

    @admin.display(description="state")
    def state(self, decision: NotDuplicate) -> SafeString:
        return pages.badge("quiet", "Taken back") if decision.revoked_at else pages.badge("good", "In force")
