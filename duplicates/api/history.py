"""What clean-up came to: of one analysis, and of everything in a period; and a result that could not be saved."""

from typing import Any, cast

from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from duplicates.api import history_serializers as shapes
from duplicates.api.access import Door, require
from duplicates.api.shapes import StrictSerializer
from duplicates.choices import ExportFormat, TokenScope
from duplicates.export_response import CONTENT_TYPES
from duplicates.models import DuplicateAnalysisResult
from duplicates.services import downloading, history, impact_summary, permissions
from duplicates.services.exporting import download_name
from duplicates.services.history_advice import get_recommendations
from duplicates.services.impact_advice import get_impact_advice
from duplicates.services.library_changes import get_library_change_summary

DAYS = OpenApiParameter("days", {"type": "integer", "minimum": 1, "maximum": history.LONGEST}, description="Up to now.")
# What each format is sent as.
FILE = {
    (200, "application/json"): OpenApiTypes.OBJECT,
    (200, "application/jsonl"): OpenApiTypes.BINARY,
    (200, "text/csv"): OpenApiTypes.BINARY,
}
FORMAT = OpenApiParameter("format", str, enum=ExportFormat.values)


class PeriodSerializer(StrictSerializer):
    """How far back to look."""

    days = serializers.IntegerField(min_value=1, max_value=history.LONGEST, default=30)


class UnsavedWishSerializer(StrictSerializer):
    """How to write it."""

    format = serializers.ChoiceField(ExportFormat.choices, default=ExportFormat.JSON)


class HistoryViewSet(Door, viewsets.ViewSet):
    """The history of clean-up. It adds everybody's work up, so it is for those who see everybody's."""

    access = {"retrieve": (TokenScope.READ, permissions.may_view_history)}

    @extend_schema(
        operation_id="get_cleanup_history",
        summary="What was cleaned up, how well, and what follows",
        parameters=[DAYS],
        responses=shapes.HistorySerializer,
    )
    def retrieve(self, request: Request) -> Response:
        """Totals, weeks, kinds of work, effectiveness and recommendations of the last days, 30 unless said."""
        wish = PeriodSerializer(data=request.query_params.dict())
        wish.is_valid(raise_exception=True)
        found = history.get_cleanup_history(now=timezone.now(), days=wish.validated_data["days"])
        return Response(shapes.history_as_json(found, get_recommendations(found)))


class CleanupOfAnalysis:
    """What the viewset of analyses says about clean-up and unsaved results."""

    @extend_schema(
        operation_id="get_impact",
        summary="What has clean-up made of this analysis?",
        responses=shapes.AnalysisImpactSerializer,
    )
    @action(detail=True)
    def impact(self, request: Request, pk: Any = None) -> Response:
        """Groups decided, copies gone, plays kept, bytes freed, and whether a new analysis is worth while."""
        analysis = self._with_groups()
        found = impact_summary.get_impact_summary(analysis)
        suggestion = impact_summary.suggest_new_analysis(found, get_library_change_summary(analysis))
        return Response(shapes.impact_as_json(found, suggestion, get_impact_advice(found)))

    @extend_schema(
        operation_id="export_unsaved",
        summary="Fetch a result that could not be saved",
        parameters=[FORMAT],
        responses=FILE,
    )
    @action(detail=True)
    def unsaved(self, request: Request, pk: Any = None) -> StreamingHttpResponse:
        """What a run found that ended with SAVE_FAILED, while this machine keeps it. `resume` saves it again."""
        analysis: DuplicateAnalysisResult = cast("Any", self).get_object()
        person = cast("Door", self).person
        require(permissions.may_export(person, analysis), "You may not export this analysis.")
        wish = UnsavedWishSerializer(data=request.query_params.dict())
        wish.is_valid(raise_exception=True)
        chosen = ExportFormat(wish.validated_data["format"])
        blocks = downloading.stream_unsaved(analysis, chosen, actor=person, now=timezone.now())
        name = download_name(analysis, chosen)
        headers = {
            "Content-Disposition": f'attachment; filename="unsaved-{name}"',
            "Cache-Control": "private, no-store",
        }
        return StreamingHttpResponse(blocks, content_type=CONTENT_TYPES[chosen], headers=headers)

    def _with_groups(self) -> DuplicateAnalysisResult:
        return cast("DuplicateAnalysisResult", cast("Any", self)._readable())
