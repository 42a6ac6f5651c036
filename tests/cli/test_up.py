from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
from pathlib import Path

import pytest

from tests.cli.conftest import PATIENCE_SECONDS, UP, Folder, Start, gone

IGNORES_SIGTERM = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


def number_after(key: str, line: str) -> int:
    found = re.search(rf"{key}=(\d+)", line)
    assert found, line
    return int(found[1])


async def test_addresses_and_calls_to_try_are_printed_once_all_is_ready(
    mesh: Folder, running_up: Start
) -> None:
    async with running_up() as up:
        await up.line("predictor is ready")
        await up.line("HTTP / gRPC")
        predictor = await up.line("predictor")
        gateway = await up.line("gateway")
        await up.line("All ready after")
        curl = await up.line("curl")
        grpcurl = await up.line("grpcurl")

    assert f"127.0.0.1:{mesh.grpc_port}" in predictor
    assert f"http://127.0.0.1:{mesh.http_port}" in gateway
    assert curl.strip() == (
        f"curl -s localhost:{mesh.http_port}/predict -H 'content-type: application/json'"
        """ -d '{"features": [39.1, 18.7, 181, 3750]}'"""
    )
    assert grpcurl.strip() == (
        """grpcurl -plaintext -d '{"features": [39.1, 18.7, 181, 3750]}' """
        f"localhost:{mesh.grpc_port} mlmesh.v1.PredictorService/Predict"
    )


async def test_the_gateway_is_told_where_the_services_are(mesh: Folder, running_up: Start) -> None:
    async with running_up() as up:
        line = await up.line("gateway started")

    backends = json.loads(line[line.index("{") :])
    assert backends == {"mlmesh.v1.PredictorService": f"127.0.0.1:{mesh.grpc_port}"}


async def test_ctrl_c_lets_the_gateway_drain_before_the_services_stop(
    mesh: Folder, running_up: Start
) -> None:
    async with running_up() as up:
        await up.line("All ready")
        up.interrupt()
        code = await up.end()

    order = ["gateway ended", "gateway stopped", "service ended", "predictor stopped"]
    places = [up.text().index(event) for event in order]
    assert places == sorted(places)
    assert code == 0


async def test_log_lines_are_readable_and_without_colours_in_a_pipe(
    mesh: Folder, running_up: Start
) -> None:
    async with running_up(TZ="UTC") as up:
        line = await up.line("service started")
        await up.line("All ready")

    assert line.startswith("predictor | 10:00:00.500 INFO    service started pid=")
    assert line.endswith("[stand_in]\n")
    assert "\x1b" not in up.text()


