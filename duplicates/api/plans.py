"""Clean-up plans: decide the same about many groups, with an exact preview before anything is done."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from duplicates.api import plan_serializers as shapes
from duplicates.api.access import Door, require, require_scope
from duplicates.api.idempotency import IDEMPOTENCY_KEY, idempotent
from duplicates.api.pages import CursorPages
from duplicates.api.shapes import StrictSerializer
from duplicates.choices import LaterEdits, PlanItemState, PlanState, Resolution, TokenScope
from duplicates.models import CleanupPlan, CleanupPlanItem, DuplicateAnalysisResult
from duplicates.services import permissions, planning
from duplicates.services.keeper_profiles import find_profile
from duplicates.services.selecting import GroupFilter
from duplicates.services.workers import WORKER_COMMAND, are_there_workers
from duplicates.tasks import enqueue_plan

VERB: dict[str, Any] = {"parameters": [IDEMPOTENCY_KEY], "responses": {200: shapes.PlanSerializer}}
_NOT_YOURS = lazy("You may not decide about the groups of this plan.")


class PlanFilters(django_filters.FilterSet):
    """Narrow the list of plans."""

    analysis = django_filters.UUIDFilter(field_name="analysis_id")
    state = django_filters.MultipleChoiceFilter(choices=PlanState.choices)
    resolution = django_filters.ChoiceFilter(choices=Resolution.choices)

    class Meta:
        model = CleanupPlan
        fields: ClassVar[list[str]] = []


class ItemsWishSerializer(StrictSerializer):
    """Which groups of a plan to show."""

    state = serializers.ChoiceField(PlanItemState.choices, required=False)
    code = serializers.CharField(max_length=40, required=False)
    cursor = serializers.CharField(required=False)
    page_size = serializers.CharField(required=False)


class NewestPlans(CursorPages):
    """Newest first."""

    ordering = ("-created_at", "-plan_id")


class ItemsInOrder(CursorPages):
    """In the order they are done."""

    ordering = ("id",)


@extend_schema_view(
    list=extend_schema(operation_id="list_plans", summary="List clean-up plans, newest first"),
    retrieve=extend_schema(operation_id="get_plan", summary="Show one plan: what it will do and what it has done"),
)
class PlanViewSet(Door, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[CleanupPlan]):
    """Plans of the analyses one may see, and one's own whose analysis is gone."""

    queryset = CleanupPlan.objects.none()
    serializer_class = shapes.PlanSerializer
    filterset_class = PlanFilters
    pagination_class = NewestPlans
    lookup_value_converter = "uuid"
    access = {
        "list": (TokenScope.READ, permissions.may_view_plans),
        "retrieve": (TokenScope.READ, permissions.may_view_plans),
        "items": (TokenScope.READ, permissions.may_view_plans),
        "progress": (TokenScope.READ, permissions.may_view_plans),
        # What is decided about removing copies is asked further down: it depends on the plan.
        "create": (TokenScope.REVIEW, permissions.may_review),
        "confirm": (TokenScope.REVIEW, permissions.may_review),
        "cancel": (TokenScope.REVIEW, permissions.may_review),
        "resume": (TokenScope.REVIEW, permissions.may_review),
        "undo": (TokenScope.REVIEW, permissions.may_review),
    }

    def get_queryset(self) -> QuerySet[CleanupPlan]:
        return CleanupPlan.objects.visible_to(self.person).select_related("analysis").defer("analysis__learnt_tables")

    # --- Reading ----------------------------------------------------------------------------------------------------

    @extend_schema(
        operation_id="list_plan_items",
        summary="Preview a plan group by group",
        parameters=[
            OpenApiParameter("state", str, enum=PlanItemState.values),
            OpenApiParameter("code", str, description="Why it was refused, such as LAST_COPY."),
        ],
        responses=shapes.PlanItemSerializer(many=True),
        filters=False,
    )
    @action(detail=True, pagination_class=ItemsInOrder, filter_backends=(), filterset_class=None)
    def items(self, request: Request, pk: Any = None) -> Response:
        """What is to become of each group, and why those left out are refused."""
        wish = ItemsWishSerializer(data=request.query_params.dict())
        wish.is_valid(raise_exception=True)
        wanted = {name: value for name, value in wish.validated_data.items() if name in ("state", "code")}
        items: Any = CleanupPlanItem.objects.filter(plan=self.get_object(), **wanted)
        page: Any = self.paginate_queryset(items) or []
        return self.get_paginated_response(shapes.PlanItemSerializer(page, many=True).data)

    @extend_schema(
        operation_id="get_plan_progress", summary="How far is this plan?", responses=shapes.PlanProgressSerializer
    )
    @action(detail=True)
    def progress(self, request: Request, pk: Any = None) -> Response:
        """Ask again every second or two while it is at work."""
        plan = self.get_object()
        total, behind = planning.progress_of(plan)
        is_at_work = planning.is_at_work(plan)
        waits = is_at_work and not are_there_workers(now=timezone.now())
        body = {
            "state": plan.state,
            "is_at_work": is_at_work,
            "groups_behind": behind,
            "groups_total": total,
            "percentage": round(100 * behind / total, 1) if total else 0.0,
            "notice": _("No worker is running. Start one with: %s") % WORKER_COMMAND if waits else "",
        }
        return Response(shapes.PlanProgressSerializer(body).data)

    # --- Verbs ------------------------------------------------------------------------------------------------------

    @extend_schema(
        operation_id="make_plan",
        summary="Plan one decision about many groups",
        request=shapes.PlanWishSerializer,
        responses={201: shapes.PlanSerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """A worker works out what it would do, group by group; nothing is done until it is confirmed."""
        wish = self.read(shapes.PlanWishSerializer)
        visible = DuplicateAnalysisResult.objects.visible_to(self.person)
        analysis = visible.filter(pk=wish["analysis"]).first()
        if analysis is None:
            raise Http404
        self._require(wish["resolution"], permissions.may_plan(self.person, analysis, wish["resolution"]))
        plan = planning.plan_cleanup(
            analysis=analysis,
            wanted=GroupFilter.from_json(wish.get("groups", {})),
            resolution=wish["resolution"],
            profile=find_profile(wish["profile"]) if "profile" in wish else None,
            actor=self.person,
            now=timezone.now(),
        )
        enqueue_plan(plan.pk)
        return Response(shapes.PlanSerializer(plan).data, status=201)

    @extend_schema(
        operation_id="confirm_plan", summary="Let a plan be carried out", request=shapes.ConfirmSerializer, **VERB
    )
    @action(detail=True, methods=["post"])
    @idempotent
    def confirm(self, request: Request, pk: Any = None) -> Response:
        """Once, and only while it is `planned`. Groups that somebody changed meanwhile are refused."""
        plan = self._steered()
        count = self.read(shapes.ConfirmSerializer).get("count")
        return self._after(planning.confirm_plan(plan, typed_count=count, **self._who()))

    @extend_schema(operation_id="cancel_plan", summary="Stop a plan", request=None, **VERB)
    @action(detail=True, methods=["post"])
    @idempotent
    def cancel(self, request: Request, pk: Any = None) -> Response:
        """What it has done stays until it is undone."""
        return self._after(planning.cancel_plan(self._steered(), **self._who()))

    @extend_schema(operation_id="continue_plan", summary="Let a failed plan go on", request=None, **VERB)
    @action(detail=True, methods=["post"], url_path="continue")
    @idempotent
    def resume(self, request: Request, pk: Any = None) -> Response:
        """It goes on where it stopped; nothing is done twice."""
        return self._after(planning.continue_plan(self._steered(), **self._who()))

    @extend_schema(
        operation_id="undo_plan",
        summary="Undo everything a plan has done",
        request=shapes.UndoPlanSerializer,
        **VERB,
    )
    @action(detail=True, methods=["post"])
    @idempotent
    def undo(self, request: Request, pk: Any = None) -> Response:
        """May be asked again where later edits were in the way, saying what becomes of them."""
        plan = self._steered()
        later_edits = LaterEdits(self.read(shapes.UndoPlanSerializer)["later_edits"])
        return self._after(planning.undo_plan(plan, later_edits=later_edits, **self._who()))

    # --- Helpers ----------------------------------------------------------------------------------------------------

    def _steered(self) -> CleanupPlan:
        plan = self.get_object()
        self._require(plan.resolution, permissions.may_steer(self.person, plan))
        return plan

    def _require(self, resolution: str, answer: bool) -> None:
        if resolution == Resolution.DELETED:
            require_scope(self.request, TokenScope.REMOVE)
        require(answer, str(_NOT_YOURS))

    def _who(self) -> dict[str, Any]:
        return {"actor": self.person, "now": timezone.now()}

    def _after(self, plan: CleanupPlan) -> Response:
        if planning.is_at_work(plan):
            enqueue_plan(plan.pk)
        return Response(shapes.PlanSerializer(plan).data)
