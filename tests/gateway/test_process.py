from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from gateway.records import InputLog, open_input_log
from gateway.running import running_gateway
from gateway.settings import GatewaySettings
from mlmesh.runtime.errors import Unavailable


def lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


@pytest.fixture
def log_path(gateway_settings: GatewaySettings) -> Path:
    return gateway_settings.input_log


async def test_an_input_is_in_the_log_when_the_answer_comes(
    http: httpx.AsyncClient, log_path: Path
) -> None:
    body = {"data": "hello", "forward_to_model": False}

    response = await http.post("/process", json=body, headers={"x-request-id": "r-1"})

    assert (response.status_code, response.json()) == (
        200,
        {"status": "Input logged successfully"},
    )
    [line] = lines(log_path)
    assert (line["data"], line["request_id"], line["forward_to_model"]) == ("hello", "r-1", False)
    assert line["time"]


@pytest.mark.parametrize("data", [[1, 2], "1, 2", {"x": 1, "y": 2}])
async def test_numbers_in_any_form_go_to_the_predictor(
    http: httpx.AsyncClient, data: object
) -> None:
    response = await http.post("/process", json={"data": data, "forward_to_model": True})

    answer = response.json()
    assert answer["status"] == "Input logged successfully"
    assert answer["model_prediction"]["prediction"] == "a"
    assert answer["model_prediction"]["model_version"] == "v2.0"


@pytest.mark.parametrize("data", ["what a lovely day", "nan", "1, two"])
async def test_text_is_kept_and_503_says_that_no_model_takes_it(
    http: httpx.AsyncClient, log_path: Path, data: str
) -> None:
    response = await http.post("/process", json={"data": data, "forward_to_model": True})

    assert response.status_code == 503
    assert response.json()["error"]["message"] == (
        "the input was logged, but mlmesh.v1.NlpService is not part of this mesh "
        "(see MLMESH_BACKENDS)"
    )
    assert lines(log_path)[0]["data"] == data


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "data"),
        ({"data": [1, "x"], "forward_to_model": True}, "data[1]"),
        ({"data": True, "forward_to_model": True}, "data"),
        ({"data": [1], "forward_to_model": True}, "features"),
        ({"data": 1, "forward": True}, "forward"),
    ],
)
async def test_an_input_that_fits_no_model_is_refused_by_its_field(
    http: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    response = await http.post("/process", json=body)

    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith(f"{field}: ")


async def test_an_absent_predictor_is_503_and_the_input_is_kept(
    gateway_settings: GatewaySettings, log_path: Path
) -> None:
    nobody = {"mlmesh.v1.PredictorService": "127.0.0.1:1"}
    settings = gateway_settings.model_copy(update={"backends": nobody})
    async with (
        running_gateway(settings) as gateway,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}") as client,
    ):
        response = await client.post("/process", json={"data": [1, 2], "forward_to_model": True})
        ready = await client.get("/ready")

    assert response.status_code == 503
    message = response.json()["error"]["message"]
    assert message.startswith("the input was logged, but mlmesh.v1.PredictorService is not avail")
    assert "127.0.0.1" not in response.text
    assert len(lines(log_path)) == 1
    assert ready.status_code == 503
    assert ready.json()["error"]["message"] == "waiting for mlmesh.v1.PredictorService"


async def test_nothing_is_acknowledged_that_could_not_be_written(
    gateway_settings: GatewaySettings, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    settings = gateway_settings.model_copy(update={"input_log": tmp_path / "file" / "log"})
    async with (
        running_gateway(settings) as gateway,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}") as client,
    ):
        response = await client.post("/process", json={"data": "x"})

    assert response.status_code == 503
    assert response.json()["error"]["message"].startswith("the input log cannot be written")
    assert str(tmp_path) not in response.text


async def written(log: InputLog, count: int) -> None:
    await asyncio.gather(*(log.append({"number": number}) for number in range(count)))


async def test_a_full_log_is_set_aside_and_the_oldest_goes(tmp_path: Path) -> None:
    path = tmp_path / "log"
    async with open_input_log(path, max_bytes=4096, max_files=2) as log:
        for _ in range(8):
            await written(log, 120)

    kept = sorted(file.name for file in tmp_path.iterdir())
    assert kept == ["log", "log.1", "log.2"]
    assert all(file.stat().st_size <= 4096 for file in tmp_path.iterdir())
    assert [line["number"] for line in lines(path)][-1] == 119


async def test_concurrent_lines_are_whole_and_all_there(tmp_path: Path) -> None:
    path = tmp_path / "log"
    async with open_input_log(path, max_bytes=2**20, max_files=1) as log:
        await written(log, 2000)

    assert [line["number"] for line in lines(path)] == list(range(2000))


async def test_nobody_else_may_read_the_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    async with open_input_log(path, max_bytes=2**20, max_files=1) as log:
        await written(log, 1)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_log_that_is_moved_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    async with open_input_log(path, max_bytes=2**20, max_files=1) as log:
        await written(log, 1)
        path.rename(tmp_path / "taken")
        await written(log, 1)

    assert len(lines(path)) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full to play a full disk")
async def test_a_full_disk_is_said_and_leaves_no_half_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.symlink_to("/dev/full")
    async with open_input_log(path, max_bytes=2**20, max_files=1) as log:
        with pytest.raises(Unavailable, match="No space left"):
            await written(log, 1)
