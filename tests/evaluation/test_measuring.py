"""Asking about every item of a set."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import grpc
import pytest

from mlmesh.evaluation.evaluation import HeldOutSet
from mlmesh.evaluation.measuring import CALLERS, measure
from mlmesh.evaluation.served import NotEvaluated, Served, asking
from mlmesh.v1 import predictor_pb2 as pb, predictor_pb2_grpc as rpc

Items = Sequence[int]


@pytest.fixture
def served() -> Iterator[Served]:
    """Nobody answers there, and nobody is asked."""
    with grpc.insecure_channel("127.0.0.1:1") as channel:
        yield Served(channel, "tiny", "v1.0", "sha256:0")


def doubled(served: Served, items: Items) -> list[int]:
    return [2 * item for item in items]


def right(items: Items, answers: Items) -> dict[str, float]:
    hits = [answer == 2 * item for item, answer in zip(items, answers, strict=True)]
    return {"right": sum(hits) / len(hits)}


def test_every_item_gets_its_own_answer_and_is_counted(served: Served) -> None:
    counts: list[int] = []

    figures = measure(HeldOutSet("numbers", range(10), doubled, right, 4), served, counts.append)

    assert figures == {"right": 1}
    assert counts == [4, 4, 2]


def test_several_calls_are_under_way_at_once(served: Served) -> None:
    together = threading.Barrier(CALLERS, timeout=10)

    def ask(served: Served, items: Items) -> list[int]:
        together.wait()
        return doubled(served, items)

    measure(HeldOutSet("numbers", range(2 * CALLERS), ask, right, 1), served, lambda count: None)


def test_the_first_failure_ends_it(served: Served) -> None:
    asked: list[int] = []

    def ask(served: Served, items: Items) -> list[int]:
        asked.extend(items)
        raise NotEvaluated("refused")

    with pytest.raises(NotEvaluated, match="refused"):
        measure(HeldOutSet("numbers", range(1000), ask, right, 1), served, lambda count: None)

    assert len(asked) < 1000


def test_an_item_without_an_answer_is_noticed(served: Served) -> None:
    held = HeldOutSet("numbers", range(4), lambda served, items: items[1:], right)

    with pytest.raises(NotEvaluated, match="numbers: 3 answers for 4 items"):
        measure(held, served, lambda count: None)


def test_a_set_without_items_gives_no_figures(served: Served) -> None:
    with pytest.raises(NotEvaluated, match="numbers: the set has no items"):
        measure(HeldOutSet("numbers", [], doubled, right), served, lambda count: None)


def test_too_few_items_for_a_figure_are_said_to_be_too_few(served: Served) -> None:
    def figures(items: Items, answers: Items) -> dict[str, float]:
        raise ValueError("only one class")

    with pytest.raises(NotEvaluated, match=r"from so few items \(3\): only one class"):
        measure(HeldOutSet("numbers", range(3), doubled, figures), served, lambda count: None)


@pytest.mark.parametrize(
    ("limit", "chosen"), [(1, [0]), (3, [0, 3, 6]), (10, [*range(10)]), (99, [*range(10)])]
)
def test_a_part_of_a_set_is_spread_over_it(limit: int, chosen: list[int]) -> None:
    part = HeldOutSet("numbers", range(10), doubled, right, 4).part(limit)

    assert list(part.items) == chosen
    assert (part.name, part.batch) == ("numbers", 4)


def test_a_service_that_is_away_is_named_with_what_helps() -> None:
    with (
        pytest.raises(
            NotEvaluated, match=r"no service answers at 127.0.0.1:1 .*mlmesh up.*--target"
        ),
        asking("127.0.0.1:1") as channel,
    ):
        rpc.PredictorServiceStub(channel).Predict(pb.PredictRequest())
