"""People who use the admin: a viewer who may only look, and a colleague who may do everything but see others'."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.duplicates.factories import VIEWS, UserFactory


@pytest.fixture
def colleague(db: None) -> User:
    """Staff who may run and export, and see their own analyses and the system's."""
    return UserFactory(permissions=(*VIEWS, "duplicates.run_analysis", "duplicates.export_analysis"))


@pytest.fixture
def viewer(db: None) -> User:
    """Staff who may look and do nothing else."""
    return UserFactory(permissions=VIEWS)


@pytest.fixture
def overseer(db: None) -> User:
    """Staff who may also see everybody's."""
    return UserFactory(permissions=(*VIEWS, "duplicates.export_analysis", "duplicates.view_all_analyses"))


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
