"""`mlmesh up`: start every program, say when and where they are ready, keep them running."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from mlmesh.cli.board import open_console, show_board, show_plan
from mlmesh.cli.interrupts import caught_interrupts
from mlmesh.cli.journal import Journal
from mlmesh.cli.keeper import GivenUp
from mlmesh.cli.mesh import MeshError, read_mesh
from mlmesh.cli.plan import Plan, plan_of
from mlmesh.cli.port import require_free
from mlmesh.cli.record import Paint, readable
from mlmesh.cli.supervisor import supervised
from mlmesh.runtime.neighbours import socket_path

FAILURE = 1
USAGE = 2
SOCKET_BYTES = 100
"""Of a path that every system takes for a Unix socket."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for."""

    config: Path
    host: str
    only: Collection[str]
    http_port: int | None
    timeout: float
    """Seconds until everything must be ready."""
    raw: bool
    """Pass the programs' log lines on as they are."""
    check: bool
    """Print the plan and stop there."""


async def up(options: Options) -> int:
    """Run the mesh until it is asked to stop; returns the exit code."""
    began = time.monotonic()
    # grpc's notes on connections that come and go would interrupt the log, ours and the programs'.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    # In a raw log nothing but records may appear.
    console = open_console(stderr=options.raw)
    try:
        mesh = read_mesh(options.config)
        plan = plan_of(mesh, options.host, options.only, options.http_port)
        if options.check:
            show_plan(console, plan)
            return 0
        require_free(port for program in plan.programs for port in program.ports)
    except MeshError as problem:
        print(problem, file=sys.stderr)
        return USAGE
    try:
        return await _run(plan, options, console, began)
    except GivenUp as failure:
        _explain(failure)
        return failure.exit_code


async def _run(plan: Plan, options: Options, console: Console, began: float) -> int:
    names = [program.name for program in plan.programs]
    with caught_interrupts() as interrupts, _carry_folder() as folder:
        plan = plan.carrying_in(folder)
        journal = Journal(console, names, raw=options.raw, on_lost=interrupts.asked.set)
        for name in plan.absent:
            journal.say(f"{name} is not here, going on without it")
        async with supervised(plan, journal, interrupts) as mesh:
            async with journal.waiting(mesh.describe_wait):
                ready = await mesh.ready(options.timeout)
            if ready:
                seconds = {keeper.program.name: keeper.seconds_to_ready for keeper in mesh.keepers}
                with suppress(OSError):  # Should the terminal be gone, its signal is on the way.
                    show_board(console, plan, seconds, time.monotonic() - began)
                await mesh.asked_to_stop()
    return 0 if mesh.clean() else FAILURE


@contextmanager
def _carry_folder() -> Iterator[str]:
    """Where the programs carry calls past gRPC; empty where they cannot."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(
                TemporaryDirectory(prefix="mlmesh-", ignore_cleanup_errors=True)
            )
        except OSError:
            folder = ""
        longest = os.fsencode(socket_path(folder, 65_535))
        yield folder if hasattr(socket, "AF_UNIX") and len(longest) <= SOCKET_BYTES else ""


def _explain(failure: GivenUp) -> None:
    """Say last, and so where it is seen, what ended the mesh."""
    lines = [failure.message + (", its last lines:" if failure.lines else "")]
    for line in failure.lines:
        lines += [f"  {text}" for text in readable(line, Paint(False))]
    print("\n".join(lines), file=sys.stderr)
