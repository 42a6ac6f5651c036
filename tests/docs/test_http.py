"""docs/http.md: its blocks are run, and its table is that of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.status import HTTP_STATUS, HTTP_STATUS_BY_REASON
from tests.docs.page import Reader, Step, same, sections_of, steps_of
from tests.end_to_end.conftest import ROOT, RunningMesh

PATH = "docs/http.md"
STEPS = [step for blocks in sections_of(PATH).values() for step in steps_of(blocks)]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.command.text[:60])
def test_a_block_prints_what_the_page_says(mesh: RunningMesh, tmp_path: Path, step: Step) -> None:
    printed = Reader(tmp_path, mesh).run(step.command)

    assert step.expected
    assert same(printed, step.expected), printed


def test_the_statuses_are_those_of_the_table() -> None:
    section = (ROOT / PATH).read_text().split("## Errors\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    statuses = {
        name: int(status)
        for names, status in rows[2:]
        for name in names.replace("`", "").removeprefix("reason ").split(", ")
    }

    ours = {code.name: status for code, status in HTTP_STATUS.items() if code.name != "OK"}
    assert statuses == ours | HTTP_STATUS_BY_REASON
