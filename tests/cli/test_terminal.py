from __future__ import annotations

import asyncio
import os
import select
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from io import FileIO

from tests.cli.conftest import PATIENCE_SECONDS, UP, Folder


async def test_a_terminal_gets_colours_and_its_ctrl_c_stops_the_mesh(mesh: Folder) -> None:
    async with up_in_terminal(mesh) as (process, screen):
        shown = await asyncio.to_thread(read_until, screen, b"All ready")
        screen.write(b"\x03")
        shown += await asyncio.to_thread(read_until, screen, None)
        code = await asyncio.wait_for(process.wait(), PATIENCE_SECONDS)

    assert "\x1b[36mpredictor" in shown
    assert "waiting for" in shown
    assert shown.index("gateway ended") < shown.index("service ended")
    assert code == 0


async def test_a_terminal_that_is_closed_stops_the_mesh(mesh: Folder) -> None:
    async with up_in_terminal(mesh) as (process, screen):
        await asyncio.to_thread(read_until, screen, b"All ready")
        screen.close()
        code = await asyncio.wait_for(process.wait(), PATIENCE_SECONDS)

    assert code == 0


@asynccontextmanager
async def up_in_terminal(mesh: Folder) -> AsyncIterator[tuple[Process, FileIO]]:
    """Run `mlmesh up` in a terminal of its own, and yield the end where a person would sit."""
    master, terminal = os.openpty()
    # Tests that are run by nohup ignore SIGHUP, and what they start would, too.
    enter = (
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_DFL);"
        "os.login_tty(int(sys.argv[1])); os.execv(sys.argv[2], sys.argv[2:])"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", enter, str(terminal), *UP),
        cwd=mesh.path,
        env={**os.environ, "TERM": "xterm-256color", "NO_COLOR": ""},
        pass_fds=[terminal],
    )
    os.close(terminal)
    with FileIO(master, "r+") as screen:
        try:
            yield process, screen
        finally:
            with suppress(ProcessLookupError):
                process.kill()


def read_until(screen: FileIO, text: bytes | None) -> str:
    """Read a terminal until it shows `text`, or else until nobody uses it any more."""
    shown = b""
    while text is None or text not in shown:
        assert select.select([screen], [], [], PATIENCE_SECONDS)[0], shown.decode()
        try:
            shown += screen.read(65536) or b""
        except OSError:  # How Linux reports that the last process has left the terminal.
            break
    return shown.decode()
