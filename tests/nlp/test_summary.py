from __future__ import annotations

import numpy as np
import pytest

from mlmesh.v1 import nlp_pb2 as pb, nlp_pb2_grpc as rpc
from nlp.summary import Length, best_of, scores_of

TEXT = (
    "Ada works in Paris and is great. The apple at the inc broke. It is not a bad one in Paris. "
    "Really?\n\nIt said the works of Ada is in Paris. Not a good \u00e9t\u00e9 in the inc."
)


def unit(*values: float) -> np.ndarray:
    return np.array(values, np.float32) / np.linalg.norm(values)


VECTORS = np.stack([unit(1, 0), unit(0, 1), unit(1, 1), unit(1, 1)])
BYLINE = unit(0, 0, 1)
ARTICLE = np.stack([BYLINE, unit(3, 1, 0), unit(3, 0, 1), BYLINE, unit(4, 1, 1), unit(1, 0, 0)])


def test_a_sentence_counts_for_its_closeness_to_the_whole_and_for_its_earliness() -> None:
    scores = scores_of(VECTORS, count=2)

    whole = unit(*VECTORS.mean(0))
    earliness = 0.09 * (4 / 2) ** 1.5 / np.sqrt([1, 2, 3, 4])
    assert scores == pytest.approx(VECTORS @ whole + earliness, abs=1e-6)
    assert best_of(scores, 3) == [0, 2, 3]


def test_the_beginning_counts_more_the_less_is_chosen() -> None:
    def earliness(sentences: int, count: int) -> float:
        scores = scores_of(np.repeat(VECTORS[:1], sentences, axis=0), count)
        return float(scores[0] - scores[3]) * 2

    assert earliness(10, 10) == pytest.approx(0.09, abs=1e-6)
    assert earliness(20, 5) == pytest.approx(0.72, abs=1e-6)
    assert earliness(1000, 3) == pytest.approx(4.0, abs=1e-6)


def test_what_has_little_to_do_with_the_text_is_no_beginning() -> None:
    scores = scores_of(ARTICLE, count=1)

    earliness = scores - ARTICLE @ unit(*ARTICLE.mean(0))
    of_first = 0.09 * 6**1.5
    assert earliness == pytest.approx(
        of_first * np.array([0, 1, 1 / np.sqrt(2), 0, 1 / np.sqrt(3), 1 / 2]), abs=1e-6
    )
    assert best_of(scores, 4) == [1, 2, 4, 5]


def test_of_equal_sentences_the_earlier_one_is_chosen() -> None:
    assert best_of(np.array([1.0, 2.0, 2.0, 2.0]), 2) == [1, 2]


@pytest.mark.parametrize(
    ("length", "of_ten"),
    [(Length(), 3), (Length(20), 10), (Length(share=0.25), 2), (Length(share=0.01), 1),
     (Length(share=1.0), 10)],
)  # fmt: skip
def test_a_length_is_a_number_or_a_share(length: Length, of_ten: int) -> None:
    assert length.of(10) == of_ten


async def test_a_summary_is_made_of_the_texts_own_sentences(nlp: rpc.NlpServiceAsyncStub) -> None:
    reply = await nlp.Summarize(pb.SummarizeRequest(text=TEXT, sentence_count=2))

    assert reply.method == "extractive"
    assert reply.text_sentences == 6
    assert len(reply.sentences) == 2
    assert reply.summary == " ".join(one.text for one in reply.sentences)
    assert [one.index for one in reply.sentences] == sorted(one.index for one in reply.sentences)
    for one in reply.sentences:
        assert TEXT[one.start : one.end] == one.text
        assert TEXT.encode()[one.start_byte : one.end_byte].decode() == one.text
    assert (reply.model, reply.language) == ("embeddings", "en")


async def test_three_sentences_are_chosen_unless_the_caller_says_how_many(
    nlp: rpc.NlpServiceAsyncStub,
) -> None:
    default = await nlp.Summarize(pb.SummarizeRequest(text=TEXT))
    share = await nlp.Summarize(pb.SummarizeRequest(text=TEXT, share=0.5))
    everything = await nlp.Summarize(pb.SummarizeRequest(text=TEXT, share=1))

    assert [len(one.sentences) for one in (default, share, everything)] == [3, 2, 5]


async def test_a_sentence_of_a_few_words_is_chosen_when_there_is_no_other(
    nlp: rpc.NlpServiceAsyncStub,
) -> None:
    reply = await nlp.Summarize(pb.SummarizeRequest(text="Good. Really? Yes.", sentence_count=1))

    assert len(reply.sentences) == 1
    assert reply.text_sentences == 3


async def test_sentences_of_a_few_words_fill_up_what_the_caller_asked_for(
    nlp: rpc.NlpServiceAsyncStub,
) -> None:
    text = "Really? It is not a bad one. Yes. Ada works in Paris."

    found = [
        await nlp.Summarize(pb.SummarizeRequest(text=text, sentence_count=count))
        for count in (2, 4, 1000)
    ]

    assert [[one.index for one in reply.sentences] for reply in found] == [
        [1, 3], [0, 1, 2, 3], [0, 1, 2, 3],
    ]  # fmt: skip


async def test_a_summary_reads_as_one_line(nlp: rpc.NlpServiceAsyncStub) -> None:
    text = "This is a sentence\nthat was cut off in the middle."

    reply = await nlp.Summarize(pb.SummarizeRequest(text=text))

    assert reply.summary == "This is a sentence that was cut off in the middle."
    assert reply.sentences[0].text == text


async def test_a_batch_summarises_each_text_as_if_it_were_alone(
    nlp: rpc.NlpServiceAsyncStub,
) -> None:
    texts = [TEXT, " ", "It is a good one.", TEXT * 3]

    reply = await nlp.BatchSummarize(pb.BatchSummarizeRequest(texts=texts, sentence_count=2))

    assert [result.status.code for result in reply.results] == [0, 3, 0, 0]
    assert reply.results[1].status.message.startswith("texts[1]: holds only white space")
    for text, result in zip(texts, reply.results, strict=True):
        if result.status.code == 0:
            alone = await nlp.Summarize(pb.SummarizeRequest(text=text, sentence_count=2))
            assert result.summary == alone.summary
            assert result.text_sentences == alone.text_sentences


async def test_a_stream_answers_each_text_by_its_id(nlp: rpc.NlpServiceAsyncStub) -> None:
    requests = [
        pb.StreamSummarizeRequest(id=str(n), request=pb.SummarizeRequest(text=TEXT))
        for n in range(3)
    ]

    answers = [answer async for answer in nlp.StreamSummarize(iter(requests))]

    assert sorted(answer.id for answer in answers) == ["0", "1", "2"]
    assert len({answer.response.summary for answer in answers}) == 1
