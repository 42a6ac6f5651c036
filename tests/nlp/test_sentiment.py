from __future__ import annotations

import asyncio

import pytest

from mlmesh.v1 import nlp_pb2 as pb, nlp_pb2_grpc as rpc
from nlp.sentiment import LABELS

CLOSE = 1e-6
"""What the order of additions in a padded batch may change."""


async def sentiment_of(nlp: rpc.NlpServiceAsyncStub, text: str) -> pb.AnalyzeSentimentResponse:
    return await nlp.AnalyzeSentiment(pb.AnalyzeSentimentRequest(text=text))


def values(said: pb.SentimentProbabilities) -> list[float]:
    return [said.negative, said.neutral, said.positive]


@pytest.mark.parametrize(
    ("text", "label"),
    [("It works and is great!", "positive"), ("It broke.", "negative"), ("It is a.", "neutral")],
)
async def test_an_answer_says_what_the_text_is_how_surely_and_by_what(
    nlp: rpc.NlpServiceAsyncStub, text: str, label: str
) -> None:
    reply = await nlp.AnalyzeSentiment(
        pb.AnalyzeSentimentRequest(text=text, model_version="v1.0", language="en"),
        metadata=(("x-request-id", "order-7"),),
    )

    assert reply.label == label
    assert reply.confidence == max(values(reply.probabilities))
    assert reply.label == LABELS[values(reply.probabilities).index(reply.confidence)]
    assert sum(values(reply.probabilities)) == pytest.approx(1)
    assert (reply.model, reply.model_version, reply.language) == ("sentiment", "v1.0", "en")
    assert reply.model_digest.startswith("sha256:")
    assert reply.request_id == "order-7"
    assert reply.inference_time_ms > 0
    assert not reply.sentences


async def test_sentences_are_answered_with_their_places(nlp: rpc.NlpServiceAsyncStub) -> None:
    text = "Tr\u00e8s good \U0001f600! It broke.\r\n\r\nAnd it is a."
    request = pb.AnalyzeSentimentRequest(text=text, sentences=True)

    reply = await nlp.AnalyzeSentiment(request)

    found = [(one.text, one.label) for one in reply.sentences]
    assert found == [
        ("Tr\u00e8s good \U0001f600!", "positive"),
        ("It broke.", "negative"),
        ("And it is a.", "neutral"),
    ]
    for one in reply.sentences:
        assert text[one.start : one.end] == one.text
        assert text.encode()[one.start_byte : one.end_byte].decode() == one.text
        alone = await sentiment_of(nlp, one.text)
        assert values(one.probabilities) == pytest.approx(values(alone.probabilities), abs=CLOSE)
        assert one.label == alone.label
        assert one.confidence == pytest.approx(alone.confidence)


async def test_a_line_without_words_is_no_sentence(nlp: rpc.NlpServiceAsyncStub) -> None:
    request = pb.AnalyzeSentimentRequest(text="It works.\n\x07\x08\nGood.", sentences=True)

    reply = await nlp.AnalyzeSentiment(request)

    assert [one.text for one in reply.sentences] == ["It works.", "Good."]


async def test_a_long_text_counts_as_a_whole(nlp: rpc.NlpServiceAsyncStub) -> None:
    mostly_good = "it works and " * 60 + "it broke. " * 3
    mostly_bad = "it works and " * 3 + "it broke. " * 60

    assert (await sentiment_of(nlp, mostly_good)).label == "positive"
    assert (await sentiment_of(nlp, mostly_bad)).label == "negative"


async def test_predict_text_says_the_same_under_other_names(nlp: rpc.NlpServiceAsyncStub) -> None:
    reply = await nlp.PredictText(pb.PredictTextRequest(input_text="It works!"))

    alone = await sentiment_of(nlp, "It works!")
    assert (reply.prediction, reply.confidence) == (alone.label, alone.confidence)
    assert reply.probabilities == alone.probabilities
    assert (reply.model, reply.model_version) == ("sentiment", "v2.0")


TEXTS = [
    "It works!",
    "",
    "It broke on the first day. " * 30,
    "\x07",
    "A \0 b",
    "Not a bad one.",
    " ",
]


@pytest.mark.parametrize("sentences", [False, True])
async def test_a_batch_answers_each_text_as_if_it_were_alone(
    nlp: rpc.NlpServiceAsyncStub, sentences: bool
) -> None:
    reply = await nlp.BatchAnalyzeSentiment(
        pb.BatchAnalyzeSentimentRequest(texts=TEXTS, sentences=sentences)
    )

    codes = [result.status.code for result in reply.results]
    assert codes == [0, 3, 0, 3, 3, 0, 3]
    assert [result.status.message for result in reply.results if result.status.code] == [
        "texts[1]: is empty, send at least one word",
        "texts[3]: holds only white space or control characters, send at least one word",
        "texts[4]: character 2 is NUL, which no text holds; leave it out",
        "texts[6]: holds only white space or control characters, send at least one word",
    ]
    for text, result in zip(TEXTS, reply.results, strict=True):
        if result.status.code == 0:
            alone = await nlp.AnalyzeSentiment(
                pb.AnalyzeSentimentRequest(text=text, sentences=sentences)
            )
            assert result.label == alone.label
            assert values(result.probabilities) == pytest.approx(
                values(alone.probabilities), abs=CLOSE
            )
            assert [one.text for one in result.sentences] == [one.text for one in alone.sentences]
    assert (reply.model, reply.model_version, reply.language) == ("sentiment", "v2.0", "en")


async def test_neighbours_do_not_change_an_answer(nlp: rpc.NlpServiceAsyncStub) -> None:
    alone = await sentiment_of(nlp, "It is good, not great.")
    others = ["it broke " * length for length in range(1, 60)]

    crowd = await asyncio.gather(
        *(sentiment_of(nlp, text) for text in [*others, "It is good, not great."] * 3)
    )

    for reply in crowd[59::60]:
        assert values(reply.probabilities) == pytest.approx(values(alone.probabilities), abs=CLOSE)


async def test_a_stream_answers_each_text_by_its_id(nlp: rpc.NlpServiceAsyncStub) -> None:
    texts = {"good": "It works.", "empty": "", "bad": "It broke."}
    requests = [
        pb.StreamAnalyzeSentimentRequest(id=name, request=pb.AnalyzeSentimentRequest(text=text))
        for name, text in texts.items()
    ]

    answers = {answer.id: answer async for answer in nlp.StreamAnalyzeSentiment(iter(requests))}

    assert answers["good"].response.label == "positive"
    assert answers["bad"].response.label == "negative"
    assert answers["empty"].status.message == "text: must be at least 1 characters"
    assert not answers["empty"].HasField("response")
