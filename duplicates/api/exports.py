"""Exports: ask for one, see how far it is, fetch the file, delete it."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.http import Http404, HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from duplicates.api.access import Door, require
from duplicates.api.history import FILE
from duplicates.api.idempotency import IDEMPOTENCY_KEY, idempotent
from duplicates.api.pages import CursorPages
from duplicates.api.shapes import StrictSerializer
from duplicates.choices import ExportFormat, ExportStatus, TokenScope
from duplicates.export_response import export_response
from duplicates.models import DuplicateAnalysisExport, DuplicateAnalysisResult
from duplicates.services import exporting, permissions
from duplicates.services.downloading import is_downloadable
from duplicates.tasks import enqueue_export


class ExportWishSerializer(StrictSerializer):
    """Which analysis to export, and how."""

    analysis = serializers.UUIDField()
    format = serializers.ChoiceField(ExportFormat.choices, default=ExportFormat.JSON)
    is_compressed = serializers.BooleanField(default=False, help_text="Packed with gzip.")


class ExportSerializer(serializers.ModelSerializer[DuplicateAnalysisExport]):
    """One export: how far it is, and where its file can be fetched until it expires."""

    id = serializers.UUIDField(source="export_id", read_only=True)
    analysis_id = serializers.UUIDField(read_only=True)
    user = serializers.CharField(source="user.username", default=None, allow_null=True, read_only=True)
    status = serializers.SerializerMethodField()
    percentage = serializers.FloatField(read_only=True)
    download_url = serializers.SerializerMethodField(help_text="Null while there is nothing to fetch.")

    class Meta:
        model = DuplicateAnalysisExport
        fields = (
            "id",
            "analysis_id",
            "user",
            "format",
            "is_compressed",
            "status",
            "row_count",
            "total_rows",
            "percentage",
            "size_bytes",
            "sha256",
            "file_name",
            "created_at",
            "expires_at",
            "download_count",
            "last_downloaded_at",
            "error_message",
            "download_url",
        )
        read_only_fields = fields

    def get_status(self, export: DuplicateAnalysisExport) -> str:
        """Say "expired" from the moment on, not only once clean-up has come by."""
        over = export.status == ExportStatus.COMPLETED and not is_downloadable(export, now=timezone.now())
        return ExportStatus.EXPIRED if over else export.status

    def get_download_url(self, export: DuplicateAnalysisExport) -> str | None:
        if not is_downloadable(export, now=timezone.now()):
            return None
        return reverse("api:export-download", args=[export.pk], request=self.context["request"])


class ExportFilters(django_filters.FilterSet):
    """Narrow the history."""

    analysis = django_filters.UUIDFilter(field_name="analysis_id")
    format = django_filters.ChoiceFilter(choices=ExportFormat.choices)
    status = django_filters.ChoiceFilter(choices=ExportStatus.choices)

    class Meta:
        model = DuplicateAnalysisExport
        fields: ClassVar[list[str]] = []


class NewestExports(CursorPages):
    """Newest first."""

    ordering = ("-created_at", "-export_id")


@extend_schema_view(
    list=extend_schema(operation_id="list_exports", summary="List exports, newest first"),
    retrieve=extend_schema(operation_id="get_export", summary="Show how far an export is"),
    destroy=extend_schema(operation_id="delete_export", summary="Delete an export and its file"),
)
class ExportViewSet(
    Door,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.DestroyModelMixin,
    viewsets.GenericViewSet[DuplicateAnalysisExport],
):
    """Exports of the analyses one may see."""

    queryset = DuplicateAnalysisExport.objects.none()
    serializer_class = ExportSerializer
    filterset_class = ExportFilters
    pagination_class = NewestExports
    lookup_value_converter = "uuid"
    access = {
        "list": (TokenScope.READ, permissions.may_read),
        "retrieve": (TokenScope.READ, permissions.may_read),
        "create": (TokenScope.EXPORT, permissions.may_export),
        "download": (TokenScope.EXPORT, permissions.may_export),
        "destroy": (TokenScope.EXPORT, permissions.may_export),
    }

    def get_queryset(self) -> QuerySet[DuplicateAnalysisExport]:
        visible = DuplicateAnalysisResult.objects.visible_to(self.person).values("pk")
        return DuplicateAnalysisExport.objects.filter(analysis__in=visible).select_related("user")

    def get_object(self) -> DuplicateAnalysisExport:
        try:
            return super().get_object()
        except Http404:
            raise NotFound(
                _("There is no such export here. It goes when it, or its analysis, is deleted: ask for a new one.")
            ) from None

    @extend_schema(
        operation_id="export_analysis_results",
        summary="Export an analysis",
        request=ExportWishSerializer,
        responses={201: ExportSerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """A small one is written at once; a large one by a worker: ask again for its percentage."""
        wish = self.read(ExportWishSerializer)
        visible = DuplicateAnalysisResult.objects.visible_to(self.person)
        analysis = visible.filter(pk=wish["analysis"]).first()
        if analysis is None:
            raise Http404
        export = exporting.request_export(
            analysis,
            wish["format"],
            actor=self.person,
            now=timezone.now(),
            enqueue=enqueue_export,
            is_compressed=wish["is_compressed"],
        )
        return Response(ExportSerializer(export, context=self.get_serializer_context()).data, status=201)

    @extend_schema(
        operation_id="download_export",
        summary="Fetch the file of an export",
        responses={
            **FILE,
            (200, "application/gzip"): OpenApiTypes.BINARY,
            (206, "application/json"): OpenApiTypes.BINARY,
            (206, "application/jsonl"): OpenApiTypes.BINARY,
            (206, "text/csv"): OpenApiTypes.BINARY,
            (206, "application/gzip"): OpenApiTypes.BINARY,
        },
    )
    @action(detail=True)
    def download(self, request: Request, pk: Any = None) -> HttpResponseBase:
        """The whole file, or the part that `Range` names; the ETag is its SHA-256. 410 once it has expired."""
        return export_response(request, self.get_object(), person=self.person)

    def perform_destroy(self, instance: DuplicateAnalysisExport) -> None:
        require(permissions.may_delete_export(self.person, instance), "This export is somebody else's.")
        exporting.delete_export(instance, actor=self.person, now=timezone.now())
