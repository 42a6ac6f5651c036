from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry

from mlmesh.inference.host import Host, open_host
from mlmesh.inference.metrics import InferenceMetrics
from mlmesh.runtime.health import Health
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.runtime.server import running_server
from mlmesh.v1 import nlp_pb2 as pb, nlp_pb2_grpc as rpc
from nlp.service import CONTRACT, OwnModels, nlp_service
from nlp.tokenizer import TOKENIZER_FILE
from tests.nlp.tiny_texts import write_sentiment
from tests.tiny_models import host_options, sign_version

REFUSALS = [
    ({}, "INVALID_ARGUMENT", "text: must be at least 1 characters"),
    (
        {"text": " \n\t"},
        "INVALID_ARGUMENT",
        "text: holds only white space or control characters, send at least one word",
    ),
    (
        {"text": "\x07\u200b"},
        "INVALID_ARGUMENT",
        "text: holds only white space or control characters, send at least one word",
    ),
    (
        {"text": "\u00fc\0"},
        "INVALID_ARGUMENT",
        "text: character 1 is NUL, which no text holds; leave it out",
    ),
    (
        {"text": "x", "language": "de"},
        "INVALID_ARGUMENT",
        "language: only English is understood, send 'en' or leave it empty",
    ),
    ({"text": "x", "model": "x" * 65}, "INVALID_ARGUMENT", "model: must be at most 64 characters"),
    (
        {"text": "x", "model": "sentimant"},
        "NOT_FOUND",
        "model: there is nothing named 'sentimant', did you mean 'sentiment'?",
    ),
    (
        {"text": "x", "model_version": "v9"},
        "NOT_FOUND",
        "model_version: sentiment has nothing named 'v9', choose from v1.0, v2.0",
    ),
    (
        {"text": "x", "model": "entities"},
        "FAILED_PRECONDITION",
        "model: entities is made for entities, not for sentiment; call it by the Open Inference "
        "Protocol, POST /v2/models/entities/infer",
    ),
]


@pytest.mark.parametrize(("fields", "code", "message"), REFUSALS)
async def test_refusals_name_the_field_and_the_remedy(
    nlp: rpc.NlpServiceAsyncStub, fields: dict[str, Any], code: str, message: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await nlp.AnalyzeSentiment(pb.AnalyzeSentimentRequest(**fields))

    assert (refused.value.code().name, refused.value.details()) == (code, message)


WRONG_LENGTHS = [
    ({"sentence_count": 1001}, "sentence_count: must be less than or equal to 1000"),
    ({"share": 1.5}, "share: must be greater than or equal to 0 and less than or equal to 1"),
    ({"share": float("nan")}, "share: must be"),
    ({"share": 0.5, "sentence_count": 2}, "share: send either share or sentence_count, not both"),
]


@pytest.mark.parametrize(("fields", "message"), WRONG_LENGTHS)
async def test_a_length_that_cannot_be_is_refused(
    nlp: rpc.NlpServiceAsyncStub, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await nlp.Summarize(pb.SummarizeRequest(text="x", **fields))

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (refused.value.details() or "").startswith(message)


async def test_an_encoding_that_nobody_knows_is_refused(nlp: rpc.NlpServiceAsyncStub) -> None:
    wire = pb.EmbedRequest(text="x").SerializeToString() + b"\x28\x09"

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await nlp.Embed(pb.EmbedRequest.FromString(wire))

    assert (refused.value.details() or "").startswith("encoding: ")


async def test_a_caller_chooses_the_version_and_gets_the_newest_otherwise(
    nlp: rpc.NlpServiceAsyncStub,
) -> None:
    first = await nlp.AnalyzeSentiment(pb.AnalyzeSentimentRequest(text="x", model_version="v1.0"))
    newest = await nlp.AnalyzeSentiment(pb.AnalyzeSentimentRequest(text="x", model="sentiment"))

    assert (first.model_version, newest.model_version) == ("v1.0", "v2.0")


async def refusal_of(host: Host, own: OwnModels) -> tuple[str, str]:
    """What a service with these models says to a text."""
    registry = CollectorRegistry()
    async with (
        running_server(
            "127.0.0.1:0", [nlp_service(host, own)], ServerMetrics(registry), Health([])
        ) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await rpc.NlpServiceStub(channel).PredictText(pb.PredictTextRequest(input_text="x"))
    return refused.value.code().name, refused.value.details() or ""


async def test_a_service_without_a_model_of_its_own_says_so(text_host: Host) -> None:
    assert await refusal_of(text_host, OwnModels(sentiment="")) == (
        "UNAVAILABLE",
        "model: this service has none of its own for this, name one",
    )


def without_tokenizer(folder: Path) -> None:
    manifest = (folder / "manifest.json").read_text()
    start = manifest.index(f',\n    "{TOKENIZER_FILE}"')
    (folder / "manifest.json").write_text(manifest[:start] + manifest[manifest.index("}", start) :])
    (folder / TOKENIZER_FILE).unlink()
    sign_version(folder)


@pytest.mark.parametrize(
    ("said", "spoil", "message"),
    [
        ({"task": "text-classification"}, None, "model: sentiment is made for text-classification"),
        ({"labels": ("bad", "so", "good")}, None, "model: the labels of sentiment are bad, so, go"),
        ({}, without_tokenizer, "model: sentiment has no tokenizer, tokenizer.json: "),
    ],
)
async def test_a_version_that_is_made_for_something_else_is_not_used(
    tmp_path: Path, said: dict[str, Any], spoil: Any, message: str
) -> None:
    folder = write_sentiment(tmp_path, **said)
    if spoil is not None:
        spoil(folder)
    options = host_options(tmp_path, "", services=frozenset({CONTRACT.full_name}), trial=None)

    async with open_host(options, InferenceMetrics(CollectorRegistry())) as host:
        code, details = await refusal_of(host, OwnModels())

    assert code == "FAILED_PRECONDITION"
    assert details.startswith(message)
    assert str(tmp_path) not in details
