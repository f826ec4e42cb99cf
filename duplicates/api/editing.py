"""An export that people edited, sent back: its keepers, resolutions and members taken out become decisions."""

from typing import IO, Any, cast

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from duplicates.api.access import Door
from duplicates.api.idempotency import IDEMPOTENCY_KEY, idempotent
from duplicates.api.shapes import StrictSerializer
from duplicates.exceptions import UploadTooLarge
from duplicates.services.edited_exports import EditedImport, import_edited_export
from library.numbers import number

LARGEST_FILE = 50_000_000


class CsvText(BaseParser):
    """The body of a request as one text, no longer than is allowed."""

    media_type = "text/csv"

    def parse(self, stream: IO[bytes] | None, media_type: Any = None, parser_context: Any = None) -> Any:
        body = stream.read(LARGEST_FILE + 1) if stream is not None else b""
        if len(body) > LARGEST_FILE:
            raise UploadTooLarge.of(LARGEST_FILE)
        try:
            return body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ParseError(_("The file is not UTF-8 (byte %(start)s).") % {"start": number(error.start)}) from error


class DryRunSerializer(StrictSerializer):
    """Whether to try it first."""

    dry_run = serializers.BooleanField(default=False)


class ProblemSerializer(serializers.Serializer[Any]):
    """A row that was left out."""

    line = serializers.IntegerField()
    code = serializers.CharField()
    message = serializers.CharField()


class EditedImportSerializer(serializers.Serializer[EditedImport]):
    """What an edited export brought, or would bring."""

    rows = serializers.IntegerField()
    groups = serializers.IntegerField()
    unchanged = serializers.IntegerField(help_text="Groups that are as the file wants them.")
    keepers = serializers.IntegerField()
    resolutions = serializers.IntegerField()
    not_duplicates = serializers.IntegerField(help_text="Members taken out of their group.")
    conflicts = ProblemSerializer(many=True)


class EditedExports:
    """What the viewset of analyses takes back."""

    @extend_schema(
        operation_id="import_decisions",
        summary="Take an edited CSV export back",
        request={"text/csv": OpenApiTypes.STR},
        parameters=[OpenApiParameter("dry_run", bool, description="Only say what would happen."), IDEMPOTENCY_KEY],
        responses={200: EditedImportSerializer},
    )
    @action(detail=True, methods=["post"], parser_classes=[CsvText])
    @idempotent
    def decisions(self, request: Request, pk: Any = None) -> Response:
        """Its `is_canonical`, `resolution` and `not_duplicate` count. What was decided since is a conflict."""
        analysis = cast("Any", self)._readable()
        wish = DryRunSerializer(data=request.query_params.dict())
        wish.is_valid(raise_exception=True)
        text = cast("Any", request.data) or ""
        person, dry_run = cast("Door", self).person, wish.validated_data["dry_run"]
        report = import_edited_export(analysis, text, actor=person, now=timezone.now(), dry_run=dry_run)
        return Response(EditedImportSerializer(report).data)
