"""docs/clients.md: its programs print what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.page import Reader, Step, same, sections_of, steps_of
from tests.end_to_end.conftest import RunningMesh

STEPS = [step for blocks in sections_of("docs/clients.md").values() for step in steps_of(blocks)]


@pytest.mark.parametrize("step", STEPS, ids=range(len(STEPS)))
def test_a_program_prints_what_the_page_says(mesh: RunningMesh, tmp_path: Path, step: Step) -> None:
    printed = Reader(tmp_path, mesh).run(step.command)

    assert step.expected
    assert same(printed, step.expected), printed
