"""How Reprise is doing, in one document: runs, queue, workers, storage, and what was done."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from duplicates.api.access import Door
from duplicates.api.shapes import StrictSerializer
from duplicates.choices import TokenScope
from duplicates.services import metrics, permissions
from duplicates.services.storage_limits import storage_warnings

LONGEST = 365
DAYS = OpenApiParameter("days", {"type": "integer", "minimum": 1, "maximum": LONGEST}, description="Up to now.")


class PeriodSerializer(StrictSerializer):
    """How far back to look."""

    days = serializers.IntegerField(min_value=1, max_value=LONGEST, default=30)


class ActivitySerializer(serializers.Serializer[metrics.Activity]):
    """What was done in the period."""

    completed = serializers.IntegerField()
    failed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    completion_ratio = serializers.FloatField(allow_null=True, help_text="Of runs that came to an end by themselves.")
    groups_decided = serializers.IntegerField()
    tracks_removed = serializers.IntegerField()
    exports_requested = serializers.IntegerField()
    exports_failed = serializers.IntegerField()
    downloads = serializers.IntegerField()


class QueueSerializer(serializers.Serializer[metrics.Queue]):
    """What waits and what is under way."""

    queued = serializers.IntegerField()
    running = serializers.IntegerField()
    oldest_queued_seconds = serializers.FloatField()
    exports_waiting = serializers.IntegerField()
    plans_at_work = serializers.IntegerField()
    tasks_waiting = serializers.IntegerField()


class WorkersSerializer(serializers.Serializer[metrics.Workers]):
    """Who is there to do the work."""

    alive = serializers.IntegerField()
    heartbeat_age_seconds = serializers.FloatField(allow_null=True)


class SizeFiguresSerializer(serializers.Serializer[metrics.SizeFigures]):
    """How completed runs over libraries of one size went."""

    size_class = serializers.CharField()
    runs = serializers.IntegerField()
    median_seconds = serializers.FloatField()
    longest_seconds = serializers.FloatField()
    tracks_per_second = serializers.FloatField()
    peak_memory_bytes = serializers.IntegerField()
    phase_seconds = serializers.DictField(child=serializers.FloatField())


class StoredSerializer(serializers.Serializer[Any]):
    """How much there is of something."""

    rows = serializers.IntegerField()
    size_bytes = serializers.IntegerField()


class SummarySerializer(serializers.Serializer[metrics.Metrics]):
    """Everything, as it is now."""

    at = serializers.DateTimeField()
    days = serializers.IntegerField()
    activity = ActivitySerializer()
    queue = QueueSerializer()
    workers = WorkersSerializer()
    runs_by_size = SizeFiguresSerializer(many=True, source="by_size")
    failures = serializers.DictField(child=serializers.IntegerField(), help_text="By code.")
    exports = serializers.DictField(child=serializers.IntegerField(), help_text="By status.")
    storage_by_kind = serializers.DictField(child=StoredSerializer(), source="storage.by_kind")
    storage_is_estimate = serializers.BooleanField(source="storage.is_estimate", help_text="Bytes by kind, on SQLite.")
    storage_total = StoredSerializer(source="storage.total")
    results = StoredSerializer(source="storage.results", help_text="What analyses hold together.")
    results_limit_bytes = serializers.IntegerField(source="storage_limit_bytes", help_text="0: none.")
    free_bytes = serializers.IntegerField(help_text="Where working files go.")
    storage_warnings = serializers.SerializerMethodField()

    def get_storage_warnings(self, found: metrics.Metrics) -> list[str]:
        return storage_warnings(found.storage, free_bytes=found.free_bytes)


class SummaryViewSet(Door, viewsets.ViewSet):
    """The figures of the Monitoring page. They add up what everybody has, so they are for those who see everybody's."""

    access = {"retrieve": (TokenScope.READ, permissions.may_monitor)}

    @extend_schema(
        operation_id="get_summary",
        summary="How is Reprise doing?",
        parameters=[DAYS],
        responses=SummarySerializer,
    )
    def retrieve(self, request: Request) -> Response:
        """Runs, queue, workers and storage now; what was done in the last days, 30 unless said."""
        wish = PeriodSerializer(data=request.query_params.dict())
        wish.is_valid(raise_exception=True)
        return Response(
            SummarySerializer(metrics.get_metrics(now=timezone.now(), days=wish.validated_data["days"])).data
        )
