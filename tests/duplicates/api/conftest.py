"""Clients of the API: of somebody logged in, of a token, of nobody."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.utils import timezone
from rest_framework.test import APIClient

from duplicates import roles
from duplicates.choices import TokenScope
from duplicates.services.tokens import create_token
from tests.duplicates.factories import UserFactory


@pytest.fixture(autouse=True)
def forget_throttles(db: None) -> None:
    """Count requests from nothing: the shared cache is a table."""
    cache.clear()


@pytest.fixture
def somebody(db: None) -> Callable[..., User]:
    """Make a member of one of the ready-made groups."""
    roles.create_roles(apps, "default")

    def make(role: str | None = "Administrator") -> User:
        user = UserFactory()
        if role is not None:
            user.groups.add(Group.objects.get(name=role))
        return user

    return make


@pytest.fixture
def client_of() -> Callable[[User], APIClient]:
    """Log a person in."""

    def log_in(user: User) -> APIClient:
        client = APIClient()
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def client_with_token() -> Callable[..., APIClient]:
    """Make a token of a person and use it."""

    def with_token(user: User, *scopes: str) -> APIClient:
        now = timezone.now()
        made = create_token(
            user=user,
            name="test",
            scopes=scopes or TokenScope.values,
            expires_at=now + timedelta(days=1),
            actor=user,
            now=now,
        )
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {made.secret}")
        return client

    return with_token
