"""Promises that hold for every endpoint: who may, whose rows one sees, done once, seen as it is, the same cost.

The endpoints are read from the URL conf: one that is new and has no row here fails.
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from rest_framework.test import APIClient

from duplicates.roles import ROLES
from tests.duplicates.api.counting import queries_of
from tests.duplicates.api.endpoints import Endpoint, endpoints
from tests.duplicates.api.world import World, world_of
from tests.duplicates.factories import UserFactory

pytestmark = pytest.mark.django_db
Login = Callable[[User], APIClient]
VIEWER, REVIEWER, CURATOR, ADMINISTRATOR = ROLES
# Who may, at least; each role may what those before it may.
LEAST = {
    "DELETE analysis-detail": CURATOR,
    "DELETE export-detail": REVIEWER,
    "DELETE keeper-profile-detail": CURATOR,
    "DELETE not-duplicate-detail": REVIEWER,
    "DELETE preferences": VIEWER,
    "GET analysis-age": VIEWER,
    "GET analysis-changes": VIEWER,
    "GET analysis-detail": VIEWER,
    "GET analysis-difference": VIEWER,
    "GET analysis-impact": VIEWER,
    "GET analysis-list": VIEWER,
    "GET analysis-progress": VIEWER,
    "GET analysis-unsaved": REVIEWER,
    "GET audit-detail": VIEWER,
    "GET automatic-runs": VIEWER,
    "GET audit-list": VIEWER,
    "GET cleanup-history": VIEWER,
    "GET export-detail": VIEWER,
    "GET export-download": REVIEWER,
    "GET export-list": VIEWER,
    "GET group-detail": VIEWER,
    "GET group-list": VIEWER,
    "GET group-members": VIEWER,
    "GET group-removal-preview": VIEWER,
    "GET import-detail": VIEWER,
    "GET import-list": VIEWER,
    "GET import-progress": VIEWER,
    "GET keeper-profile-detail": VIEWER,
    "GET keeper-profile-list": VIEWER,
    "GET not-duplicate-detail": VIEWER,
    "GET not-duplicate-list": VIEWER,
    "GET pair-explain": VIEWER,
    "GET plan-detail": VIEWER,
    "GET plan-items": VIEWER,
    "GET plan-list": VIEWER,
    "GET plan-progress": VIEWER,
    "GET playlist-detail": VIEWER,
    "GET playlist-entries": VIEWER,
    "GET playlist-list": VIEWER,
    "GET precision": VIEWER,
    "GET preferences": VIEWER,
    "GET removal-detail": VIEWER,
    "GET removal-list": VIEWER,
    "GET sample-detail": VIEWER,
    "GET sample-list": VIEWER,
    "GET sample-next": REVIEWER,
    "GET summary": VIEWER,
    "GET track-detail": VIEWER,
    "GET track-list": VIEWER,
    "GET track-timeline": VIEWER,
    "PATCH analysis-detail": CURATOR,
    "PATCH preferences": VIEWER,
    "POST analysis-cancel": CURATOR,
    "POST analysis-decisions": REVIEWER,
    "POST analysis-list": CURATOR,
    "POST analysis-quick-refresh": CURATOR,
    "POST analysis-refresh": CURATOR,
    "POST analysis-resume": CURATOR,
    "POST automatic-switch": ADMINISTRATOR,
    "POST export-list": REVIEWER,
    "POST group-choose-keeper": REVIEWER,
    "POST group-put-back": REVIEWER,
    "POST group-remove": CURATOR,
    "POST group-reopen": REVIEWER,
    "POST group-resolve": REVIEWER,
    "POST group-split-out": REVIEWER,
    "POST group-take-back-keeper": REVIEWER,
    "POST import-list": CURATOR,
    "POST keeper-profile-list": CURATOR,
    "POST plan-cancel": REVIEWER,
    "POST plan-confirm": REVIEWER,
    "POST plan-list": REVIEWER,
    "POST plan-resume": REVIEWER,
    "POST plan-undo": REVIEWER,
    "POST removal-purge": ADMINISTRATOR,
    "POST removal-undo": CURATOR,
    "POST removal-undo-several": CURATOR,
    "POST sample-answer": REVIEWER,
    "POST sample-list": REVIEWER,
    "PUT keeper-profile-detail": CURATOR,
}
# What hangs on an analysis is seen by whoever sees that; the library, decisions and profiles belong to everybody.
OF_AN_ANALYSIS = ("analysis", "audit", "export", "group", "plan", "removal", "sample")
MADE_OF_AN_ANALYSIS = ("POST plan-list", "POST export-list", "POST sample-list")
# The most queries a list takes, however long it is: five know who asks and what they may, and the throttle takes
# seven: it looks, counts, and does so within a transaction with a lock.
LISTS = {
    "analysis-list": 16,
    "audit-list": 14,
    "automatic-runs": 14,
    "export-list": 14,
    "group-list": 15,
    "group-members": 15,
    "import-list": 14,
    "keeper-profile-list": 14,
    "not-duplicate-list": 14,
    "plan-items": 15,
    "plan-list": 14,
    "playlist-entries": 15,
    "playlist-list": 14,
    "removal-list": 14,
    "sample-list": 15,
    "track-list": 14,
    "track-timeline": 18,
}


def body_of(endpoint: Endpoint, world: World) -> dict[str, Any]:
    """Return what gets a request as far as the question whose the named row is."""
    of_analysis = {"analysis": str(world["analysis"])}
    return {
        "POST plan-list": {**of_analysis, "resolution": "manual_review"},
        "POST export-list": of_analysis,
        "POST sample-list": of_analysis,
        "POST sample-answer": {"group": world["sampled-group"], "answer": "same"},
        "POST automatic-switch": {"preset": "recording", "band": "high", "is_on": True, "resolution": "manual_review"},
        "POST group-resolve": {"resolution": "manual_review"},
        "POST group-choose-keeper": {"track_id": world["track"]},
        "POST group-split-out": {"track_id": world["track"]},
        "POST group-put-back": {"track_id": world["track"]},
    }.get(str(endpoint), {})


def ask(client: APIClient, endpoint: Endpoint, world: World, **headers: str) -> Any:
    """Send the request."""
    url = endpoint.url(world)
    if endpoint.name == "analysis-difference":
        url += f"?with={world['analysis']}"
    answer = getattr(client, endpoint.method.lower())(url, headers=headers, **sent_with(endpoint, world))
    if answer.streaming:
        list(answer.streaming_content)  # at its end a download lets go of its file
    return answer


def sent_with(endpoint: Endpoint, world: World) -> dict[str, str | dict[str, Any]]:
    """Return the body of the request and what it is."""
    if endpoint.method == "GET":
        return {}
    if endpoint.name == "analysis-decisions":
        return {"data": "a,b", "content_type": "text/csv"}
    kind = "multipart" if endpoint.name.startswith("import") else "json"
    return {"data": body_of(endpoint, world), "format": kind}


def is_let_in(answer: Any) -> bool:
    """Did the request get past the question who asks? It may still be refused for what it asks."""
    if answer.status_code == 404:
        return bool(answer.json()["code"] != "NOT_FOUND")
    return answer.status_code < 500 and answer.status_code not in (401, 403, 405, 429)


def named(method: str) -> list[Endpoint]:
    return [one for one in endpoints() if one.method == method]


def test_every_endpoint_says_who_may() -> None:
    assert {str(one) for one in endpoints()} == set(LEAST)


@pytest.mark.parametrize("endpoint", endpoints(), ids=str)
def test_who_may(endpoint: Endpoint, somebody: Callable[..., User], client_of: Login) -> None:
    world = world_of(None)
    roles = list(ROLES)
    place = roles.index(LEAST[str(endpoint)])

    nobody = ask(APIClient(), endpoint, world).status_code
    outsiders = [
        ask(client_of(user), endpoint, world).status_code for user in (UserFactory(is_staff=False), somebody(None))
    ]
    too_low = {role: ask(client_of(somebody(role)), endpoint, world).status_code for role in roles[:place]}
    let_in = {}
    for role in roles[place:]:
        let_in[role] = ask(client_of(somebody(role)), endpoint, world)
        if deletes(endpoint):
            world = world_of(None)

    assert nobody == 401
    assert outsiders == [403, 403]
    assert too_low == dict.fromkeys(too_low, 403)
    assert all(map(is_let_in, let_in.values())), {role: one.status_code for role, one in let_in.items()}


def deletes(endpoint: Endpoint) -> bool:
    return endpoint.method == "DELETE" and endpoint.takes_id


@pytest.mark.parametrize(
    "endpoint",
    [
        one
        for one in endpoints()
        if one.takes_id or str(one) in ("POST plan-list", "POST export-list", "POST sample-list")
    ],
    ids=str,
)
def test_what_is_somebody_elses_does_not_exist(endpoint: Endpoint, client_of: Login) -> None:
    world = world_of(UserFactory())
    other = UserFactory()
    other.user_permissions.set(Permission.objects.exclude(codename__in=("view_all_analyses", "manage_all_analyses")))

    answer = ask(client_of(other), endpoint, world)

    if endpoint.name.startswith(OF_AN_ANALYSIS):
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
    else:
        assert is_let_in(answer)


def test_every_post_takes_an_idempotency_key(somebody: Callable[..., User], client_of: Login) -> None:
    client, world = client_of(somebody()), world_of(None)

    # A blank one is refused by what honours the header, before anything is done.
    silent = [
        str(one)
        for one in named("POST")
        if "Idempotency-Key" not in str(ask(client, one, world, **{"Idempotency-Key": ""}).content)
    ]

    assert silent == []


def test_every_decision_about_a_group_is_refused_where_it_changed_since(
    somebody: Callable[..., User], client_of: Login
) -> None:
    client, world = client_of(somebody()), world_of(None)
    decisions = [one for one in named("POST") if one.name.startswith("group")]

    answers = {
        one.name: ask(client, one, world, **{"If-Match": '"0123456789abcdef"'}).json()["code"] for one in decisions
    }

    assert set(answers.values()) == {"GROUP_CHANGED"}, answers


def test_every_list_has_its_cost_pinned() -> None:
    lists = {one.name for one in named("GET") if is_a_list(one)}

    assert lists == set(LISTS)


def is_a_list(endpoint: Endpoint) -> bool:
    return endpoint.action in ("list", "members", "entries", "items", "timeline", "runs")


@pytest.mark.parametrize("endpoint", [one for one in named("GET") if is_a_list(one)], ids=str)
def test_a_list_costs_the_same_however_long(
    endpoint: Endpoint, somebody: Callable[..., User], client_of: Login
) -> None:
    client, world = client_of(somebody()), world_of(None)
    url = endpoint.url(world)
    few = queries_of(client, url)
    for _ in range(2):
        world_of(None)

    assert queries_of(client, url) == few
    assert few <= LISTS[endpoint.name]
