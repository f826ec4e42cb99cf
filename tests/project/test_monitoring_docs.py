"""The dashboard, the alert rules and the page about them name only metrics, labels and values that exist."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from duplicates.choices import ConfidenceBand, ExportStatus, Phase
from duplicates.prometheus import RepriseCollector
from duplicates.services.metrics import WINDOWS, known_codes, size_classes

DOCS = Path(__file__).parent.parent.parent / "docs"
NAME = re.compile(r"\breprise_[a-z_]+")
SELECTOR = re.compile(r"\b(reprise_[a-z_]+)\{([^}]*)\}")
LABEL = re.compile(r"(\w+)=~?\"([^\"]*)\"")
VALUES = {
    "days": {str(days) for days in WINDOWS},
    "code": known_codes(),
    "band": set(ConfidenceBand.values),
    "decision": {"confirmed", "different"},
    "phase": set(Phase.values),
    "value": {"median", "longest"},
    "status": {"completed", "failed", "cancelled", *ExportStatus.values},
    "tracks": {name.replace(" ", "_").replace(",", "") for name in size_classes()},
}


@pytest.fixture
def labels_of(db: None) -> dict[str, set[str]]:
    """Every metric there is, with its labels."""
    return {family.name: set(family._labelnames) for family in RepriseCollector().collect()}  # type: ignore[attr-defined]


def dashboard() -> dict[str, Any]:
    return json.loads((DOCS / "monitoring" / "grafana-dashboard.json").read_text())


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DOCS / "monitoring" / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> Iterator[str]:
    for panel in dashboard()["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield from (rule["expr"] for rule in rules())


def test_every_metric_that_is_asked_for_exists(labels_of: dict[str, set[str]]) -> None:
    asked = {name for expression in expressions() for name in NAME.findall(expression)}

    assert asked - labels_of.keys() == set()


def test_every_label_and_value_that_is_asked_for_exists(labels_of: dict[str, set[str]]) -> None:
    wrong = [
        f"{name}: {label}={value}"
        for expression in expressions()
        for name, selector in SELECTOR.findall(expression)
        for label, values in LABEL.findall(selector)
        for value in values.split("|")
        if label not in labels_of[name] or value not in VALUES[label]
    ]

    assert wrong == []


def test_every_metric_is_shown_on_the_dashboard_and_told_on_the_page(labels_of: dict[str, set[str]]) -> None:
    shown = {name for panel in dashboard()["panels"] for one in panel["targets"] for name in NAME.findall(one["expr"])}
    told = set(re.findall(r"^\| `(reprise_[a-z_]+)` \|", (DOCS / "monitoring.md").read_text(), re.MULTILINE))

    assert labels_of.keys() - shown == set()
    assert told == labels_of.keys()


def test_the_page_tells_the_labels_of_each_metric(labels_of: dict[str, set[str]]) -> None:
    lines = re.findall(r"^\| `(reprise_[a-z_]+)` \| ([^|]*) \|", (DOCS / "monitoring.md").read_text(), re.MULTILINE)

    assert {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in lines} == labels_of


def test_no_panel_lies_on_another() -> None:
    places = [
        (x, y)
        for panel in dashboard()["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert len(places) == len(set(places))
    assert len({panel["id"] for panel in dashboard()["panels"]}) == len(dashboard()["panels"])


@pytest.mark.parametrize("rule", rules(), ids=[rule["alert"] for rule in rules()])
def test_every_alert_says_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["action"]


@pytest.mark.parametrize("rule", rules(), ids=[rule["alert"] for rule in rules()])
def test_the_settings_an_alert_names_exist(rule: dict[str, Any]) -> None:
    named = set(re.findall(r"REPRISE_[A-Z_]+", str(rule)))

    assert {name for name in named if name not in (DOCS / "settings.md").read_text()} == set()
