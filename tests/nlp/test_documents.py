from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest

from mlmesh.inference.batch_run import Answer
from mlmesh.inference.session import Arrays
from mlmesh.runtime.errors import Overloaded
from nlp.documents import run_documents

REFUSED = -1


class Graph:
    """Gives every window back after a turn of the loop; refuses one that says so."""

    def __init__(self) -> None:
        self.under_way = self.most = self.runs = 0

    async def run(self, inputs: Arrays) -> Answer:
        self.runs += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(0)
            if inputs["x"][0] == REFUSED:
                raise Overloaded("full")
            return Answer({"y": inputs["x"]}, float(inputs["x"][0]))
        finally:
            self.under_way -= 1


def windows(*values: int) -> Iterator[Arrays]:
    return ({"x": np.array([value])} for value in values)


async def test_every_document_gets_its_own_outputs_in_order() -> None:
    graph = Graph()

    found = await run_documents([windows(1, 2), windows(), windows(3)], "y", graph.run, most=8)

    assert [[int(one) for one in document.outputs] for document in found] == [[1, 2], [], [3]]
    assert [document.seconds for document in found] == [2.0, 0.0, 3.0]
    assert all(document.error is None for document in found)


async def test_a_window_that_fails_takes_only_its_document_with_it() -> None:
    graph = Graph()
    bad = windows(REFUSED, *range(100))

    found = await run_documents([windows(1), bad, windows(2)], "y", graph.run, most=2)

    assert [document.error is None for document in found] == [True, False, True]
    assert isinstance(found[1].error, Overloaded)
    # The rest of it was not worth running.
    assert graph.runs < 10


async def test_only_so_many_windows_are_under_way_at_once() -> None:
    graph = Graph()

    await run_documents([windows(*range(50)) for _ in range(4)], "y", graph.run, most=7)

    assert graph.most == 7
    assert graph.runs == 200


async def test_giving_up_ends_what_was_begun() -> None:
    graph = Graph()
    task = asyncio.create_task(run_documents([windows(*range(10_000))], "y", graph.run, most=4))
    while not graph.runs:
        await asyncio.sleep(0)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(3):
        await asyncio.sleep(0)

    assert graph.under_way == 0
    assert graph.runs < 10_000
