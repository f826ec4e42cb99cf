"""Keeper profiles: the built-in ones to read, those of staff to make, change and remove."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from duplicates.api import plan_serializers as shapes
from duplicates.api.access import Door
from duplicates.api.idempotency import IDEMPOTENCY_KEY, idempotent
from duplicates.api.pages import CursorPages
from duplicates.choices import TokenScope
from duplicates.models import KeeperProfile
from duplicates.services import keeper_profiles, permissions


class ProfilesInOrder(CursorPages):
    """The built-in ones first."""

    ordering = ("-is_built_in", "name")


@extend_schema_view(
    list=extend_schema(operation_id="list_keeper_profiles", summary="List keeper profiles, the built-in ones first"),
    retrieve=extend_schema(operation_id="get_keeper_profile", summary="Show one keeper profile"),
    destroy=extend_schema(operation_id="remove_keeper_profile", summary="Remove a keeper profile"),
)
class ProfileViewSet(
    Door,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.DestroyModelMixin,
    viewsets.GenericViewSet[KeeperProfile],
):
    """Named lists of rules by which a copy is kept. Plans take the rules with them, whatever becomes of a profile."""

    queryset = KeeperProfile.objects.select_related("user")
    serializer_class = shapes.ProfileSerializer
    pagination_class = ProfilesInOrder
    lookup_value_converter = "int"
    access = {
        "list": (TokenScope.READ, permissions.may_view_profiles),
        "retrieve": (TokenScope.READ, permissions.may_view_profiles),
        "create": (TokenScope.MANAGE, permissions.may_add_profiles),
        "update": (TokenScope.MANAGE, permissions.may_change_profiles),
        "destroy": (TokenScope.MANAGE, permissions.may_delete_profiles),
    }

    @extend_schema(
        operation_id="add_keeper_profile",
        summary="Make a keeper profile",
        request=shapes.ProfileWishSerializer,
        responses={201: shapes.ProfileSerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Refused where the name is taken."""
        return Response(shapes.ProfileSerializer(self._save(None)).data, status=201)

    @extend_schema(
        operation_id="change_keeper_profile",
        summary="Change a keeper profile",
        request=shapes.ProfileWishSerializer,
        responses=shapes.ProfileSerializer,
    )
    def update(self, request: Request, pk: Any = None) -> Response:
        """All of it; its version counts up. 409 for a built-in one."""
        return Response(shapes.ProfileSerializer(self._save(self.get_object())).data)

    def perform_destroy(self, instance: KeeperProfile) -> None:
        keeper_profiles.remove_profile(instance, actor=self.person, now=timezone.now())

    def _save(self, profile: KeeperProfile | None) -> KeeperProfile:
        wish = self.read(shapes.ProfileWishSerializer)
        return keeper_profiles.save_profile(
            name=wish["name"],
            description=wish.get("description", ""),
            wishes=keeper_profiles.from_json(wish["rules"]),
            profile=profile,
            actor=self.person,
            now=timezone.now(),
        )
