"""The rules are read and tried by promtool, and nobody is woken without being told what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.tools import tool

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = PROMETHEUS / "rules.yml"
TRIALS = PROMETHEUS / "tests" / "rules_test.yml"
RUNBOOKS = ROOT / "docs" / "operations.md"


def alerts() -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        yield from (rule for rule in group["rules"] if "alert" in rule)


NAMES = sorted({alert["alert"] for alert in alerts()})


def test_prometheus_can_read_the_rules() -> None:
    checked = tool("promtool", "check", "rules", RULES)

    assert checked.returncode == 0, checked.stderr


def test_every_alert_fires_when_it_should_and_not_when_all_is_well() -> None:
    tried = tool("promtool", "test", "rules", TRIALS)

    assert tried.returncode == 0, tried.stdout + tried.stderr


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_is_tried_both_ways(name: str) -> None:
    trials = [
        trial
        for test in yaml.safe_load(TRIALS.read_text())["tests"]
        for trial in test["alert_rule_test"]
        if trial["alertname"] == name
    ]

    assert any(trial.get("exp_alerts") for trial in trials)
    assert any(not trial.get("exp_alerts") for trial in trials)


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_has_its_section_in_the_runbooks(name: str) -> None:
    headings = re.findall(r"^#+ (\w+)$", RUNBOOKS.read_text(), re.MULTILINE)

    assert name in headings
    for alert in alerts():
        if alert["alert"] == name:
            assert alert["annotations"]["runbook_url"] == f"docs/operations.md#{name.lower()}"
            assert alert["labels"]["severity"] in ("page", "ticket")
