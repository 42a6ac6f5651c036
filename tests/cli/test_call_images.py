"""`mlmesh call` with images: sent as they are, answers saved and shown."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gateway.running import running_gateway
from gateway.settings import GatewaySettings
from mlmesh.cli.call import call
from tests.vision.pictures import GREEN, RED, encoded, plain, with_box
from tests.vision.serving import image_hosting, serving_vision, write_image_models

Ask = Callable[..., Awaitable[Any]]
PHOTO = encoded(with_box(plain(96, 64), (8, 8, 40, 40), RED), "JPEG", quality=95)


@pytest.fixture
async def vision_port(tmp_path: Path) -> AsyncIterator[int]:
    write_image_models(tmp_path / "models")
    async with image_hosting(tmp_path / "models") as host, serving_vision(host) as port:
        yield port


@pytest.fixture
async def run(
    vision_port: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> AsyncIterator[Ask]:
    """Runs a call in a folder with pictures; gives its exit code and what it printed."""
    settings = GatewaySettings.model_validate(
        {
            "http_address": "127.0.0.1:0",
            "ops_address": "127.0.0.1:0",
            "backends": {"mlmesh.v1.VisionService": f"127.0.0.1:{vision_port}"},
            "input_log": tmp_path / "inputs.jsonl",
            "drain_seconds": 1,
        }
    )
    (tmp_path / "photo.jpg").write_bytes(PHOTO)
    (tmp_path / "green.png").write_bytes(encoded(plain(9, 9, GREEN)))
    (tmp_path / "text.txt").write_text("no image")
    monkeypatch.chdir(tmp_path)

    async def running(*tokens: str) -> Any:
        code = await asyncio.to_thread(call, tokens)
        printed = capsys.readouterr()
        return code, printed.out, printed.err.removeprefix("mlmesh: ").rstrip()

    async with running_gateway(settings) as gateway:
        monkeypatch.setenv("MLMESH_GATEWAY", f"http://127.0.0.1:{gateway.port}")
        yield running


@pytest.fixture
def ask(run: Ask) -> Ask:
    """Runs a call that must work, and gives its answer."""

    async def asking(*tokens: str) -> Any:
        code, out, err = await run(*tokens)
        assert code == 0, err
        return json.loads(out)

    return asking


async def test_a_file_is_sent_as_it_is(ask: Ask, vision_port: int) -> None:
    encoded_photo = base64.b64encode(PHOTO).decode()
    grpc = ("--grpc", f"127.0.0.1:{vision_port}")

    answers = [
        await ask("Classify", "--image", "@photo.jpg", "--top-k", "2"),
        await ask("Classify", "--image", "@photo.jpg", "--top-k", "2", *grpc),
        await ask("Classify", "--image", encoded_photo, "--top-k", "2"),
        await ask("Classify", "--body", json.dumps({"image": encoded_photo, "top_k": 2})),
    ]

    assert [one["predictions"] for one in answers] == 4 * [answers[0]["predictions"]]
    assert answers[0]["predictions"][0]["class"] == "red"
    assert len(answers[0]["predictions"]) == 2


async def test_many_files_are_as_many_options(ask: Ask) -> None:
    answer = await ask(
        "BatchClassify", "--images", "@photo.jpg", "--images", "@green.png", "--images", "@text.txt"
    )

    red, green, wrong = answer["results"]
    assert (red["predictions"][0]["class"], green["predictions"][0]["class"]) == ("red", "green")
    assert wrong["status"]["code"] == 3


def saved(name: str) -> Image.Image:
    return Image.open(BytesIO(Path(name).read_bytes()))


async def test_pictures_in_an_answer_are_saved(run: Ask) -> None:
    segment = ("Segment", "--image", "@photo.jpg")

    only = await run(*segment, "--save", "only.png")
    both = await run(*segment, "--overlay", "jpeg", "--save", "mask=m.png", "--save=overlay=o.jpg")
    whole = await run(*segment, "--overlay", "png", "--save", "answer.json")

    assert (only[0], both[0], whole[0]) == (0, 0, 0)
    assert saved("only.png").size == saved("m.png").size == saved("o.jpg").size == (96, 64)
    assert saved("o.jpg").format == "JPEG"
    assert Path("only.png").read_bytes() == Path("m.png").read_bytes()
    assert both[2].splitlines()[1] == f"o.jpg: {Path('o.jpg').stat().st_size} bytes"
    assert json.loads(Path("answer.json").read_text())["overlay"]


REFUSALS = [
    (["Classify", "--image", "photo.jpg"], 2, "--image: expected @file or base64"),
    (["Classify", "--image", "@nowhere.jpg"], 2, "--image: nowhere.jpg: No such file"),
    (["BatchClassify", "--images", "photo.jpg"], 2, "--images: expected @file or base64"),
    (["Classify", "--image", "@text.txt"], 1, "INVALID_ARGUMENT: image: "),
    (["Classify", "--image", "@photo.jpg", "--top-k", "5000"], 1, "INVALID_ARGUMENT: top_k: "),
    (
        ["Segment", "--image", "@photo.jpg", "--overlay", "png", "--save", "o.png"],
        2,
        "--save: say what to keep, mask=o.png or overlay=o.png",
    ),
    (
        ["Segment", "--image", "@photo.jpg", "--save", "overlay=o.png"],
        2,
        "--save: overlay is empty in this answer; does the request ask for it?",
    ),
    (
        ["Segment", "--image", "@photo.jpg", "--save", "msk=o.png"],
        2,
        "--save: the answer has no bytes named msk, it has mask, overlay",
    ),
    (
        ["Classify", "--image", "@photo.jpg", "--save", "mask=o.png"],
        2,
        "--save: the answer has no bytes named mask, it has none",
    ),
]


@pytest.mark.parametrize(("tokens", "code", "message"), REFUSALS, ids=lambda value: str(value)[:60])
async def test_what_is_wrong_is_said_by_its_option(
    run: Ask, tokens: list[str], code: int, message: str
) -> None:
    found, _, said = await run(*tokens)

    assert found == code
    assert said.startswith(message)
    assert not Path("o.png").exists()
