"""Measured precision: rates, samples to be judged blind, and the switches of automatic resolution."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from duplicates.api import precision_serializers as shapes
from duplicates.api.access import Door, require, require_scope
from duplicates.api.idempotency import IDEMPOTENCY_KEY, idempotent
from duplicates.api.pages import CursorPages
from duplicates.choices import Resolution, TokenScope
from duplicates.exceptions import InvalidOptions, NotAllowed
from duplicates.models import AutomaticResolution, AutomaticRun, DuplicateAnalysisResult, PrecisionSample
from duplicates.services import permissions, sampling
from duplicates.services.automatic_switch import switch_off, switch_on
from duplicates.services.keeper_profiles import find_profile
from duplicates.services.precision import measured_precision

_NOT_YOURS = "You may not switch this. Ask an administrator for the permission."


class NewestFirst(CursorPages):
    """Newest first."""

    ordering = ("-created_at", "-id")


class PrecisionViewSet(Door, viewsets.GenericViewSet[AutomaticResolution]):
    """What was measured, and the switches that it allows."""

    queryset = AutomaticResolution.objects.none()
    pagination_class = NewestFirst
    filter_backends = ()
    access = {
        "retrieve": (TokenScope.READ, permissions.may_view_precision),
        "runs": (TokenScope.READ, permissions.may_view_precision),
        "switch": (TokenScope.MANAGE, permissions.may_automate),
    }

    @extend_schema(
        operation_id="get_measured_precision",
        summary="How often are groups false matches, by preset and band?",
        responses=shapes.PrecisionSerializer,
    )
    def retrieve(self, request: Request) -> Response:
        """From samples that people judged blind, with the 95 % interval; and what may be resolved automatically."""
        measured = measured_precision(now=timezone.now())
        switches = AutomaticResolution.objects.order_by("preset", "band")
        body = {name: getattr(measured, name) for name in ("days", "engine_version", "bar", "rates", "older")}
        return Response(shapes.PrecisionSerializer({**body, "switches": switches}).data)

    @extend_schema(
        operation_id="list_automatic_runs",
        summary="What automatic resolution did, newest first",
        responses=shapes.AutomaticRunSerializer(many=True),
    )
    def runs(self, request: Request) -> Response:
        """One line for each analysis that a switch looked at; its plan can be undone like any other."""
        visible = DuplicateAnalysisResult.objects.visible_to(self.person).values("pk")
        rows: Any = AutomaticRun.objects.filter(analysis__in=visible).select_related("switch")
        page = self.paginate_queryset(rows) or []
        return self.get_paginated_response(shapes.AutomaticRunSerializer(page, many=True).data)

    @extend_schema(
        operation_id="switch_automatic_resolution",
        summary="Switch automatic resolution of a preset and band",
        request=shapes.SwitchWishSerializer,
        responses=shapes.SwitchSerializer,
        parameters=[IDEMPOTENCY_KEY],
    )
    @idempotent
    def switch(self, request: Request) -> Response:
        """On only where the measured precision beats the bar, from the next analysis on, in your name."""
        wish = self.read(shapes.SwitchWishSerializer)
        who: dict[str, Any] = {"actor": self.person, "now": timezone.now()}
        if not wish["is_on"]:
            row = AutomaticResolution.objects.filter(preset=wish["preset"], band=wish["band"]).first()
            if row is None:
                raise Http404
            switch_off(row, **who)
            row.refresh_from_db()
            return Response(shapes.SwitchSerializer(row).data)
        if "resolution" not in wish:
            raise InvalidOptions("Say what it decides: send a resolution.")
        if wish["resolution"] == Resolution.DELETED:
            require_scope(request, TokenScope.REMOVE)
        require(permissions.may_automate(self.person, wish["resolution"]), _NOT_YOURS)
        profile = find_profile(wish["profile"]) if "profile" in wish else None
        named = {name: wish[name] for name in ("preset", "band", "resolution")}
        return Response(shapes.SwitchSerializer(switch_on(**named, profile=profile, **who)).data)


@extend_schema_view(
    list=extend_schema(operation_id="list_samples", summary="List samples, newest first"),
    retrieve=extend_schema(operation_id="get_sample", summary="Show one sample: how it was drawn, how far it is"),
)
class SampleViewSet(Door, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[PrecisionSample]):
    """Samples of the analyses one may see."""

    queryset = PrecisionSample.objects.none()
    serializer_class = shapes.SampleSerializer
    pagination_class = NewestFirst
    filter_backends = ()
    lookup_value_converter = "int"
    access = {
        "list": (TokenScope.READ, permissions.may_view_precision),
        "retrieve": (TokenScope.READ, permissions.may_view_precision),
        "next": (TokenScope.REVIEW, permissions.may_judge),
        "create": (TokenScope.REVIEW, permissions.may_judge),
        "answer": (TokenScope.REVIEW, permissions.may_judge),
    }

    def get_queryset(self) -> QuerySet[PrecisionSample]:
        return PrecisionSample.objects.visible_to(self.person)

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """Count what is judged, of a page at once."""
        rows = args[0] if kwargs.get("many") else args[:1]
        kwargs["context"] = {**self.get_serializer_context(), "judged": sampling.judged_counts(rows)}
        return super().get_serializer(*args, **kwargs)

    @extend_schema(
        operation_id="draw_sample",
        summary="Draw a random sample of groups",
        request=shapes.DrawSerializer,
        responses={201: shapes.SampleSerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """The same number from each band, by chance alone. It is kept and counts, whatever is said of its groups."""
        wish = self.read(shapes.DrawSerializer)
        analysis = DuplicateAnalysisResult.objects.visible_to(self.person).filter(pk=wish["analysis"]).first()
        if analysis is None:
            raise Http404
        if not permissions.may_sample(self.person, analysis):
            raise NotAllowed
        options = {"per_band": wish["per_band"], "bands": wish.get("bands", ())}
        sample = sampling.draw_sample(analysis, **options, actor=self.person, now=timezone.now())
        return Response(self.get_serializer(sample).data, status=201)

    @extend_schema(
        operation_id="next_to_judge", summary="Show a group to judge, blind", responses=shapes.NextSerializer
    )
    @action(detail=True)
    def next(self, request: Request, pk: Any = None) -> Response:
        """A group nobody has judged, with its members in random order and nothing the matcher thought of them."""
        return self._next(self.get_object())

    @extend_schema(
        operation_id="judge_group",
        summary="Say whether a drawn group is all the same",
        request=shapes.AnswerSerializer,
        responses=shapes.NextSerializer,
        parameters=[IDEMPOTENCY_KEY],
    )
    @action(detail=True, methods=["post"])
    @idempotent
    def answer(self, request: Request, pk: Any = None) -> Response:
        """Changes nothing in the group. Your own answer can be corrected until the sample is complete."""
        sample = self.get_object()
        wish = self.read(shapes.AnswerSerializer)
        drawn = sampling.get_sampled_group(wish["group"], user=self.person)
        if drawn.sample_id != sample.pk:
            raise Http404
        judged = sampling.judge(
            drawn,
            answer=wish["answer"],
            odd_tracks=wish.get("odd_tracks", ()),
            actor=self.person,
            now=timezone.now(),
        )
        return self._next(judged.sample)

    def _next(self, sample: PrecisionSample) -> Response:
        waiting = sampling.next_to_judge(sample, user=self.person)
        context = {"judged": sampling.judged_counts([sample])}
        return Response(shapes.NextSerializer({"sample": sample, "group": waiting}, context=context).data)
