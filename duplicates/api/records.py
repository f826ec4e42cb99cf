"""The audit trail, and one's own preferences."""

from typing import Any, ClassVar

import django_filters
from django.core.exceptions import ValidationError as ModelError
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from duplicates.api.access import Door
from duplicates.api.moments import MomentFilter
from duplicates.api.pages import CursorPages
from duplicates.choices import TokenScope
from duplicates.models import AuditRecord, DuplicatePreferences
from duplicates.services import permissions, preferring


class AuditSerializer(serializers.ModelSerializer[AuditRecord]):
    """One record: who did what to what, and what came of it. Names are as they were then."""

    user = serializers.CharField(source="user_name", read_only=True, help_text="Empty: the system.")
    before = serializers.JSONField(allow_null=True, read_only=True)
    after = serializers.JSONField(allow_null=True, read_only=True)
    counts = serializers.DictField(read_only=True)

    class Meta:
        model = AuditRecord
        fields = (
            "id",
            "created_at",
            "user",
            "action",
            "subject_type",
            "subject_id",
            "subject_label",
            "was_successful",
            "message",
            "before",
            "after",
            "counts",
            "duration_seconds",
            "address",
        )
        read_only_fields = fields


class AuditFilters(django_filters.FilterSet):
    """Narrow the trail."""

    action = django_filters.CharFilter(max_length=60)
    user = django_filters.CharFilter(field_name="user_name", max_length=150)
    subject_type = django_filters.CharFilter(max_length=40)
    subject_id = django_filters.CharFilter(max_length=64)
    was_successful = django_filters.BooleanFilter()
    created_after = MomentFilter(field_name="created_at", lookup_expr="gte")
    created_before = MomentFilter(field_name="created_at", lookup_expr="lt")

    class Meta:
        model = AuditRecord
        fields: ClassVar[list[str]] = []


class NewestRecords(CursorPages):
    """Newest first."""

    ordering = ("-created_at", "-id")


@extend_schema_view(
    list=extend_schema(operation_id="list_audit_records", summary="Read the audit trail, newest first"),
    retrieve=extend_schema(operation_id="get_audit_record", summary="Show one record"),
)
class AuditViewSet(Door, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[AuditRecord]):
    """One's own records and the system's; everybody's with the permission to see everybody's analyses."""

    queryset = AuditRecord.objects.none()
    serializer_class = AuditSerializer
    filterset_class = AuditFilters
    pagination_class = NewestRecords
    lookup_value_converter = "int"
    access = {
        "list": (TokenScope.READ, permissions.may_view_audit),
        "retrieve": (TokenScope.READ, permissions.may_view_audit),
    }

    def get_queryset(self) -> QuerySet[AuditRecord]:
        return AuditRecord.objects.visible_to(self.person)


class PreferencesSerializer(serializers.ModelSerializer[DuplicatePreferences]):
    """How one likes to work, and what one wants to be warned about; null follows the site."""

    class Meta:
        model = DuplicatePreferences
        exclude = ("id", "user")


class PreferencesViewSet(Door, viewsets.GenericViewSet[DuplicatePreferences]):
    """One's own preferences."""

    queryset = DuplicatePreferences.objects.none()
    serializer_class = PreferencesSerializer
    pagination_class = None
    filter_backends = ()
    access = {
        "retrieve": (TokenScope.READ, permissions.may_read),
        "partial_update": (TokenScope.MANAGE, permissions.may_read),
        "destroy": (TokenScope.MANAGE, permissions.may_read),
    }

    @extend_schema(operation_id="get_preferences", summary="Show my preferences", responses=PreferencesSerializer)
    def retrieve(self, request: Request) -> Response:
        """Those set, and the defaults of the others."""
        return self._show()

    @extend_schema(operation_id="change_preferences", summary="Change some of my preferences")
    def partial_update(self, request: Request) -> Response:
        """What is not named stays as it is."""
        mine = DuplicatePreferences.objects.of(self.person)
        serializer = PreferencesSerializer(mine, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        _require_known(request.data)
        try:
            preferring.change_preferences(self.person, serializer.validated_data, now=timezone.now())
        except ModelError as error:
            raise serializers.ValidationError(serializers.as_serializer_error(error)) from error
        return self._show()

    @extend_schema(
        operation_id="reset_preferences",
        summary="Let the defaults hold again",
        responses={200: PreferencesSerializer},
    )
    def destroy(self, request: Request) -> Response:
        """Put every preference back to its default."""
        preferring.reset_preferences(self.person, now=timezone.now())
        return self._show()

    def _show(self) -> Response:
        return Response(PreferencesSerializer(DuplicatePreferences.objects.of(self.person)).data)


def _require_known(data: Any) -> None:
    """Refuse a misspelt name rather than pass over it."""
    known = PreferencesSerializer().fields
    if unknown := sorted(set(map(str, data)) - set(known)):
        raise serializers.ValidationError(
            {unknown[0]: _("There is no such field. Choose from %(known)s.") % {"known": ", ".join(known)}}
        )
