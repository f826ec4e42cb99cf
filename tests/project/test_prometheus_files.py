"""What is handed out for Prometheus works there: rules are read and fire when they should, panels ask what they can.

Prometheus' own `promtool` says so where it is installed (`apt-get install prometheus`); what can be said without it is
said in `test_monitoring_docs`, and at the end of this module.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client

from tests.project.test_monitoring_docs import DOCS, dashboard, expressions, rules

ALERTS = DOCS / "monitoring" / "alerts.yml"
FUNCTIONS = {"clamp_min", "max", "min", "sum"}
WORDS = {"by", "ignoring", "and", "or", "on", "without"}
UP = 'up{job="reprise", instance="site"}'
GIB = 2**30
# Each alert: what the site says when all is well, and what it says when somebody has to come.
CASES: dict[str, tuple[dict[str, float], dict[str, float]]] = {
    "RepriseDown": ({UP: 1}, {UP: 0}),
    "RepriseNoWorker": (
        {"reprise_workers": 0, "reprise_analyses_queued": 0, "reprise_exports_waiting": 0},
        {"reprise_workers": 0, "reprise_analyses_queued": 0, "reprise_exports_waiting": 1},
    ),
    "RepriseQueueStuck": ({"reprise_oldest_queued_seconds": 1_700}, {"reprise_oldest_queued_seconds": 1_900}),
    "RepriseAnalysesFail": (
        {'reprise_analysis_completion_ratio{days="7"}': 0.8},
        {'reprise_analysis_completion_ratio{days="7"}': 0.7},
    ),
    "RepriseOutOfTime": (
        {'reprise_analysis_failures{code="ANALYSIS_TIMEOUT", days="1"}': 1},
        {'reprise_analysis_failures{code="ANALYSIS_TIMEOUT", days="1"}': 2},
    ),
    "RepriseOutOfMemory": (
        {'reprise_analysis_failures{code="WORKER_LOST", days="1"}': 0},
        {'reprise_analysis_failures{code="WORKER_LOST", days="1"}': 1},
    ),
    "RepriseDiskFull": (
        {"reprise_disk_free_bytes": 20 * GIB, "reprise_storage_growth_bytes_per_day": -GIB},
        {"reprise_disk_free_bytes": 20 * GIB, "reprise_storage_growth_bytes_per_day": 2 * GIB},
    ),
    "RepriseStorageLimit": (
        {"reprise_storage_results_bytes": 95, "reprise_storage_limit_bytes": 0},  # no limit
        {"reprise_storage_results_bytes": 95, "reprise_storage_limit_bytes": 100},
    ),
    "RepriseExportsFail": ({'reprise_exports_failed{days="1"}': 2}, {'reprise_exports_failed{days="1"}': 3}),
    "RepriseMatcherDoubted": (
        {
            'reprise_measured_precision_ratio{band="very_high"}': 0.9,
            'reprise_decided_groups{band="very_high", decision="confirmed"}': 9,
        },
        {
            'reprise_measured_precision_ratio{band="very_high"}': 0.9,
            'reprise_decided_groups{band="very_high", decision="confirmed"}': 90,
        },
    ),
}


def promtool(*arguments: str | Path, text: str | None = None) -> None:
    """Let promtool judge; fail with what it says."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (apt-get install prometheus)")
    done = subprocess.run(["promtool", *map(str, arguments)], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


class TestByPromtool:
    def test_the_rules_are_read(self) -> None:
        promtool("check", "rules", ALERTS)

    def test_each_panel_asks_what_can_be_asked(self, tmp_path: Path) -> None:
        asked = [{"record": f"panel:{number}", "expr": one} for number, one in enumerate(dict.fromkeys(expressions()))]
        file = tmp_path / "panels.yml"
        file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": asked}]}))

        promtool("check", "rules", file)

    @pytest.mark.django_db
    def test_what_is_scraped_is_read(self, client: Client) -> None:
        answer = client.get("/metrics", REMOTE_ADDR="127.0.0.1")

        assert answer.status_code == 200
        promtool("check", "metrics", text=answer.content.decode())

    def test_each_alert_fires_when_it_should_and_not_before(self, tmp_path: Path) -> None:
        file = tmp_path / "alerts_test.yml"
        unit_tests = [one for name in CASES for one in (_case(name, is_bad=False), _case(name, is_bad=True))]
        file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "tests": unit_tests}))

        promtool("test", "rules", file)


def _case(name: str, *, is_bad: bool) -> dict[str, Any]:
    """Return a unit test of promtool: two hours of the same figures, and whether the alert then fires."""
    series = CASES[name][is_bad]
    return {
        "name": f"{name}, {'bad' if is_bad else 'good'}",
        "interval": "1m",
        "input_series": [{"series": key, "values": f"{value}x120"} for key, value in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{name}", alertstate="firing"}})',
                "eval_time": "119m",
                "exp_samples": [{"labels": "{}", "value": 1}] if is_bad else [],
            }
        ],
    }


class TestWithoutPromtool:
    def test_every_alert_has_a_case(self) -> None:
        assert {rule["alert"] for rule in rules()} == CASES.keys()

    @pytest.mark.parametrize("rule", rules(), ids=[rule["alert"] for rule in rules()])
    def test_a_rule_has_the_parts_of_a_rule(self, rule: dict[str, Any]) -> None:
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+[smhd]", rule.get("for", "1m"))

    def test_expressions_are_closed_and_call_what_exists(self) -> None:
        for expression in expressions():
            bare = re.sub(r'"[^"]*"', "", expression)
            called = set(re.findall(r"\b([a-z_]+)\s*\(", bare)) - WORDS

            assert [bare.count(one) for one in "({["] == [bare.count(one) for one in ")}]"]
            assert called - FUNCTIONS == set(), expression

    def test_the_dashboard_names_its_source_once(self) -> None:
        text = json.dumps(dashboard()["panels"])

        assert set(re.findall(r'"uid": "([^"]*)"', text)) <= {"${datasource}", "${DS_PROMETHEUS}"}
