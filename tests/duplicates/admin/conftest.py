"""People who use the admin: a viewer who may only look, and a colleague who may do everything but see others'."""

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from duplicates.models import DuplicateAnalysisResult
from tests.duplicates.factories import VIEWS, UserFactory

LIST = "admin:duplicates_duplicateanalysisresult_changelist"
PAGE = "admin:duplicates_duplicateanalysisresult_change"


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


def page(analysis: DuplicateAnalysisResult) -> str:
    return reverse(PAGE, args=[analysis.pk])


def do(client: Client, action: str, *analyses: DuplicateAnalysisResult) -> Any:
    """Choose an action for some rows of the list."""
    chosen = {"action": action, "_selected_action": [str(analysis.pk) for analysis in analyses]}
    return client.post(reverse(LIST), chosen, follow=True)


def press(client: Client, action: str, analysis: DuplicateAnalysisResult) -> Any:
    """Press a button on the page of one analysis."""
    pressed = {"CHANGE_FORM-action": action, "_selected_action": str(analysis.pk)}
    return client.post(page(analysis), pressed, follow=True)


def messages_of(response: HttpResponse) -> list[str]:
    return [str(message) for message in response.context["messages"]]


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> list[uuid.UUID]:
    """Nobody works in these tests: the queue only notes whom it would have woken."""
    woken: list[uuid.UUID] = []
    for module in ("analyses", "refreshing"):
        monkeypatch.setattr(f"duplicates.admin.{module}.enqueue_analysis", woken.append)
    monkeypatch.setattr("duplicates.admin.analyses.enqueue_export", woken.append)
    return woken