async def test_json_passes_lines_on_and_keeps_everything_else_out_of_stdout(
    mesh: Folder,
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(*UP, "--json", "--only", "predictor"),
        cwd=mesh.path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr
    async with asyncio.timeout(PATIENCE_SECONDS):
        await process.stderr.readuntil(b"All ready")
        process.terminate()
        out, _ = await process.communicate()

    events = [json.loads(line)["event"] for line in out.splitlines()]
    expected = {"service started", "predictor is ready", "predictor stopped (exit code 0)"}
    assert expected <= set(events)


async def test_lines_that_are_long_or_not_text_do_not_break_the_log(
    folder: Folder, running_up: Start
) -> None:
    folder.program(
        "predictor",
        "import sys; out = sys.stdout.buffer\n"
        "out.write(b'\\xff\\xfe\\x1b[2J\\n' + b'x' * 300_000 + b'\\nafter\\n')\n"
        r"""out.write(b'{"event": "\ud800"}\nno line break')""" + "\n"
        "raise SystemExit(2)\n",
    )
    async with running_up() as up:
        await up.line("predictor | \ufffd\ufffd\\x1b[2J")
        long = await up.line("xxx")
        await up.line("predictor | after")
        await up.line("INFO    \\ud800")
        await up.line("predictor | no line break")

    assert long.endswith("... 234464 more bytes\n")


@pytest.mark.parametrize("taken", ["http_port", "health_port"])
async def test_a_port_in_use_is_named_with_its_holder_and_the_remedy(
    mesh: Folder, running_up: Start, taken: str
) -> None:
    number = getattr(mesh, taken)
    with socket.create_server(("127.0.0.1", number)):
        async with running_up() as up:
            code = await up.end()

    assert f"port {number} " in up.text()
    assert f"in use by process {os.getpid()} (" in up.text()
    assert f"`{taken}`" in up.text() or "--http-port" in up.text()
    assert "started" not in up.text()
    assert code == 2


async def test_a_killed_program_is_started_again(mesh: Folder, running_up: Start) -> None:
    async with running_up() as up:
        first = number_after("pid", await up.line("service started"))
        await up.line("All ready")
        os.kill(first, signal.SIGKILL)
        await up.line("predictor ended (killed by SIGKILL), starting it again in 0.5 s")
        second = number_after("pid", await up.line("service started"))
        await up.line("predictor is ready")
        up.interrupt()
        code = await up.end()

    assert second != first
    assert code == 0


async def test_a_configuration_error_stops_everything_and_is_shown_last(
    mesh: Folder, running_up: Start
) -> None:
    mesh.program("predictor", "print('model_path: no such folder'); raise SystemExit(2)")

    async with running_up() as up:
        code = await up.end()

    assert "starting it again" not in up.text()
    assert "predictor refused its configuration (exit code 2), its last lines:" in up.text()
    assert up.text().endswith("  model_path: no such folder\n")
    assert code == 2


async def test_what_is_not_ready_in_time_ends_with_its_last_lines(
    mesh: Folder, running_up: Start
) -> None:
    mesh.program("predictor", "import time; print('loading'); time.sleep(60)")

    async with running_up("--timeout", "1.5") as up:
        code = await up.end()

    assert up.text().endswith("predictor: not ready after 1.5 s, its last lines:\n  loading\n")
    assert code == 1


async def test_a_second_ctrl_c_kills_what_does_not_end(folder: Folder, running_up: Start) -> None:
    folder.program("predictor", IGNORES_SIGTERM + "print('deaf', flush=True); time.sleep(60)")

    async with running_up() as up:
        await up.line("deaf")
        up.interrupt()
        await up.line("stopping predictor")
        up.interrupt()
        code = await up.end()

    assert "killing predictor" in up.text()
    assert code == 1


async def test_programs_die_with_a_supervisor_that_is_killed(
    mesh: Folder, running_up: Start
) -> None:
    async with running_up() as up:
        pid = number_after("pid", await up.line("service started"))
        await up.line("All ready")
        up.process.kill()
        assert await gone(pid)


async def test_what_a_program_started_ends_with_it(folder: Folder, running_up: Start) -> None:
    folder.program(
        "predictor",
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(f'pid={child.pid}'); time.sleep(60)\n",
    )
    async with running_up() as up:
        pid = number_after("pid", await up.line("pid="))
        up.interrupt()
        code = await up.end()

    assert await gone(pid)
    assert code == 0


async def test_programs_are_out_of_reach_of_the_terminal(mesh: Folder, running_up: Start) -> None:
    async with running_up() as up:
        line = await up.line("service started")

    assert number_after("session", line) == number_after("pid", line)


async def test_a_program_without_a_folder_is_named_and_left_out(
    folder: Folder, running_up: Start
) -> None:
    folder.stand_in("predictor")
    async with running_up() as up:
        await up.line("gateway is not here, going on without it")
        await up.line("All ready")
        up.interrupt()
        assert await up.end() == 0


async def test_a_reader_that_goes_away_stops_the_mesh(mesh: Folder) -> None:
    reading, writing = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *UP, cwd=mesh.path, stdout=writing, stderr=asyncio.subprocess.PIPE
    )
    os.close(writing)
    os.close(reading)
    _, errors = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)

    assert errors == b""
    assert process.returncode == 0


async def test_only_and_http_port_choose_what_starts_where(mesh: Folder, running_up: Start) -> None:
    async with running_up("--check", "--http-port", "18080") as up:
        assert await up.end() == 0
    everything = up.text()
    async with running_up("--check", "--only", "predictor") as up:
        assert await up.end() == 0

    assert "http://127.0.0.1:18080" in everything
    assert "predictor" in everything
    assert "gateway" not in up.text()


async def test_an_unknown_program_is_refused(mesh: Folder, running_up: Start) -> None:
    async with running_up("--only", "predictor,nlpp") as up:
        code = await up.end()

    assert up.text() == "--only: unknown nlpp, expected predictor, gateway\n"
    assert code == 2


async def test_a_missing_file_says_where_to_look(tmp_path: Path, running_up: Start) -> None:
    async with running_up("--config", "elsewhere.toml") as up:
        code = await up.end()

    assert "elsewhere.toml: no such file" in up.text()
    assert "--config" in up.text()
    assert code == 2
