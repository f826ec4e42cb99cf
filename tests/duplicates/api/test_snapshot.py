"""`/api/v1/` is a promise: what programs rely on is written down beside this test, and changes only on purpose.

`REPRISE_WRITE_SNAPSHOT=1 uv run pytest -n 0 tests/duplicates/api/test_snapshot.py` writes it anew. Lines may be added;
one that is taken away or altered breaks somebody's program and needs `/api/v2/`.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft4Validator

PINNED = Path(__file__).with_name("api-v1.txt")
METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return found


def test_the_api_is_what_it_promised_to_be(schema: dict[str, Any]) -> None:
    now = [*_operations(schema), *_shapes(schema)]
    if os.environ.get("REPRISE_WRITE_SNAPSHOT"):
        PINNED.write_text("\n".join(now) + "\n")

    promised = PINNED.read_text().splitlines()

    assert [line for line in promised if line not in now] == [], "this breaks programs"
    assert [line for line in now if line not in promised] == [], "new: write the snapshot anew"


def test_every_operation_says_what_it_is_for(schema: dict[str, Any]) -> None:
    silent = [
        f"{method} {path}"
        for path, item in schema["paths"].items()
        for method in METHODS
        if method in item and not item[method].get("summary")
    ]

    assert silent == []


def test_every_request_shows_an_example_of_its_shape(schema: dict[str, Any]) -> None:
    shown = list(_examples(schema))
    bodies = [
        f"{method} {path} {media}"
        for path, item in schema["paths"].items()
        for method in METHODS
        for media, _ in _content(item.get(method, {}).get("requestBody"))
    ]

    assert set(bodies) == {name for name, is_request, *_ in shown if is_request}
    assert {shape for _, is_request, shape, _ in shown if not is_request} >= {"Error", "Started", "Progress", "Export"}
    for name, _, shape, example in shown:
        if shape:
            whole = {**schema, "$ref": f"#/components/schemas/{shape}"}
            errors = [error.message for error in Draft4Validator(whole).iter_errors(example)]
            assert errors == [], name


def _examples(schema: dict[str, Any]) -> Iterator[tuple[str, bool, str, Any]]:
    """Yield what each example stands at, whether it is sent, its shape and the example."""
    for path, item in schema["paths"].items():
        for method in METHODS:
            said = item.get(method, {})
            for part in (said.get("requestBody"), *said.get("responses", {}).values()):
                for media, content in _content(part):
                    values = [one["value"] for one in content.get("examples", {}).values()]
                    for example in [*values, *([content["example"]] if "example" in content else [])]:
                        shape = content["schema"].get("$ref", "").rpartition("/")[2]
                        yield f"{method} {path} {media}", part is said.get("requestBody"), shape, example


def _operations(schema: dict[str, Any]) -> Iterator[str]:
    for path, item in sorted(schema["paths"].items()):
        for method in METHODS:
            if method in item:
                yield f"{method.upper()} {path} {_operation(item[method])}"


def _operation(said: dict[str, Any]) -> str:
    asked = sorted(f"{one['in']}:{one['name']}" for one in said.get("parameters", ()))
    body = ",".join(f"{kind}={_kind(one['schema'])}" for kind, one in _content(said.get("requestBody")))
    answers = [
        f"{status}:" + ",".join(f"{kind}={_kind(one['schema'])}" for kind, one in _content(answer))
        for status, answer in sorted(said["responses"].items())
    ]
    return f"{said['operationId']} ({', '.join(asked)}) [{body}] -> {' '.join(answers)}"


def _content(part: dict[str, Any] | None) -> list[tuple[str, Any]]:
    return sorted(((part or {}).get("content") or {}).items())


def _shapes(schema: dict[str, Any]) -> Iterator[str]:
    for name, shape in sorted(schema["components"]["schemas"].items()):
        if "enum" in shape:
            yield f"{name}: {' | '.join(map(str, shape['enum']))}"
        for field, of in sorted((shape.get("properties") or {}).items()):
            must = "" if field in shape.get("required", ()) else " optional"
            yield f"{name}.{field}: {_kind(of)}{must}"


def _kind(of: dict[str, Any]) -> str:
    """Say what a value is, in one word or two."""
    if "$ref" in of:
        return str(of["$ref"]).rpartition("/")[2]
    for several in ("allOf", "oneOf", "anyOf"):
        if several in of:
            return "|".join(_kind(one) for one in of[several]) + ("?" if of.get("nullable") else "")
    if of.get("type") == "array":
        return f"[{_kind(of['items'])}]"
    return "/".join(filter(None, (of.get("type", "any"), of.get("format", "")))) + ("?" if of.get("nullable") else "")
