"""Imports: what each did, and a file to be imported."""

from http import HTTPStatus
from typing import Any, ClassVar

import django_filters
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from duplicates.api.access import Door
from duplicates.api.idempotency import IDEMPOTENCY_KEY, idempotent
from duplicates.api.pages import CursorPages
from duplicates.api.shapes import StrictSerializer
from duplicates.api.uploading import Uploads, receive_privately
from duplicates.choices import TokenScope
from duplicates.exceptions import ImportNotAccepted
from duplicates.receiving import keep
from duplicates.services import permissions
from library.importers.csv_columns import parse_mapping
from library.importing import ImportRefused
from library.models import ImportStatus, LibraryImport
from library.tasks import enqueue_upload
from library.uploads import FORMATS, import_upload, progress_of


class ImportSerializer(serializers.ModelSerializer[LibraryImport]):
    """One import and its reconciliation: seen = added + changed + unchanged + skipped."""

    id = serializers.UUIDField(source="import_id", read_only=True)
    status = serializers.ChoiceField(ImportStatus.choices, read_only=True)
    user = serializers.CharField(source="user.username", default=None, allow_null=True, read_only=True)
    report = serializers.DictField(read_only=True, help_text="Skipped entries by reason with examples, warnings.")

    class Meta:
        model = LibraryImport
        fields = (
            "id",
            "source",
            "format",
            "file_name",
            "is_catalog",
            "is_dry_run",
            "user",
            "status",
            "started_at",
            "completed_at",
            "seen_count",
            "added_count",
            "changed_count",
            "unchanged_count",
            "skipped_count",
            "vanished_count",
            "pruned_count",
            "playlist_count",
            "report",
            "error_message",
        )
        read_only_fields = fields


class UploadSerializer(StrictSerializer):
    """A file to be imported, and how to read it."""

    file = serializers.FileField(help_text="iTunes XML or CSV, packed with gzip or not.")
    source = serializers.CharField(  # type: ignore[assignment]
        max_length=100,
        required=False,
        allow_blank=True,
        help_text="Which library this is; an import of the same name updates it. Left out: the iTunes library's id, "
        "else the file's name.",
    )
    format = serializers.ChoiceField([(name, name) for name in FORMATS], default="auto")
    mapping = serializers.ListField(
        child=serializers.CharField(max_length=200),
        required=False,
        max_length=50,
        help_text="FIELD=COLUMN for CSV columns that are not recognised by themselves.",
    )
    id_column = serializers.CharField(max_length=200, required=False, allow_blank=True)
    is_catalog = serializers.BooleanField(default=False, help_text="As the iTunes reference catalogue.")
    is_dry_run = serializers.BooleanField(default=False, help_text="Say what would happen and change nothing.")
    keep_partial = serializers.BooleanField(default=False, help_text="Of a damaged file, what is readable.")

    def validate_mapping(self, pairs: list[str]) -> dict[str, str]:
        try:
            return parse_mapping(pairs)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error


class ImportProgressSerializer(serializers.Serializer[Any]):
    """How far an import is."""

    status = serializers.ChoiceField(ImportStatus.choices)
    stage = serializers.CharField(allow_blank=True)
    done = serializers.IntegerField()
    total = serializers.IntegerField(allow_null=True)
    percentage = serializers.FloatField(allow_null=True, help_text="Null while the end is not known.")


class ImportFilters(django_filters.FilterSet):
    """Narrow the list of imports."""

    status = django_filters.ChoiceFilter(choices=ImportStatus.choices)
    source = django_filters.CharFilter(max_length=100)
    is_catalog = django_filters.BooleanFilter()
    is_dry_run = django_filters.BooleanFilter()

    class Meta:
        model = LibraryImport
        fields: ClassVar[list[str]] = []


class NewestImports(CursorPages):
    """Newest first."""

    ordering = ("-started_at", "-import_id")


@extend_schema_view(
    list=extend_schema(operation_id="list_imports", summary="List imports, newest first"),
    retrieve=extend_schema(operation_id="get_import", summary="Show what one import did"),
)
class ImportViewSet(Door, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[LibraryImport]):
    """Imports and their reconciliation reports."""

    parser_classes = (Uploads,)
    queryset = LibraryImport.objects.select_related("user")
    serializer_class = ImportSerializer
    filterset_class = ImportFilters
    pagination_class = NewestImports
    lookup_value_converter = "uuid"
    access = {
        "list": (TokenScope.READ, permissions.may_view_imports),
        "retrieve": (TokenScope.READ, permissions.may_view_imports),
        "progress": (TokenScope.READ, permissions.may_view_imports),
        "create": (TokenScope.RUN, permissions.may_import),
    }
    keeps_steps = frozenset({"create"})

    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Request:
        """Let a file be received privately, and no more of it than is allowed."""
        received = super().initialize_request(request, *args, **kwargs)
        receive_privately(received)
        return received

    @extend_schema(
        operation_id="import_file",
        summary="Import an iTunes library or a CSV of tracks",
        request={"multipart/form-data": UploadSerializer},
        responses={201: ImportSerializer, 202: ImportSerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """A small file is imported at once: 201 with its reconciliation. A large one by a worker: 202, ask again."""
        wish = self.read(UploadSerializer)
        file = wish.pop("file")
        renamed = {"catalog": wish.pop("is_catalog"), "dry_run": wish.pop("is_dry_run")}
        try:
            row = import_upload(
                keep(file),
                name=file.name,
                wish={**wish, **renamed},
                user=self.person,
                now=timezone.now(),
                enqueue=enqueue_upload,
            )
        except ImportRefused as refused:
            raise ImportNotAccepted(str(refused), reason=refused.code, import_id=refused.import_row.pk) from refused
        status = HTTPStatus.CREATED if row.completed_at else HTTPStatus.ACCEPTED
        return Response(ImportSerializer(row).data, status=status)

    @extend_schema(
        operation_id="get_import_progress", summary="How far is this import?", responses=ImportProgressSerializer
    )
    @action(detail=True)
    def progress(self, request: Request, pk: Any = None) -> Response:
        """Ask again every second or two until it is over."""
        row = self.get_object()
        return Response(ImportProgressSerializer({"status": row.status, **progress_of(row)}).data)
