"""Any two tracks: why they are, or are not, a group."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from duplicates.api.access import Door
from duplicates.api.group_serializers import ExplainedSerializer
from duplicates.api.shapes import StrictSerializer
from duplicates.choices import Preset, TokenScope
from duplicates.models import DuplicateAnalysisResult
from duplicates.services import permissions


class PairSerializer(StrictSerializer):
    """Two tracks, and by which analysis or preset to judge them."""

    left = serializers.CharField(max_length=500, help_text="A track id, or SOURCE:ID.")
    right = serializers.CharField(max_length=500)
    analysis = serializers.UUIDField(required=False)
    preset = serializers.ChoiceField(Preset.choices, default=Preset.RECORDING)


class PairViewSet(Door, viewsets.ViewSet):
    """Pairs of tracks."""

    access = {"explain": (TokenScope.READ, permissions.may_read)}

    @extend_schema(
        operation_id="explain_pair",
        summary="Why are these two a group, or not?",
        parameters=[
            OpenApiParameter("left", str, required=True, description="A track id, or SOURCE:ID."),
            OpenApiParameter("right", str, required=True),
            OpenApiParameter("analysis", {"type": "string", "format": "uuid"}, description="By its weights."),
            OpenApiParameter("preset", str, enum=Preset.values, description="Without an analysis, by this preset."),
        ],
        responses=ExplainedSerializer,
    )
    @action(detail=False)
    def explain(self, request: Request) -> Response:
        """Signed evidence in bits, comparison by comparison, and what became of the two."""
        from duplicates.services.explaining import explain_tracks, find_track  # noqa: PLC0415 (loads numpy and polars)

        wish = self._wish(request)
        left, right = find_track(wish["left"]), find_track(wish["right"])
        explained = explain_tracks(left, right, analysis=self._analysis(wish), preset=wish["preset"])
        return Response(ExplainedSerializer(explained.as_json()).data)

    def _wish(self, request: Request) -> dict[str, Any]:
        serializer = PairSerializer(data=request.query_params.dict())
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def _analysis(self, wish: dict[str, Any]) -> DuplicateAnalysisResult | None:
        if "analysis" not in wish:
            return None
        found = DuplicateAnalysisResult.objects.visible_to(self.person).completed().filter(pk=wish["analysis"]).first()
        if found is None:
            raise Http404
        return found
