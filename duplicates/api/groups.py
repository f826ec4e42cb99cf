"""Groups: list them, look at one with its members, and decide. `If-Match` keeps two reviewers from overwriting."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as lazy
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from duplicates.api import group_serializers as shapes
from duplicates.api.access import Door, require
from duplicates.api.idempotency import IDEMPOTENCY_KEY, idempotent
from duplicates.api.pages import CursorPages, NamedOrder
from duplicates.choices import ConfidenceBand, ITunesMatch, Resolution, TokenScope
from duplicates.exceptions import GroupChanged
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult
from duplicates.services import keepers, permissions, preview, removal, reviewing
from duplicates.services.impact import follow_library
from duplicates.services.library_changes import touched_groups
from duplicates.services.selecting import in_band, with_words

IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The version of the group as you saw it (its ETag). Where somebody decided otherwise meanwhile, "
    "the request is refused and says who.",
)
VERB: dict[str, Any] = {"parameters": [IF_MATCH, IDEMPOTENCY_KEY], "responses": shapes.GroupSerializer}


class GroupFilters(django_filters.FilterSet):
    """Narrow the list of groups. Without an analysis it is the newest completed one you may see."""

    analysis = django_filters.UUIDFilter(method="of_analysis")
    band = django_filters.ChoiceFilter(choices=ConfidenceBand.choices, method="within_band")
    is_resolved = django_filters.BooleanFilter()
    resolution = django_filters.ChoiceFilter(choices=Resolution.choices)
    itunes_match = django_filters.ChoiceFilter(choices=ITunesMatch.choices)
    artist = django_filters.CharFilter(lookup_expr="istartswith", max_length=200)
    search = django_filters.CharFilter(method="with_words", max_length=200)
    min_confidence = django_filters.NumberFilter(field_name="confidence", lookup_expr="gte")
    track = django_filters.NumberFilter(method="with_track", min_value=1, max_value=2**63 - 1, decimal_places=0)
    identity = django_filters.CharFilter(max_length=32)
    touched = django_filters.BooleanFilter(method="touched_since", help_text="A member was edited or removed since.")

    class Meta:
        model = DuplicateAnalysisGroup
        fields: ClassVar[list[str]] = []

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Begin with one analysis: groups of two are never mixed, except those of one track."""
        answers = self.form.cleaned_data
        if answers.get("analysis") is None and answers.get("track") is None and not answers.get("identity"):
            queryset = queryset.filter(analysis=self._newest())
        return super().filter_queryset(queryset)

    def of_analysis(self, queryset: QuerySet[Any], name: str, value: Any) -> QuerySet[Any]:
        return queryset.filter(analysis=value)

    def within_band(self, queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return queryset.filter(in_band(value))

    def with_words(self, queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return with_words(queryset, value)

    def with_track(self, queryset: QuerySet[Any], name: str, value: Any) -> QuerySet[Any]:
        return queryset.filter(pk__in=_groups_of_track(int(value)))

    def touched_since(self, queryset: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        wanted = self.form.cleaned_data.get("analysis")
        analysis = DuplicateAnalysisResult.objects.filter(pk=wanted).first() if wanted else self._newest()
        if analysis is None:
            return queryset.none()
        touched = touched_groups(analysis).values("pk")
        return queryset.filter(pk__in=touched) if value else queryset.exclude(pk__in=touched)

    def _newest(self) -> DuplicateAnalysisResult | None:
        assert self.request is not None
        visible = DuplicateAnalysisResult.objects.visible_to(self.request.user)
        return visible.completed().for_lists().order_by("-created_at").first()


def _groups_of_track(track_id: int) -> QuerySet[Any]:
    return DuplicateAnalysisGroup.objects.filter(members__track_id=track_id).values("pk")


class GroupsInOrder(CursorPages):
    """In the order of the analysis, unless another is asked for."""

    ordering = ("position", "id")


class MembersInOrder(CursorPages):
    """The keeper first."""

    ordering = ("position",)


@extend_schema_view(
    list=extend_schema(operation_id="list_groups", summary="List groups"),
    retrieve=extend_schema(operation_id="get_group", summary="Show one group with its members"),
)
class GroupViewSet(
    Door, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[DuplicateAnalysisGroup]
):
    """Groups of the analyses one may see. Others are 404."""

    queryset = DuplicateAnalysisGroup.objects.none()
    serializer_class = shapes.GroupSerializer
    filterset_class = GroupFilters
    filter_backends = (DjangoFilterBackend, NamedOrder)
    ordering_fields = ("position", "confidence", "duplicate_count", "total_plays", "artist", "title")
    pagination_class = GroupsInOrder
    lookup_value_converter = "int"
    access = {
        "list": (TokenScope.READ, permissions.may_read),
        "retrieve": (TokenScope.READ, permissions.may_read),
        "members": (TokenScope.READ, permissions.may_read),
        "removal_preview": (TokenScope.READ, permissions.may_read),
        "resolve": (TokenScope.REVIEW, permissions.may_review),
        "reopen": (TokenScope.REVIEW, permissions.may_review),
        "choose_keeper": (TokenScope.REVIEW, permissions.may_review),
        "take_back_keeper": (TokenScope.REVIEW, permissions.may_review),
        "split_out": (TokenScope.REVIEW, permissions.may_review),
        "put_back": (TokenScope.REVIEW, permissions.may_review),
        "remove": (TokenScope.REMOVE, permissions.may_remove),
    }

    def get_queryset(self) -> QuerySet[DuplicateAnalysisGroup]:
        visible = DuplicateAnalysisResult.objects.visible_to(self.request.user).completed().values("pk")
        rows = DuplicateAnalysisGroup.objects.filter(analysis__in=visible)
        return rows.select_related("resolved_by", "keeper_chosen_by")

    def filter_queryset(self, queryset: Any) -> Any:
        """Narrow the list alone: a group asked for by its id is that group, whichever analysis it belongs to."""
        return super().filter_queryset(queryset) if self.action == "list" else queryset

    def get_serializer_class(self) -> Any:
        return shapes.GroupBriefSerializer if self.action == "list" else super().get_serializer_class()

    # --- Reading ----------------------------------------------------------------------------------------------------

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Show one group. Its ETag is the version to send back with a decision."""
        follow_library(now=timezone.now())
        return self._show(self.get_object())

    @extend_schema(
        operation_id="list_members",
        summary="List the members of a group",
        responses=shapes.MemberSerializer(many=True),
        filters=False,
    )
    @action(detail=True, pagination_class=MembersInOrder, filter_backends=(), filterset_class=None)
    def members(self, request: Request, pk: Any = None) -> Response:
        """All members, a page at a time."""
        members: Any = self.get_object().members.select_related("group")
        page: Any = self.paginate_queryset(members) or []
        return self.get_paginated_response(shapes.MemberSerializer(page, many=True).data)

    @extend_schema(
        operation_id="preview_removal",
        summary="What would removing copies do?",
        parameters=[OpenApiParameter("track_id", int, many=True, description="Copies; left out, all that may go.")],
        responses=shapes.RemovalPreviewSerializer,
    )
    @action(detail=True, url_path="removal-preview")
    def removal_preview(self, request: Request, pk: Any = None) -> Response:
        """What the keeper would gain field by field, which playlist places move, and what forbids what."""
        group = self.get_object()
        wish = shapes.PreviewWishSerializer(data={"track_id": request.query_params.getlist("track_id")})
        wish.is_valid(raise_exception=True)
        named = wish.validated_data["track_id"] or None
        found = preview.preview_removal(group, list(group.members.order_by("position")), wanted=named)
        obstacles = [
            {"track_id": pk, "code": error.code, "message": str(error)} for pk, error in found.obstacles.items()
        ]
        body = {
            "removing": list(found.removing),
            "refused": found.refused.sentence if found.refused else None,
            "obstacles": obstacles,
            "values": found.values,
            "places": found.places,
            "plays_moved": found.plays_moved,
            "bytes_freed": found.bytes_freed,
        }
        return Response(shapes.RemovalPreviewSerializer(body).data)

    # --- Deciding ---------------------------------------------------------------------------------------------------

    @extend_schema(
        operation_id="resolve_group", summary="Decide about a group", request=shapes.ResolveSerializer, **VERB
    )
    @action(detail=True, methods=["post"])
    @idempotent
    def resolve(self, request: Request, pk: Any = None) -> Response:
        """Keep all, look later, or no duplicates. To remove copies use `remove`."""
        group, seen = self._reviewed()
        resolution = Resolution(self.read(shapes.ResolveSerializer)["resolution"])
        reviewing.decide(group=group, resolution=resolution, actor=self.person, now=timezone.now(), seen_version=seen)
        return self._again()

    @extend_schema(operation_id="reopen_group", summary="Take a decision back", request=None, **VERB)
    @action(detail=True, methods=["post"])
    @idempotent
    def reopen(self, request: Request, pk: Any = None) -> Response:
        """Open the group again. Removed copies come back by undoing the removal."""
        group, seen = self._reviewed()
        reviewing.reopen(group=group, actor=self.person, now=timezone.now(), seen_version=seen)
        return self._again()

    @extend_schema(
        operation_id="choose_keeper", summary="Keep another member", request=shapes.TrackNameSerializer, **VERB
    )
    @action(detail=True, methods=["post"], url_path="choose-keeper")
    @idempotent
    def choose_keeper(self, request: Request, pk: Any = None) -> Response:
        """Every member is judged against the new keeper."""
        group, seen = self._reviewed()
        track_id = self.read(shapes.TrackNameSerializer)["track_id"]
        keepers.choose_keeper(group=group, track_id=track_id, actor=self.person, now=timezone.now(), seen_version=seen)
        return self._again()

    @extend_schema(operation_id="take_back_keeper", summary="Give the group its former keeper", request=None, **VERB)
    @action(detail=True, methods=["post"], url_path="take-back-keeper")
    @idempotent
    def take_back_keeper(self, request: Request, pk: Any = None) -> Response:
        """Undo the newest choice of a keeper."""
        group, seen = self._reviewed()
        keepers.take_back_choice(group=group, actor=self.person, now=timezone.now(), seen_version=seen)
        return self._again()

    @extend_schema(
        operation_id="split_out", summary="One member is none of them", request=shapes.TrackNameSerializer, **VERB
    )
    @action(detail=True, methods=["post"], url_path="split-out")
    @idempotent
    def split_out(self, request: Request, pk: Any = None) -> Response:
        """Declare one member different from every other, now and in every later analysis."""
        group, seen = self._reviewed()
        track_id = self.read(shapes.TrackNameSerializer)["track_id"]
        reviewing.split_out(group=group, track_id=track_id, actor=self.person, now=timezone.now(), seen_version=seen)
        return self._again()

    @extend_schema(
        operation_id="put_back",
        summary="One member is one of them after all",
        request=shapes.TrackNameSerializer,
        **VERB,
    )
    @action(detail=True, methods=["post"], url_path="put-back")
    @idempotent
    def put_back(self, request: Request, pk: Any = None) -> Response:
        """Take `split-out` back."""
        group, seen = self._reviewed()
        track_id = self.read(shapes.TrackNameSerializer)["track_id"]
        reviewing.put_back(group=group, track_id=track_id, actor=self.person, now=timezone.now(), seen_version=seen)
        return self._again()

    @extend_schema(
        operation_id="remove_duplicates",
        summary="Merge copies into the keeper and remove them",
        request=shapes.RemoveSerializer,
        parameters=[IF_MATCH, IDEMPOTENCY_KEY],
        responses={201: shapes.RemovalSerializer},
    )
    @action(detail=True, methods=["post"])
    @idempotent
    def remove(self, request: Request, pk: Any = None) -> Response:
        """Plays, ratings and playlist places go to the keeper; the copies wait in quarantine and can come back."""
        group = self.get_object()
        require(permissions.may_remove(self.person, group), str(_NOT_YOURS))
        wish = self.read(shapes.RemoveSerializer)
        action_done = removal.remove_duplicates(
            group=group,
            keeper_id=wish.get("keeper_track_id", group.keeper_track_id),
            removing=wish.get("track_ids") or self._all_that_may_go(group),
            actor=self.person,
            now=timezone.now(),
            seen_version=self._seen(),
        )
        return Response(shapes.RemovalSerializer(action_done).data, status=201)

    # --- Helpers ----------------------------------------------------------------------------------------------------

    def _all_that_may_go(self, group: DuplicateAnalysisGroup) -> list[int]:
        """Return every copy that nothing forbids to remove; refuse as the preview would where there is none."""
        found = preview.preview_removal(group, list(group.members.order_by("position")))
        if found.refused is not None:
            raise found.refused
        if not found.removing:
            raise next(iter(found.obstacles.values()), GroupChanged())
        return list(found.removing)

    def _reviewed(self) -> tuple[DuplicateAnalysisGroup, str]:
        """Return the group of a decision and the version it was seen in."""
        group = self.get_object()
        require(permissions.may_review(self.person, group), str(_NOT_YOURS))
        return group, self._seen()

    def _seen(self) -> str:
        value = self.request.headers.get("If-Match", "").strip()
        return "" if value == "*" else value.removeprefix("W/").strip('"')

    def _again(self) -> Response:
        return self._show(self.get_object())

    def _show(self, group: DuplicateAnalysisGroup) -> Response:
        data = shapes.GroupSerializer(group, context=self.get_serializer_context()).data
        return Response(data, headers={"ETag": f'"{group.version}"'})


_NOT_YOURS = lazy("You may not decide about this group.")
