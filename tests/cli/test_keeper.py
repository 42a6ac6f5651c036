from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Sequence

import pytest
from rich.console import Console

from mlmesh.cli.interrupts import Interrupts
from mlmesh.cli.journal import Journal
from mlmesh.cli.keeper import GivenUp, RestartPolicy
from mlmesh.cli.mesh import read_mesh
from mlmesh.cli.plan import Plan, plan_of
from mlmesh.cli.supervisor import supervised
from tests.cli.conftest import PATIENCE_SECONDS, Folder


class Recorder(Journal):
    """A journal that remembers what the supervisor said, and what the programs did."""

    def __init__(self, plan: Plan, interrupts: Interrupts) -> None:
        names = [program.name for program in plan.programs]
        super().__init__(Console(), names, raw=True, on_lost=interrupts.asked.set)
        self.events: asyncio.Queue[str] = asyncio.Queue()
        self.lines: asyncio.Queue[bytes] = asyncio.Queue()

    def say(self, event: str, *, level: str = "info", **fields: object) -> None:
        self.events.put_nowait(event)

    def line(self, program: str, line: bytes) -> None:
        self.lines.put_nowait(line)

    def pauses(self) -> Sequence[float]:
        said = [self.events.get_nowait() for _ in range(self.events.qsize())]
        return [float(event.split()[-2]) for event in said if "starting it again in" in event]


def predictor_plan(folder: Folder) -> Plan:
    return plan_of(read_mesh(folder.path / "mesh.toml"), "127.0.0.1", ["predictor"], None)


async def test_a_program_that_never_gets_ready_is_given_up_after_ever_longer_pauses(
    folder: Folder,
) -> None:
    folder.program("predictor", "print('a', 'b', sep='\\n'); raise SystemExit(3)")
    plan = predictor_plan(folder)
    interrupts = Interrupts()
    journal = Recorder(plan, interrupts)
    policy = RestartPolicy(first_seconds=0.01, longest_seconds=0.03, attempts=5)

    with pytest.raises(GivenUp) as failure:
        async with supervised(plan, journal, interrupts, policy) as mesh:
            await mesh.ready(PATIENCE_SECONDS)

    assert journal.pauses() == [0.01, 0.02, 0.03, 0.03]
    assert failure.value.exit_code == 1
    assert "predictor ended 5 times without ever being ready (exit code 3)" in str(failure.value)
    assert failure.value.lines == (b"a", b"b") * 5


async def test_only_the_last_lines_are_kept(folder: Folder) -> None:
    folder.program("predictor", "print(*range(30), sep='\\n'); raise SystemExit(2)")
    plan = predictor_plan(folder)
    interrupts = Interrupts()

    with pytest.raises(GivenUp) as failure:
        async with supervised(plan, Recorder(plan, interrupts), interrupts) as mesh:
            await mesh.ready(PATIENCE_SECONDS)

    assert failure.value.exit_code == 2
    assert [int(line) for line in failure.value.lines] == list(range(10, 30))


@pytest.mark.parametrize(("healthy_seconds", "pauses"), [(0, [0.01, 0.01]), (60, [0.01, 0.02])])
async def test_health_resets_the_pause(
    folder: Folder, healthy_seconds: float, pauses: Sequence[float]
) -> None:
    folder.stand_in("predictor")
    plan = predictor_plan(folder)
    interrupts = Interrupts()
    journal = Recorder(plan, interrupts)
    policy = RestartPolicy(first_seconds=0.01, healthy_seconds=healthy_seconds)

    async with supervised(plan, journal, interrupts, policy), asyncio.timeout(PATIENCE_SECONDS):
        said: list[str] = []
        for _ in pauses:
            pid = json.loads(await journal.lines.get())["pid"]
            while "predictor is ready" not in said[-1:]:
                said.append(await journal.events.get())
            os.kill(pid, signal.SIGKILL)
            said.append(await journal.events.get())

    assert [event for event in said if "ended" in event] == [
        f"predictor ended (killed by SIGKILL), starting it again in {pause:g} s" for pause in pauses
    ]


async def test_what_ignores_its_stop_is_killed_in_the_end(folder: Folder) -> None:
    folder.program(
        "predictor",
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('deaf'); time.sleep(60)",
    )
    plan = predictor_plan(folder)
    interrupts = Interrupts()
    journal = Recorder(plan, interrupts)

    async with supervised(plan, journal, interrupts, stop_seconds=0.1) as mesh:
        await journal.lines.get()

    assert not mesh.clean()
    assert mesh.keepers[0].exit_code == -signal.SIGKILL
