"""Analyses: list, start, follow, refresh, cancel, resume, compare; and whether a result still holds."""

import uuid
from http import HTTPStatus
from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from duplicates.api import analysis_serializers as shapes
from duplicates.api.access import Door, require
from duplicates.api.editing import EditedExports
from duplicates.api.history import CleanupOfAnalysis
from duplicates.api.idempotency import IDEMPOTENCY_KEY, idempotent
from duplicates.api.moments import MomentFilter
from duplicates.api.pages import CursorPages
from duplicates.choices import AnalysisStatus, Preset, TokenScope, Trigger
from duplicates.exceptions import AnalysisNotReady
from duplicates.models import DuplicateAnalysisResult, DuplicatePreferences
from duplicates.services import lifecycle, permissions, refreshing, saved
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.difference import get_run_difference
from duplicates.services.library_changes import get_library_change_summary, touched_groups
from duplicates.services.options import AnalysisOptions
from duplicates.services.recommendations import ResultCondition, judge_condition, judge_conditions
from duplicates.services.staleness import Thresholds
from duplicates.services.workers import WORKER_COMMAND, are_there_workers
from duplicates.tasks import enqueue_analysis, enqueue_discard


class AnalysisFilters(django_filters.FilterSet):
    """Narrow the list of analyses."""

    status = django_filters.MultipleChoiceFilter(choices=AnalysisStatus.choices)
    preset = django_filters.ChoiceFilter(choices=Preset.choices)
    is_pinned = django_filters.BooleanFilter()
    search_term = django_filters.CharFilter(max_length=200)
    created_after = MomentFilter(field_name="created_at", lookup_expr="gte")
    created_before = MomentFilter(field_name="created_at", lookup_expr="lt")

    class Meta:
        model = DuplicateAnalysisResult
        fields: ClassVar[list[str]] = []


class NewestAnalyses(CursorPages):
    """Newest first."""

    ordering = ("-created_at", "-analysis_id")


STARTED = {200: shapes.StartedSerializer, 201: shapes.StartedSerializer}


