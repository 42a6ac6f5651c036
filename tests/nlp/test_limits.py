"""What is far too much is refused by name, costs little and holds nobody up."""

from __future__ import annotations

import asyncio
import gc
import resource
import time
from typing import Any

import grpc
import pytest

from mlmesh.inference.host import Host
from mlmesh.runtime.call import Call
from mlmesh.v1 import nlp_pb2 as pb, nlp_pb2_grpc as rpc
from nlp.service import NlpService, OwnModels
from nlp.texts import TextLimits
from tests.nlp.serving import LIMITS

MIB = 2**20
MOST = LIMITS.text_bytes


def peak_bytes() -> int:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def refusal(call: Any) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value.code().name, refused.value.details() or ""


async def test_a_text_of_ten_megabytes_is_refused_at_once(nlp: rpc.NlpServiceAsyncStub) -> None:
    text = "word " * (2 * 2**20)
    started = time.perf_counter()

    said = await refusal(nlp.RecognizeEntities(pb.RecognizeEntitiesRequest(text=text)))

    assert said == (
        "INVALID_ARGUMENT",
        f"text: {len(text)} bytes, the limit is {MOST}; send it in parts, or have "
        "MLMESH_MAX_TEXT_BYTES raised",
    )
    assert time.perf_counter() - started < 2


async def test_the_limit_counts_bytes_not_characters(nlp: rpc.NlpServiceAsyncStub) -> None:
    text = "\u4f60" * (MOST // 3 + 1)

    code, message = await refusal(nlp.Embed(pb.EmbedRequest(text=text)))

    assert (code, message.partition(",")[0]) == ("INVALID_ARGUMENT", f"text: {len(text) * 3} bytes")


async def test_a_hundred_thousand_texts_are_refused(nlp: rpc.NlpServiceAsyncStub) -> None:
    request = pb.BatchAnalyzeSentimentRequest(texts=["x"] * 100_000)

    said = await refusal(nlp.BatchAnalyzeSentiment(request))

    assert said == ("INVALID_ARGUMENT", "texts: must contain no more than 4096 item(s)")


async def test_texts_that_are_too_long_together_are_refused(nlp: rpc.NlpServiceAsyncStub) -> None:
    texts = ["x" * MOST, "y" * MOST, "z"]

    code, message = await refusal(nlp.BatchEmbed(pb.BatchEmbedRequest(texts=texts)))

    assert code == "INVALID_ARGUMENT"
    assert message.startswith(
        f"texts: {2 * MOST + 1} bytes together, the limit is {2 * MOST}; send"
    )


async def test_one_text_of_a_batch_that_is_too_long_fails_alone(
    nlp: rpc.NlpServiceAsyncStub,
) -> None:
    reply = await nlp.BatchEmbed(pb.BatchEmbedRequest(texts=["x" * (MOST + 1), "fine"]))

    assert [result.status.code for result in reply.results] == [3, 0]
    assert reply.results[0].status.message.startswith(f"texts[0]: {MOST + 1} bytes, the limit is")


@pytest.mark.parametrize(
    ("method", "message", "field"),
    [
        ("AnalyzeSentiment", b"\x1a\x03ok\xff", "text: byte 2"),
        ("BatchEmbed", b"\x1a\x02ok\x1a\x02\xc3(", "texts[1]: byte 0"),
        ("BatchSimilarity", b"\x1a\x06\x0a\x01a\x12\x01\xe9", "pairs[0].other: byte 0"),
        # Half of a surrogate pair, which UTF-8 does not have.
        ("Summarize", b"\x1a\x03\xed\xa0\x80", "text: byte 0"),
    ],
)
async def test_bytes_that_are_no_text_are_refused_by_their_field(
    nlp_channel: grpc.aio.Channel, method: str, message: bytes, field: str
) -> None:
    call: Any = nlp_channel.unary_unary(f"/mlmesh.v1.NlpService/{method}")

    said = await refusal(call(message))

    assert said == ("INVALID_ARGUMENT", f"{field} is not valid UTF-8")


HOSTILE = [
    part * (MOST // len(part.encode()))
    for part in ("x", ".", "a ", "1. ", "\u0301", "\U0001f600", "It is. \n\n" + " " * 60)
]


@pytest.mark.parametrize("text", HOSTILE, ids=[repr(text[:3]) for text in HOSTILE])
async def test_the_longest_text_holds_nobody_up_and_takes_little_memory(
    nlp: rpc.NlpServiceAsyncStub, text: str
) -> None:
    # What other tests have left is not looked through, as in a program.
    gc.freeze()
    before = peak_bytes()
    began = time.process_time()
    longest_turn = 0.0

    async def others() -> None:
        """Note how long the loop's thread works before it lets the next one have its turn."""
        nonlocal longest_turn
        while True:
            started = time.thread_time()
            await asyncio.sleep(0.01)
            longest_turn = max(longest_turn, time.thread_time() - started)

    watching = asyncio.create_task(others())
    outcomes = await asyncio.gather(
        nlp.AnalyzeSentiment(pb.AnalyzeSentimentRequest(text=text, sentences=True)),
        nlp.RecognizeEntities(pb.RecognizeEntitiesRequest(text=text)),
        nlp.Summarize(pb.SummarizeRequest(text=text)),
        return_exceptions=True,
    )
    watching.cancel()
    work = time.process_time() - began

    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            assert isinstance(outcome, grpc.aio.AioRpcError)
            assert outcome.code() is grpc.StatusCode.INVALID_ARGUMENT
    # Any one step of the three answers, were it done on the loop, is a fifth of all work or more.
    assert longest_turn < 0.15 * work
    assert peak_bytes() - before < 200 * MIB


async def test_the_limits_are_those_that_were_configured(text_host: Host) -> None:
    service = NlpService(text_host, OwnModels(), TextLimits(text_bytes=MIB))
    call = Call("test")

    reply = await service.RecognizeEntities(
        pb.RecognizeEntitiesRequest(text="the Paris is " * (MIB // 13)), call
    )

    assert len(reply.entities) == MIB // 13


async def test_a_text_of_too_many_sentences_is_refused(nlp: rpc.NlpServiceAsyncStub) -> None:
    text = "It is. " * (LIMITS.sentences + 1)

    said = [
        await refusal(nlp.Summarize(pb.SummarizeRequest(text=text))),
        await refusal(nlp.AnalyzeSentiment(pb.AnalyzeSentimentRequest(text=text, sentences=True))),
    ]

    assert (
        said
        == [
            (
                "INVALID_ARGUMENT",
                "text: 4001 sentences, the limit is 4000; send it in parts, or have "
                "MLMESH_MAX_SENTENCES raised",
            )
        ]
        * 2
    )
    assert (await nlp.AnalyzeSentiment(pb.AnalyzeSentimentRequest(text=text))).label
