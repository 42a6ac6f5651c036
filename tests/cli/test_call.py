from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.running import running_gateway
from gateway.settings import GatewaySettings
from mlmesh.cli.call import call
from mlmesh.runtime.contracts import load_contracts
from tests.nlp.serving import serving_nlp, text_hosting, write_text_models

Ask = Callable[..., Awaitable[Any]]
PREDICTOR, NLP = "mlmesh.v1.PredictorService", "mlmesh.v1.NlpService"


@pytest.fixture(scope="session")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("call-models")
    write_text_models(root)
    return root


@pytest.fixture
async def nlp_port(roots: Path) -> AsyncIterator[int]:
    async with text_hosting(roots) as host, serving_nlp(host) as port:
        yield port


@pytest.fixture
async def gateway(
    nlp_port: int, predictor_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    targets = {PREDICTOR: f"127.0.0.1:{predictor_port}", NLP: f"127.0.0.1:{nlp_port}"}
    settings = GatewaySettings.model_validate(
        {
            "http_address": "127.0.0.1:0",
            "ops_address": "127.0.0.1:0",
            "backends": targets,
            "input_log": tmp_path / "inputs.jsonl",
            "drain_seconds": 1,
        }
    )
    async with running_gateway(settings) as running:
        monkeypatch.setenv("MLMESH_GATEWAY", f"http://127.0.0.1:{running.port}")
        yield f"http://127.0.0.1:{running.port}"


@pytest.fixture
def ask(gateway: str, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs a call that must work, and gives what it printed, as JSON."""

    async def asking(*tokens: str) -> Any:
        code = await asyncio.to_thread(call, tokens)
        printed = capsys.readouterr()
        assert code == 0, printed.err
        return json.loads(printed.out)

    return asking


@pytest.fixture
def refused(gateway: str, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs a call that must fail, and gives its exit code and what it says."""

    async def asking(*tokens: str) -> Any:
        code = await asyncio.to_thread(call, tokens)
        return code, capsys.readouterr().err.removeprefix("mlmesh: ").rstrip()

    return asking


@pytest.mark.parametrize(
    "name",
    ["Similarity", "similarity", "NlpService.Similarity", "mlmesh.v1.NlpService/Similarity",
     "/mlmesh.v1.NlpService/Similarity", "nlpservice.SIMILARITY"],
)  # fmt: skip
async def test_a_method_has_many_names(ask: Ask, name: str) -> None:
    answer = await ask(name, "--text", "it works", "--other=it works")

    assert answer["similarity"] == pytest.approx(1)
    assert (await ask("analyze-sentiment", "--text", "bad"))["label"] == "negative"


async def test_values_come_from_files_and_the_standard_input(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "text.txt"
    file.write_text("Paris \u00fc", encoding="utf-8")
    (tmp_path / "texts.txt").write_text("good\n\nbad\n", encoding="utf-8")
    stdin = io.TextIOWrapper(io.BytesIO(b"it broke"))
    monkeypatch.setattr("sys.stdin", stdin)

    from_file = await ask("RecognizeEntities", "--text", f"@{file}")
    lines = await ask("BatchAnalyzeSentiment", "--texts", f"@{tmp_path}/texts.txt")
    piped = await ask("AnalyzeSentiment", "--text", "@-")
    literal = await ask("AnalyzeSentiment", "--sentences", "--text", "@@ada works. It is bad.")

    assert [one["text"] for one in from_file["entities"]] == ["Paris"]
    assert [one["label"] for one in lines["results"]] == ["positive", "negative"]
    assert piped["label"] == "negative"
    assert [one["text"] for one in literal["sentences"]] == ["@ada works.", "It is bad."]


async def test_numbers_maps_and_whole_requests(ask: Ask) -> None:
    listed = await ask("Predict", "--features", "1,2")
    again = await ask("Predict", "--features", "1", "--features", "2")
    version = await ask("Predict", "--features", "[1, 2]", "--model", "tiny",
                        "--model-version", "v1.0")  # fmt: skip
    named = await ask("Predict", "--named_features", "x=1", "--named_features", "y=2")
    body = await ask("Predict", "--body", '{"named_features": {"x": 1, "y": 2}}')

    assert listed["probabilities"] == again["probabilities"] == named["probabilities"]
    assert body["probabilities"] == named["probabilities"]
    assert (version["label"], version["model_version"]) == ("b", "v1.0")


async def test_methods_without_a_body_have_their_fields_in_the_path(ask: Ask) -> None:
    assert (await ask("GetModel", "--model", "tiny"))["model"]["name"] == "tiny"
    assert len((await ask("ListModels"))["models"]) > 3
    logged = await ask("Process", "--data", "hello")
    assert logged["status"] == "Input logged successfully"


async def test_a_stream_is_one_request_a_line(
    gateway: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [{"id": str(n), "request": {"text": "good " * n}} for n in range(3)]
    file = tmp_path / "requests.ndjson"
    file.write_text("\n".join(map(json.dumps, lines)))

    code = await asyncio.to_thread(call, ["StreamAnalyzeSentiment", "--body", f"@{file}"])

    answers = {one["id"]: one for one in map(json.loads, capsys.readouterr().out.splitlines())}
    assert code == 0
    assert answers["0"]["status"]["code"] == 3
    assert answers["2"]["response"]["label"] == "positive"


async def test_the_answer_is_kept_as_bytes_or_as_json(ask: Ask, tmp_path: Path) -> None:
    fields = ("--text", "good", "--encoding", "bytes")

    answer = await ask("Embed", *fields, "--save", str(tmp_path / "vector.f4"))
    await ask("Embed", *fields, "--save", str(tmp_path / "vector.json"))
    await ask("Embed", "--text", "good", "--save", str(tmp_path / "vector"))

    content = (tmp_path / "vector.f4").read_bytes()
    assert content == base64.b64decode(answer["embedding_bytes"])
    assert len(content) == 4 * 384
    assert json.loads((tmp_path / "vector.json").read_text())["dimensions"] == 384
    assert len(json.loads((tmp_path / "vector").read_text())["embedding"]) == 384


async def test_a_service_can_be_asked_straight_by_grpc(
    ask: Ask, nlp_port: int, predictor_port: int
) -> None:
    fields = ("--text", "Ada in Paris", "--json")

    by_grpc = await ask("RecognizeEntities", *fields, "--grpc", f"127.0.0.1:{nlp_port}")
    by_http = await ask("RecognizeEntities", *fields)

    entities = [{**one, "confidence": 0} for one in by_http["entities"]]
    assert [{**one, "confidence": 0} for one in by_grpc["entities"]] == entities
    assert len(entities) == 2


REFUSALS = [
    (["Sentiment"], 2, "Sentiment: there is no such method, "),
    (["Embed", "Similarity"], 2, "Similarity: one METHOD is enough"),
    (["Embed", "--txt", "x"], 2, "--txt: the request has no such field, did you mean --text?"),
    (["Embed", "--text"], 2, "--text: give a value"),
    (["Embed", "--text", "@nowhere.txt"], 2, "--text: nowhere.txt: No such file or directory"),
    (["Embed", "--text", "a", "--text", "b"], 2, "--text: it is given twice"),
    (["Embed", "--text", "a", "--encoding", "hex"], 2, "--encoding: 'hex' is none of EMBEDDING"),
    (["Summarize", "--text", "a", "--share", "half"], 2, "--share: could not convert"),
    (["Summarize", "--text", "a", "--sentence_count", "-1"], 2, "--sentence_count: "),
    (["AnalyzeSentiment", "--text", "a", "--sentences", "maybe"], 2, "--sentences: expected true"),
    (["Predict", "--named_features", "x"], 2, "--named_features: expected name=value"),
    (["GetModel"], 2, "GetModel: give --model"),
    (["Embed", "--body", "{"], 2, "--body: "),
    (["Embed", "--body", '{"txt": 1}'], 2, "--body: "),
    (["Embed", "--body", "[{}, {}]"], 2, "--body: Embed takes one request, got 2"),
    (["Embed", "--body", "{}", "--text", "a"], 2, "--text: send either fields or a --body"),
    (["Embed", "--text", "a", "--timeout", "soon"], 2, "--timeout: expected seconds above 0"),
    (["ServerLive"], 2, "ServerLive: it has no HTTP path, use --grpc HOST:PORT"),
    (["Embed", "--text", ""], 1, "INVALID_ARGUMENT: text: must be at least 1 characters"),
    (["Embed", "--text", "a", "--model", "x"], 1, "NOT_FOUND: model: there is nothing named 'x'"),
    (["Embed", "--text", "a", "--gateway", "http://127.0.0.1:1"], 1, "no mesh answers at http://"),
    (["Embed", "--text", "a", "--grpc", "127.0.0.1:1"], 1, "UNAVAILABLE: "),
]


@pytest.mark.parametrize(("tokens", "code", "message"), REFUSALS, ids=lambda value: str(value)[:40])
async def test_what_is_wrong_is_said_by_its_option(
    refused: Ask, tokens: list[str], code: int, message: str
) -> None:
    found, said = await refused(*tokens)

    assert found == code
    assert said.startswith(message)
    assert "Traceback" not in said


async def test_a_file_that_is_no_text_is_refused(refused: Ask, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(b"\x89PNG")

    code, said = await refused("Embed", "--text", f"@{tmp_path}/picture")

    assert (code, said.startswith("--text: ")) == (2, True)
    assert said.endswith("is no UTF-8 text, see byte 0")


async def test_a_file_that_cannot_be_written_is_said(refused: Ask, tmp_path: Path) -> None:
    code, said = await refused("Embed", "--text", "a", "--save", f"{tmp_path}/no/file")

    assert (code, said.splitlines()[-1].endswith("No such file or directory")) == (2, True)


METHODS = [one for one in load_contracts().methods() if one.service != "mlmesh.v1.MeshService"]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.path)
def test_every_method_shows_what_it_takes(method: Any, capsys: pytest.CaptureFixture[str]) -> None:
    code = call([method.path, "--help"])

    printed = capsys.readouterr().out
    assert code == 0
    assert method.path[1:] in printed
    assert all(f"--{field.name}" in printed for field in method.request.DESCRIPTOR.fields)


def test_without_a_method_all_of_them_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert call([]) == 0

    printed = capsys.readouterr().out
    assert all(method.name in printed for method in METHODS)