@extend_schema_view(
    list=extend_schema(operation_id="list_analyses", summary="List analyses, newest first"),
    retrieve=extend_schema(operation_id="get_analysis", summary="Show one analysis"),
    destroy=extend_schema(operation_id="delete_analysis", summary="Delete a saved analysis"),
)
class AnalysisViewSet(
    CleanupOfAnalysis,
    EditedExports,
    Door,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.DestroyModelMixin,
    viewsets.GenericViewSet[DuplicateAnalysisResult],
):
    """Analyses one may see: one's own, the system's, and everybody's with the permission. Others are 404."""

    queryset = DuplicateAnalysisResult.objects.none()
    serializer_class = shapes.AnalysisSerializer
    filterset_class = AnalysisFilters
    pagination_class = NewestAnalyses
    lookup_value_converter = "uuid"
    access = {
        "list": (TokenScope.READ, permissions.may_read),
        "retrieve": (TokenScope.READ, permissions.may_read),
        "age": (TokenScope.READ, permissions.may_read),
        "changes": (TokenScope.READ, permissions.may_read),
        "progress": (TokenScope.READ, permissions.may_read),
        "difference": (TokenScope.READ, permissions.may_read),
        "impact": (TokenScope.READ, permissions.may_read),
        "unsaved": (TokenScope.EXPORT, permissions.may_export),
        "decisions": (TokenScope.REVIEW, permissions.may_review),
        "create": (TokenScope.RUN, permissions.may_run),
        "refresh": (TokenScope.RUN, permissions.may_run),
        "quick_refresh": (TokenScope.RUN, permissions.may_run),
        "cancel": (TokenScope.RUN, permissions.may_run_or_manage),
        "resume": (TokenScope.RUN, permissions.may_run_or_manage),
        "partial_update": (TokenScope.MANAGE, permissions.may_run_or_manage),
        "destroy": (TokenScope.MANAGE, permissions.may_run_or_manage),
    }
    keeps_steps = frozenset({"decisions"})

    def get_queryset(self) -> QuerySet[DuplicateAnalysisResult]:
        return DuplicateAnalysisResult.objects.visible_to(self.request.user).for_lists().select_related("user")

    def get_serializer_class(self) -> Any:
        return shapes.AnalysisBriefSerializer if self.action == "list" else super().get_serializer_class()

    # --- Reading ----------------------------------------------------------------------------------------------------

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One page, each with its staleness, for the same number of queries however many."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        readable = [analysis for analysis in page if analysis.is_readable]
        conditions = judge_conditions(readable, self._preferences(), now=timezone.now())
        by_id = {analysis.pk: condition for analysis, condition in zip(readable, conditions, strict=True)}
        context = {**self.get_serializer_context(), "conditions": by_id}
        return self.get_paginated_response(shapes.AnalysisBriefSerializer(page, many=True, context=context).data)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._show(self.get_object())

    @extend_schema(
        operation_id="check_analysis_age", summary="Does this result still hold?", responses=shapes.ConditionSerializer
    )
    @action(detail=True)
    def age(self, request: Request, pk: Any = None) -> Response:
        """Age, level, recommendation and warnings, by the limits of whoever asks."""
        return Response(shapes.ConditionSerializer(self._condition(self._readable())).data)

    @extend_schema(
        operation_id="get_library_changes",
        summary="What changed in the library since?",
        responses=shapes.LibraryChangesSerializer,
    )
    @action(detail=True)
    def changes(self, request: Request, pk: Any = None) -> Response:
        """Net changes since the analysis, exact to the track, and the groups they touch."""
        analysis = self._readable()
        summary = get_library_change_summary(analysis, thresholds=Thresholds.for_preferences(self._preferences()))
        ids: list[int] = []
        if summary.touched_groups:
            ids = list(touched_groups(analysis).order_by("pk").values_list("pk", flat=True)[: shapes.MOST_TOUCHED_IDS])
        touched = {"touched_groups": summary.touched_groups, "touched_group_ids": ids}
        return Response({**shapes.ChangesSerializer(summary).data, **touched})

    @extend_schema(
        operation_id="get_analysis_progress", summary="How far is this run?", responses=shapes.ProgressSerializer
    )
    @action(detail=True)
    def progress(self, request: Request, pk: Any = None) -> Response:
        """Ask again every second or two while the status is queued or running."""
        progress = DuplicateDetectionService().get_analysis_progress(self.get_object().pk)
        return Response(progress.as_json())

    @extend_schema(
        operation_id="compare_analyses",
        summary="What became of the groups of an earlier analysis?",
        parameters=[
            OpenApiParameter(
                "with",
                {"type": "string", "format": "uuid"},
                required=False,
                description="The earlier one; left out, the one this refreshed.",
            )
        ],
        responses=shapes.DifferenceSerializer,
    )
    @action(detail=True)
    def difference(self, request: Request, pk: Any = None) -> Response:
        """New, gone, grown, shrunk and unchanged groups."""
        later = self._readable()
        earlier = self._earlier(later, request.query_params.get("with"))
        found = get_run_difference(earlier, later)
        values = {name: getattr(found, name) for name in ("new", "gone", "grown", "shrunk", "unchanged", "sentence")}
        return Response(shapes.DifferenceSerializer({"earlier": earlier.pk, "later": later.pk, **values}).data)

    # --- Verbs ------------------------------------------------------------------------------------------------------

    @extend_schema(
        operation_id="start_analysis",
        summary="Start an analysis",
        request=shapes.StartSerializer,
        responses=STARTED,
        parameters=[IDEMPOTENCY_KEY],
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Queue an analysis: 201. An equal one that runs, or is still true, is answered instead: 200 with its id."""
        wish = self.read(shapes.StartSerializer)
        queued = lifecycle.queue_analysis(
            AnalysisOptions.from_parameters({**self._defaults(), **_parameters(wish)}),
            actor=self.person,
            trigger=Trigger.API,
            now=timezone.now(),
            enqueue=enqueue_analysis,
            force=wish["force"],
            time_limit_seconds=wish.get("time_limit_seconds"),
            keep_partial=wish["keep_partial"],
        )
        return self._started(queued.analysis, is_new=queued.is_new)

    @extend_schema(
        operation_id="refresh_analysis",
        summary="Run an analysis again",
        request=shapes.RefreshSerializer,
        responses={201: shapes.StartedSerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    @action(detail=True, methods=["post"])
    @idempotent
    def refresh(self, request: Request, pk: Any = None) -> Response:
        """Queue a successor with the same parameters or some of them changed. 409 with the id while one runs."""
        analysis = self._readable()
        wish = self.read(shapes.RefreshSerializer)
        successor = refreshing.refresh_analysis(
            analysis,
            actor=self.person,
            now=timezone.now(),
            enqueue=enqueue_analysis,
            overrides=_parameters(wish),
            learns_anew=wish["learns_anew"],
        )
        return self._started(successor, is_new=True)

    @extend_schema(
        operation_id="quick_refresh",
        summary="Refresh my most recent analysis",
        request=shapes.RefreshSerializer,
        responses={201: shapes.StartedSerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    @action(detail=False, methods=["post"], url_path="quick-refresh")
    @idempotent
    def quick_refresh(self, request: Request) -> Response:
        """The same for the newest completed analysis of whoever asks."""
        wish = self.read(shapes.RefreshSerializer)
        successor = refreshing.quick_refresh(
            actor=self.person,
            now=timezone.now(),
            enqueue=enqueue_analysis,
            overrides=_parameters(wish),
            learns_anew=wish["learns_anew"],
        )
        return self._started(successor, is_new=True)

    @extend_schema(
        operation_id="cancel_analysis",
        summary="Cancel a queued or running analysis",
        request=None,
        responses=shapes.CancelledSerializer,
        parameters=[IDEMPOTENCY_KEY],
    )
    @action(detail=True, methods=["post"])
    @idempotent
    def cancel(self, request: Request, pk: Any = None) -> Response:
        """End it at once. Earlier results are untouched; groups found so far follow when asked for (`is_partial`)."""
        analysis = self._managed()
        was_active = lifecycle.request_cancel(analysis, actor=self.person, now=timezone.now())
        return Response({"was_active": was_active})

    @extend_schema(
        operation_id="resume_analysis",
        summary="Go on with a failed or cancelled run",
        request=shapes.ResumeSerializer,
        responses=shapes.StartedSerializer,
        parameters=[IDEMPOTENCY_KEY],
    )
    @action(detail=True, methods=["post"])
    @idempotent
    def resume(self, request: Request, pk: Any = None) -> Response:
        """Put it back into the queue; it goes on from its checkpoints where they still fit."""
        analysis = self._managed()
        wish = self.read(shapes.ResumeSerializer)
        lifecycle.resume(
            analysis,
            actor=self.person,
            now=timezone.now(),
            enqueue=enqueue_analysis,
            time_limit_seconds=wish.get("time_limit_seconds"),
        )
        return self._started(lifecycle.get_analysis(analysis.pk), is_new=False)

    @extend_schema(operation_id="pin_analysis", summary="Pin or unpin a saved analysis", request=shapes.PinSerializer)
    def partial_update(self, request: Request, pk: Any = None) -> Response:
        """A pinned analysis is never cleaned up."""
        analysis = self._managed()
        is_pinned = self.read(shapes.PinSerializer)["is_pinned"]
        saved.pin_analysis(analysis, is_pinned=is_pinned, actor=self.person, now=timezone.now())
        return self._show(self.get_object())

    def perform_destroy(self, instance: DuplicateAnalysisResult) -> None:
        require(permissions.may_manage(self.person, instance), str(_OTHERS))
        saved.delete_analysis(instance, actor=self.person, now=timezone.now(), enqueue=enqueue_discard)

    # --- Helpers ----------------------------------------------------------------------------------------------------

    def _preferences(self) -> DuplicatePreferences:
        return DuplicatePreferences.objects.of(self.person)

    def _defaults(self) -> dict[str, Any]:
        return {"preset": self._preferences().default_preset}

    def _condition(self, analysis: DuplicateAnalysisResult) -> ResultCondition:
        return judge_condition(analysis, self._preferences(), now=timezone.now())

    def _show(self, analysis: DuplicateAnalysisResult) -> Response:
        conditions = {analysis.pk: self._condition(analysis)} if analysis.is_readable else {}
        context = {**self.get_serializer_context(), "conditions": conditions}
        return Response(shapes.AnalysisSerializer(analysis, context=context).data)

    def _readable(self) -> DuplicateAnalysisResult:
        analysis = self.get_object()
        if not analysis.is_readable:
            raise AnalysisNotReady(
                _("Analysis %(pk)s is %(status)s.")
                % {"pk": analysis.pk, "status": str(analysis.get_status_display()).lower()},
                status=analysis.status,
                partial_results_available=analysis.has_groups,
            )
        return analysis

    def _managed(self) -> DuplicateAnalysisResult:
        analysis = self.get_object()
        require(permissions.may_manage(self.person, analysis), str(_OTHERS))
        return analysis

    def _earlier(self, later: DuplicateAnalysisResult, wanted: str | None) -> DuplicateAnalysisResult:
        visible = self.get_queryset().completed()  # type: ignore[attr-defined]
        if wanted is None:
            earlier = visible.filter(pk=later.predecessor_id).first()
        else:
            earlier = visible.filter(pk=_uuid(wanted)).first()
        if earlier is None:
            raise Http404
        found: DuplicateAnalysisResult = earlier
        return found

    def _started(self, analysis: DuplicateAnalysisResult, *, is_new: bool) -> Response:
        waits = analysis.status == AnalysisStatus.QUEUED and not are_there_workers(now=timezone.now())
        body = {
            "analysis_id": analysis.pk,
            "status": analysis.status,
            "is_new": is_new,
            "progress_url": reverse("api:analysis-progress", args=[analysis.pk], request=self.request),
            "notice": _("No worker is running. Start one with: %s") % WORKER_COMMAND if waits else "",
        }
        status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
        return Response(shapes.StartedSerializer(body).data, status=status)


_OTHERS = lazy("This analysis is somebody else's. Ask somebody who manages all analyses.")


def _parameters(wish: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of an analysis among what was asked for."""
    names = shapes.ParametersSerializer().fields
    return {name: value for name, value in wish.items() if name in names}


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise ValidationError({"with": _("%(text)r is no id of an analysis.") % {"text": text}}) from error
