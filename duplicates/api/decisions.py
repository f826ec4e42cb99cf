"""What was decided and can be taken back: removals in quarantine, and pairs declared different."""

import uuid
from typing import Any, ClassVar

import django_filters
from django.db.models import Q, QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from duplicates.api import group_serializers as shapes
from duplicates.api.access import Door, require
from duplicates.api.idempotency import IDEMPOTENCY_KEY, idempotent
from duplicates.api.moments import MomentFilter
from duplicates.api.pages import CursorPages
from duplicates.choices import CleanupState, LaterEdits, TokenScope
from duplicates.models import CleanupAction, NotDuplicate
from duplicates.services import different, permissions, purging, undo
from duplicates.services.undo import Undone


class RemovalFilters(django_filters.FilterSet):
    """Narrow the list of removals."""

    state = django_filters.ChoiceFilter(choices=CleanupState.choices)
    analysis = django_filters.UUIDFilter(field_name="analysis_id")
    group = django_filters.NumberFilter(field_name="group_id", min_value=1, max_value=2**63 - 1, decimal_places=0)
    batch = django_filters.UUIDFilter(field_name="batch_id")
    user = django_filters.CharFilter(field_name="user_name", max_length=150)
    created_after = MomentFilter(field_name="created_at", lookup_expr="gte")
    created_before = MomentFilter(field_name="created_at", lookup_expr="lt")

    class Meta:
        model = CleanupAction
        fields: ClassVar[list[str]] = []


class NewestRemovals(CursorPages):
    """Newest first."""

    ordering = ("-created_at", "-action_id")


@extend_schema_view(
    list=extend_schema(operation_id="list_removals", summary="List what was removed"),
    retrieve=extend_schema(operation_id="get_removal", summary="Show one removal"),
)
class RemovalViewSet(Door, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[CleanupAction]):
    """Removals: one's own, the system's, and those in analyses one may see."""

    queryset = CleanupAction.objects.none()
    serializer_class = shapes.RemovalSerializer
    filterset_class = RemovalFilters
    pagination_class = NewestRemovals
    lookup_value_converter = "uuid"
    access = {
        "list": (TokenScope.READ, permissions.may_read),
        "retrieve": (TokenScope.READ, permissions.may_read),
        "undo": (TokenScope.REMOVE, permissions.may_remove),
        "undo_several": (TokenScope.REMOVE, permissions.may_remove),
        "purge": (TokenScope.MANAGE, permissions.may_purge),
    }
    keeps_steps = frozenset({"undo_several"})

    def get_queryset(self) -> QuerySet[CleanupAction]:
        return CleanupAction.objects.visible_to(self.person)

    @extend_schema(
        operation_id="undo_removal",
        summary="Bring removed copies back",
        request=shapes.UndoSerializer,
        parameters=[IDEMPOTENCY_KEY],
    )
    @action(detail=True, methods=["post"])
    @idempotent
    def undo(self, request: Request, pk: Any = None) -> Response:
        """Rows, values, playlist places and the group, exactly. 409 names what somebody edited since."""
        removal = self.get_object()
        require(permissions.may_undo(self.person, removal), "You may not undo this removal.")
        undone = undo.undo_action(
            action=removal, actor=self.person, now=timezone.now(), later_edits=self._later_edits(shapes.UndoSerializer)
        )
        return Response(shapes.RemovalSerializer(undone).data)

    @extend_schema(
        operation_id="undo_removals",
        summary="Undo a batch, or my removals of one day",
        request=shapes.UndoBatchSerializer,
        responses=shapes.UndoneSerializer,
        parameters=[IDEMPOTENCY_KEY],
    )
    @action(detail=False, methods=["post"], url_path="undo")
    @idempotent
    def undo_several(self, request: Request) -> Response:
        """The latest first. What cannot be undone is named and the rest goes on."""
        wish = self.read(shapes.UndoBatchSerializer)
        later_edits, now = LaterEdits(wish["later_edits"]), timezone.now()
        if "day" in wish:
            outcome = undo.undo_day(
                user=self.person, day=wish["day"], actor=self.person, now=now, later_edits=later_edits
            )
        else:
            self._require_batch(wish["batch_id"])
            outcome = undo.undo_batch(batch_id=wish["batch_id"], actor=self.person, now=now, later_edits=later_edits)
        return Response(shapes.UndoneSerializer(_told(outcome)).data)

    @extend_schema(
        operation_id="purge_removal",
        summary="Delete expired copies for good",
        request=None,
        responses=shapes.PurgedSerializer,
        parameters=[IDEMPOTENCY_KEY],
    )
    @action(detail=True, methods=["post"])
    @idempotent
    def purge(self, request: Request, pk: Any = None) -> Response:
        """Only what has been in quarantine long enough; 409 before that."""
        purged = purging.purge_expired(self.get_object(), actor=self.person, now=timezone.now())
        return Response({"deleted": purged.deleted, "held": purged.held})

    def _later_edits(self, shape: type[shapes.UndoSerializer]) -> LaterEdits:
        return LaterEdits(self.read(shape)["later_edits"])

    def _require_batch(self, batch_id: uuid.UUID) -> None:
        """Refuse a batch in which something is not this person's to undo."""
        for removal in CleanupAction.objects.done().filter(batch_id=batch_id).select_related("analysis"):
            require(permissions.may_undo(self.person, removal), "You may not undo everything of this batch.")


def _told(outcome: Undone) -> dict[str, Any]:
    return {
        "undone": [one.pk for one in outcome.actions],
        "refused": [{"id": one.pk, "code": error.code, "message": str(error)} for one, error in outcome.refused],
    }


class DecisionFilters(django_filters.FilterSet):
    """Narrow the list of decisions."""

    in_force = django_filters.BooleanFilter(field_name="revoked_at", lookup_expr="isnull")
    search = django_filters.CharFilter(method="with_words", max_length=200)

    class Meta:
        model = NotDuplicate
        fields: ClassVar[list[str]] = []

    def with_words(self, queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        for word in value.split():
            queryset = queryset.filter(Q(left_label__icontains=word) | Q(right_label__icontains=word))
        return queryset


class NewestDecisions(CursorPages):
    """Newest first."""

    ordering = ("-created_at", "-id")


@extend_schema_view(
    list=extend_schema(operation_id="list_not_duplicates", summary="List pairs declared different"),
    retrieve=extend_schema(operation_id="get_not_duplicate", summary="Show one such decision"),
    destroy=extend_schema(operation_id="take_back_not_duplicate", summary="Take such a decision back"),
)
class NotDuplicateViewSet(
    Door,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.DestroyModelMixin,
    viewsets.GenericViewSet[NotDuplicate],
):
    """Pairs that are no duplicates, whatever an analysis thinks. Shared by everybody who works on the library."""

    queryset = NotDuplicate.objects.all()
    serializer_class = shapes.DecisionSerializer
    filterset_class = DecisionFilters
    pagination_class = NewestDecisions
    lookup_value_converter = "int"
    access = {
        "list": (TokenScope.READ, permissions.may_read),
        "retrieve": (TokenScope.READ, permissions.may_read),
        "destroy": (TokenScope.REVIEW, permissions.may_review),
    }

    def perform_destroy(self, instance: NotDuplicate) -> None:
        """The row stays, no longer in force."""
        different.take_back([instance], actor=self.person, now=timezone.now())
