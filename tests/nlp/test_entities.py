from __future__ import annotations

import asyncio
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from mlmesh.v1 import nlp_pb2 as pb, nlp_pb2_grpc as rpc


async def entities_of(nlp: rpc.NlpServiceAsyncStub, text: str) -> list[pb.Entity]:
    reply = await nlp.RecognizeEntities(pb.RecognizeEntitiesRequest(text=text))
    check_places(text, reply.entities)
    return list(reply.entities)


def check_places(text: str, entities: object) -> None:
    """Every place is the entity's, by code points and by bytes, and none overlaps another."""
    found: list[pb.Entity] = list(entities)  # type: ignore[call-overload]
    for one in found:
        assert one.text == text[one.start : one.end] == one.text.strip() != ""
        assert text.encode()[one.start_byte : one.end_byte].decode() == one.text
        # No mark is left behind that belongs to the last letter.
        assert not unicodedata.category(text[one.end : one.end + 1] or " ").startswith("M")
        assert 0 < one.confidence <= 1
    assert all(one.end <= following.start for one, following in pairwise(found))


def named(entities: list[pb.Entity]) -> list[tuple[str, str]]:
    return [(one.type, one.text) for one in entities]


async def test_names_are_found_with_their_types_and_places(nlp: rpc.NlpServiceAsyncStub) -> None:
    text = "Ada Lovelace is not at Apple Inc. and not in Paris."

    reply = await nlp.RecognizeEntities(pb.RecognizeEntitiesRequest(text=text))

    assert named(list(reply.entities)) == [
        ("PER", "Ada Lovelace"),
        ("ORG", "Apple Inc"),
        ("LOC", "Paris"),
    ]
    assert [(one.start, one.end) for one in reply.entities] == [(0, 12), (23, 32), (45, 50)]
    check_places(text, reply.entities)
    assert (reply.model, reply.model_version, reply.language) == ("entities", "v1.0", "en")
    assert reply.model_digest.startswith("sha256:")


async def test_how_a_word_is_written_counts(nlp: rpc.NlpServiceAsyncStub) -> None:
    assert named(await entities_of(nlp, "an apple in Paris")) == [("LOC", "Paris")]
    assert named(await entities_of(nlp, "APPLE said")) == [("ORG", "APPLE")]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("\U0001f600 Paris \U0001f468\u200d\U0001f469\u200d\U0001f467!", ["Paris"]),
        ("Pa\u0301ris\u0301 is", ["Pa\u0301ris\u0301"]),
        ("in P\u00e1ris\r\n\r\nand Apple", ["P\u00e1ris", "Apple"]),
        ("\u05e9\u05dc\u05d5\u05dd Paris \u202eApple", ["Paris", "Apple"]),
        ("\u4f60\u597dParis\u3002", ["Paris"]),
        ("(Paris)[Apple],\u201cAda\u201d", ["Paris", "Apple", "Ada"]),
        ("Par\u00adis", ["Par\u00adis"]),
        ("\ufeffParis\u2003Apple", ["Paris", "Apple"]),
        ("\uff30\uff41ris Paris", ["Paris"]),
    ],
)
async def test_places_are_exact_whatever_stands_around(
    nlp: rpc.NlpServiceAsyncStub, text: str, names: list[str]
) -> None:
    assert [one.text for one in await entities_of(nlp, text)] == names


NAMES = st.sampled_from(
    ["Ada", "Lovelace", "Apple", "Inc", "PARIS", "Paris", " ", "  ", "\n", "\r\n", "\u0301",
     "\U0001f600", "\u200d", "\ufe0f", "\u05d0", "\u202e", ".", ",", "-", "\u4f60", "e\u0301",
     "\u00df", "\u0130", "\ufb01", "\ud55c", "\u0e01\u0e33", "[SEP]", "\t", "\x07", "\u00ad"]
)  # fmt: skip
ANY_TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.lists(NAMES, min_size=1).map("".join),
)


@settings(
    deadline=None,
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(text=ANY_TEXT)
async def test_places_are_exact_in_any_text_or_the_text_is_refused(
    nlp: rpc.NlpServiceAsyncStub, text: str
) -> None:
    reply = await nlp.BatchRecognizeEntities(pb.BatchRecognizeEntitiesRequest(texts=[text]))

    [result] = reply.results
    if result.status.code:
        assert result.status.code == 3
        assert result.status.message.startswith("texts[0]: ")
        refused = not text or "\0" in text or not text.split() or _only_controls(text)
        assert refused
    check_places(text, result.entities)


def _only_controls(text: str) -> bool:
    return all(one.isspace() or unicodedata.category(one)[0] in "CMZ" for one in text)


async def test_names_are_found_wherever_they_stand_in_a_long_text(
    nlp: rpc.NlpServiceAsyncStub,
) -> None:
    for shift in range(12):
        text = "the " * shift + "Ada Lovelace at Apple Inc. in Paris, \u00fc " * 20

        found = named(await entities_of(nlp, text))

        assert found == [("PER", "Ada Lovelace"), ("ORG", "Apple Inc"), ("LOC", "Paris")] * 20


async def test_a_batch_answers_each_text_as_if_it_were_alone(
    nlp: rpc.NlpServiceAsyncStub,
) -> None:
    texts = ["Ada is in Paris.", "Apple Inc. " * 40, "the", "Lovelace"]

    reply = await nlp.BatchRecognizeEntities(pb.BatchRecognizeEntitiesRequest(texts=texts))

    alone = await asyncio.gather(*(entities_of(nlp, text) for text in texts))
    assert [named(list(result.entities)) for result in reply.results] == list(map(named, alone))
    for result, single in zip(reply.results, alone, strict=True):
        for one, other in zip(result.entities, single, strict=True):
            assert one.confidence == pytest.approx(other.confidence, abs=1e-6)
            assert (one.start, one.end_byte) == (other.start, other.end_byte)


async def test_special_tokens_in_a_text_are_words_in_brackets(
    nlp: rpc.NlpServiceAsyncStub,
) -> None:
    text = "[CLS] Ada [SEP] Paris [PAD][MASK]"

    assert named(await entities_of(nlp, text)) == [("PER", "Ada"), ("LOC", "Paris")]


async def test_a_stream_answers_each_text_by_its_id(nlp: rpc.NlpServiceAsyncStub) -> None:
    requests = [
        pb.StreamRecognizeEntitiesRequest(
            id="a", request=pb.RecognizeEntitiesRequest(text="in Paris")
        ),
        pb.StreamRecognizeEntitiesRequest(id="b", request=pb.RecognizeEntitiesRequest(text="\0")),
    ]

    answers = {answer.id: answer async for answer in nlp.StreamRecognizeEntities(iter(requests))}

    assert answers["a"].response.entities[0].text == "Paris"
    assert answers["b"].status.message.startswith("text: character 0 is NUL")
