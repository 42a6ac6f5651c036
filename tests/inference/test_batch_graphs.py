"""Batches of real graphs in ONNX Runtime: nobody's answer depends on the neighbours."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from mlmesh.inference.batcher import QueueLimits
from mlmesh.inference.loading import Opened
from mlmesh.inference.options import VersionOptions
from mlmesh.inference.session import Arrays, BadGraph
from mlmesh.inference.version import LoadedVersion
from mlmesh.registry.manifest import Batching, Dtype
from tests.inference.graphs import WORDS, write_centred, write_lookup, write_positive, write_texts
from tests.inference.loaded import loaded, opened_from, same
from tests.inference.open_inference.tensor_models import write_mirror

EIGHT = VersionOptions(queue=QueueLimits(max_batch=8))
SIXTEEN = VersionOptions(queue=QueueLimits(max_batch=16))
FILLED = Batching(buckets=(4, 8))
LENGTHS = {"no buckets": (), "buckets": (4, 16)}


async def alone(version: LoadedVersion, items: Sequence[Arrays]) -> list[Arrays]:
    return [(await version.run(item)).outputs for item in items]


async def together(version: LoadedVersion, items: Sequence[Arrays]) -> list[Arrays | BaseException]:
    """What each item gets when all come at once; the queue then fills batches as it may."""
    runs = (version.run(item) for item in items)
    answers = await asyncio.gather(*runs, return_exceptions=True)
    return [one if isinstance(one, BaseException) else one.outputs for one in answers]


@pytest.fixture(scope="module", params=list(LENGTHS))
def texts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("texts")
    return write_texts(root, buckets=LENGTHS[request.param], rows=(1, 4, 16))


@pytest.fixture(scope="module")
def opened_texts(texts: Path) -> Opened:
    return opened_from(texts, SIXTEEN)


SIZES = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 24)), min_size=2, max_size=10)


@settings(deadline=None, max_examples=60)
@given(sizes=SIZES, seed=st.integers(0, 2**32 - 1))
def test_texts_of_any_lengths_get_the_same_answers_alone_and_together(
    texts: Path, opened_texts: Opened, sizes: list[tuple[int, int]], seed: int
) -> None:
    chance = np.random.default_rng(seed)
    items = [
        {"ids": chance.integers(0, WORDS, size), "mask": chance.integers(0, 2, size)}
        for size in sizes
    ]

    async def compare() -> int:
        async with loaded(texts, SIXTEEN, opened_texts) as version:
            expected = await alone(version, items)
            runs = version.statistics.execution_count
            found = await together(version, items)
            for item, one, other in zip(items, expected, found, strict=True):
                assert not isinstance(other, BaseException)
                assert same(one, other)
                assert one["each"].shape == (*item["ids"].shape, 3)
            return version.statistics.execution_count - runs

    assert asyncio.run(compare()) <= len(items)


async def test_texts_of_different_lengths_do_run_together(tmp_path: Path) -> None:
    folder = write_texts(tmp_path)
    items = [
        {name: np.ones((1, length), np.int64) for name in ("ids", "mask")} for length in (3, 9, 5)
    ]

    async with loaded(folder) as version:
        await together(version, items)

        assert version.statistics.execution_count == 1
        assert list(version.statistics.batches) == [3]


@pytest.mark.parametrize("buckets", [(), (1, 2, 4, 8)])
async def test_only_the_poison_fails_in_five_hundred_batches_of_eight(
    tmp_path: Path, buckets: tuple[int, ...]
) -> None:
    folder = write_lookup(tmp_path, Batching(buckets=buckets))
    chance = random.Random(0)
    good = [{"id": np.array([[number]])} for number in range(WORDS)]
    poison = {"id": np.array([[WORDS]])}
    async with loaded(folder, EIGHT) as version:
        expected = await alone(version, good)
        rounds = version.statistics.execution_count
        for _ in range(500):
            numbers = [chance.randrange(WORDS) for _ in range(8)]
            bad = set(chance.sample(range(8), chance.randint(1, 7)))
            items = [poison if at in bad else good[number] for at, number in enumerate(numbers)]

            answers = await together(version, items)

            for at, (number, answer) in enumerate(zip(numbers, answers, strict=True)):
                if at in bad:
                    assert "out of data bounds" in str(answer)
                else:
                    assert not isinstance(answer, BaseException)
                    assert same(answer, expected[number])
        statistics = version.statistics
        # Eight rows run at once, then in halves of those that fail: at most four good runs each.
        assert statistics.execution_count - rounds <= 500 * 4
        assert statistics.success.count + statistics.fail.count == WORDS + 500 * 8


async def test_a_row_that_poisons_another_row_of_its_own_item_fails_as_one(tmp_path: Path) -> None:
    async with loaded(write_lookup(tmp_path), EIGHT) as version:
        items = [{"id": np.array([[1], [WORDS]])}, {"id": np.array([[2], [3]])}]

        bad, good = await together(version, items)

        assert isinstance(bad, Exception)
        assert not isinstance(good, BaseException)
        assert good["number"].tolist() == [[6, 7, 8], [9, 10, 11]]


async def test_rows_that_change_each_other_never_run_with_a_neighbours(tmp_path: Path) -> None:
    items = [{"x": np.array(rows, np.float32)} for rows in ([[2, 4], [4, 8]], [[1, 1]], [[9, 0]])]

    async with loaded(write_centred(tmp_path, together=False), EIGHT) as version:
        expected = await alone(version, items)
        found = await together(version, items)

        assert version.max_batch == 1
        for one, other in zip(expected, found, strict=True):
            assert not isinstance(other, BaseException)
            assert same(one, other)
        assert expected[0]["y"].tolist() == [[-1, -2], [1, 2]]


async def test_a_graph_that_loses_rows_only_now_and_then_gives_nobody_those_of_others(
    tmp_path: Path,
) -> None:
    """It passes the warm-up on zeros, and drops rows below -1."""
    folder = write_positive(tmp_path, together=True, above=-1)
    items = [{"x": np.array(rows, np.float32)} for rows in ([[-5, 0], [1, 1]], [[2, 2]], [[3, 3]])]

    async with loaded(folder, EIGHT) as version:
        bad, *good = await together(version, items)

        assert isinstance(bad, BadGraph)
        assert "y has 1 rows where the inputs have 2; say `together: false`" in str(bad)
        for item, outputs in zip(items[1:], good, strict=True):
            assert not isinstance(outputs, BaseException)
            assert same({"y": item["x"]}, outputs)


async def test_a_graph_of_fixed_shape_runs_one_item_after_another(tmp_path: Path) -> None:
    folder = write_mirror(tmp_path, "fixed", {"x": ("float32", (2, 2))})
    items = [{"x": np.full((2, 2), number, np.float32)} for number in range(5)]

    async with loaded(folder, EIGHT) as version:
        found = await together(version, items)

        assert version.statistics.execution_count == 5
        for number, outputs in enumerate(found):
            assert not isinstance(outputs, BaseException)
            assert np.all(outputs["x_out"] == number)


@pytest.mark.parametrize("dtype", ["string", "bfloat16", "float16", "bool", "uint64"])
async def test_unequal_rows_of_any_dtype_come_back_bit_by_bit(tmp_path: Path, dtype: Dtype) -> None:
    folder = write_mirror(tmp_path, "mirror", {"x": (dtype, (None, 2))}, batching=FILLED)
    chance = np.random.default_rng(0)
    items = []
    for rows in (1, 3, 2):
        numbers = chance.integers(0, 2, (rows, 2))
        if dtype == "string":
            array = np.array([[f"{one} \N{SNOWMAN}" for one in row] for row in numbers], object)
        else:
            array = (numbers * 3).astype("uint16" if dtype == "bfloat16" else dtype)
        items.append({"x": array})

    async with loaded(folder, EIGHT) as version:
        found = await together(version, items)

        assert list(version.statistics.batches) == [6]
        for item, outputs in zip(items, found, strict=True):
            assert not isinstance(outputs, BaseException)
            assert same({"x_out": item["x"]}, outputs)
