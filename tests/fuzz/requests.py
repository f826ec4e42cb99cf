"""Asks the API whatever its own schema allows, and much that it does not: ids that are there and ids that are not.

Schemathesis makes the requests from the schema and judges each answer by it. Two ids of three are replaced by those of
rows that exist, or hardly any request would get past a 404.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import schemathesis
from django.contrib.auth.models import User
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.duplicates.api.world import World, world_of

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# What stands in a body or a query → the kind of row it names.
NAMED = {"analysis": "analysis", "with": "analysis", "track_id": "track", "left": "track", "right": "track"}


@dataclass
class Outcome:
    """What was asked and how it was answered."""

    statuses: Counter[int] = field(default_factory=Counter)
    by_operation: Counter[str] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)

    @property
    def cases(self) -> int:
        return self.statuses.total()

    def __str__(self) -> str:
        shown = ", ".join(f"{status}: {count:,}" for status, count in sorted(self.statuses.items()))
        faults = "".join(f"\n--- {name}\n{text}" for name, text in self.faults.items())
        return f"{self.cases:,} cases of {len(self.by_operation)} operations; {shown}{faults}"


def ask_everything(
    app_or_url: Any, headers: dict[str, str], owner: User, *, each: int, seed: int, outcome: Outcome | None = None
) -> Outcome:
    """Send `each` requests to every operation and return what came of it; a fault is kept once for each operation."""
    is_address = isinstance(app_or_url, str)
    path = "/api/v1/schema/?format=json"
    patience = {"timeout": 300} if is_address else {}  # a test says nothing of speed
    headers = {**headers, "Accept": "application/json, */*"}
    schema = (
        schemathesis.openapi.from_url(f"{app_or_url}{path}", timeout=300)
        if is_address
        else schemathesis.openapi.from_wsgi(path, app_or_url)
    )
    outcome, world = outcome or Outcome(), world_of(owner)
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path in ("/api/v1/schema/", "/api/v1/docs/"):
            continue
        _ask(operation, headers, world, outcome, each=each, seed=seed, patience=patience)
        if operation.method.upper() != "GET":
            world = world_of(owner)  # what is left of the one before is anybody's guess
    return outcome


def _ask(
    operation: Any,
    headers: dict[str, str],
    world: World,
    outcome: Outcome,
    *,
    each: int,
    seed: int,
    patience: dict[str, Any],
) -> None:
    name = f"{operation.method.upper()} {operation.path}"

    @given(case=operation.as_strategy(), is_real=st.sampled_from([True, True, False]))
    @settings(
        max_examples=each,
        deadline=None,
        database=None,
        derandomize=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any, is_real: bool) -> None:
        if is_real:
            _name_real_rows(case, operation.path, world)
        try:
            response = case.call(headers=headers, **patience)
        except (UnicodeError, ValueError, TypeError):  # no client could send this
            return
        outcome.statuses[response.status_code] += 1
        outcome.by_operation[name] += 1
        if name in outcome.faults:
            return
        try:
            case.validate_response(response, checks=CHECKS, headers=headers)
        except BaseException as fault:  # a group of failures
            parts = getattr(fault, "exceptions", [fault])
            outcome.faults[name] = "\n".join(f"{one}" for one in parts) + f"\n{case.as_curl_command()}"

    hypothesis.seed(seed)(ask)()


def _name_real_rows(case: Any, path: str, world: World) -> None:
    """Put ids of rows that exist where the request names any."""
    kind = path.removeprefix("/api/v1/").partition("/")[0]
    base = {"analyses": "analysis", "audit": "audit"}.get(kind, kind.removesuffix("s"))
    for name in list(case.path_parameters or {}):
        case.path_parameters[name] = world.get(base, case.path_parameters[name])
    for place in (case.body, case.query):
        if not isinstance(place, dict):
            continue
        for name, row in NAMED.items():
            if name in place:
                is_text = not isinstance(world[row], int) or name in ("left", "right")
                place[name] = str(world[row]) if is_text else world[row]
