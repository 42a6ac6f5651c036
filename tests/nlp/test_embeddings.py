from __future__ import annotations

import numpy as np
import pytest

from mlmesh.v1 import nlp_pb2 as pb, nlp_pb2_grpc as rpc

BYTES = pb.EMBEDDING_ENCODING_BYTES


async def vector_of(nlp: rpc.NlpServiceAsyncStub, text: str) -> np.ndarray:
    reply = await nlp.Embed(pb.EmbedRequest(text=text))
    return np.array(reply.embedding, np.float32)


async def test_an_embedding_has_length_one(nlp: rpc.NlpServiceAsyncStub) -> None:
    reply = await nlp.Embed(pb.EmbedRequest(text="It works."))

    assert len(reply.embedding) == reply.dimensions == 384
    assert sum(value**2 for value in reply.embedding) == pytest.approx(1, abs=1e-5)
    assert not reply.embedding_bytes
    assert (reply.model, reply.model_version, reply.language) == ("embeddings", "v1.0", "en")


async def test_bytes_are_the_same_numbers(nlp: rpc.NlpServiceAsyncStub) -> None:
    reply = await nlp.Embed(pb.EmbedRequest(text="It works.", encoding=BYTES))

    assert not reply.embedding
    assert reply.dimensions == 384
    assert (np.frombuffer(reply.embedding_bytes, "<f4") == await vector_of(nlp, "It works.")).all()


async def test_a_long_text_lies_between_its_parts(nlp: rpc.NlpServiceAsyncStub) -> None:
    one, other = "it works and " * 20, "the apple broke in paris " * 20

    whole, first, second = [await vector_of(nlp, text) for text in (one + other, one, other)]

    assert np.linalg.norm(whole) == pytest.approx(1, abs=1e-5)
    assert whole @ first > first @ second < whole @ second


@pytest.mark.parametrize("encoding", [pb.EMBEDDING_ENCODING_FLOAT, BYTES])
async def test_a_batch_answers_each_text_as_if_it_were_alone(
    nlp: rpc.NlpServiceAsyncStub, encoding: pb.EmbeddingEncoding.ValueType
) -> None:
    texts = ["it works", "", "apple " * 100, "paris"]

    reply = await nlp.BatchEmbed(pb.BatchEmbedRequest(texts=texts, encoding=encoding))

    assert [result.status.code for result in reply.results] == [0, 3, 0, 0]
    assert reply.dimensions == 384
    for text, result in zip(texts, reply.results, strict=True):
        if result.status.code == 0:
            found = result.embedding or np.frombuffer(result.embedding_bytes, "<f4")
            assert list(found) == pytest.approx(await vector_of(nlp, text), abs=1e-6)


async def test_a_stream_answers_each_text_by_its_id(nlp: rpc.NlpServiceAsyncStub) -> None:
    requests = [
        pb.StreamEmbedRequest(id=one, request=pb.EmbedRequest(text=one)) for one in ("ada", "paris")
    ]

    answers = {answer.id: answer async for answer in nlp.StreamEmbed(iter(requests))}

    for name, answer in answers.items():
        assert list(answer.response.embedding) == pytest.approx(await vector_of(nlp, name))


async def test_similarity_is_the_cosine_of_two_embeddings(nlp: rpc.NlpServiceAsyncStub) -> None:
    reply = await nlp.Similarity(pb.SimilarityRequest(text="it works", other="it broke"))

    one, other = await vector_of(nlp, "it works"), await vector_of(nlp, "it broke")
    assert reply.similarity == pytest.approx(float(one @ other), abs=1e-6)
    same = await nlp.Similarity(pb.SimilarityRequest(text="it works", other="It  works"))
    assert same.similarity == pytest.approx(1, abs=1e-6)


async def test_a_wrong_pair_fails_alone_and_names_its_text(nlp: rpc.NlpServiceAsyncStub) -> None:
    pairs = [("it", "it"), ("it", ""), ("\x07", "it"), ("it", "\x07"), ("it", "works")]

    reply = await nlp.BatchSimilarity(
        pb.BatchSimilarityRequest(pairs=[pb.TextPair(text=a, other=b) for a, b in pairs])
    )

    assert [result.status.code for result in reply.results] == [0, 3, 3, 3, 0]
    assert [result.status.message.partition(":")[0] for result in reply.results[1:4]] == [
        "pairs[1].other",
        "pairs[2].text",
        "pairs[3].other",
    ]
    alone = await nlp.Similarity(pb.SimilarityRequest(text="it", other="works"))
    assert reply.results[4].similarity == pytest.approx(alone.similarity, abs=1e-6)
