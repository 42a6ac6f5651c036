from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator

import numpy as np
import pytest

from mlmesh.inference.session import Arrays
from mlmesh.inference.version import Answer
from mlmesh.runtime.errors import Overloaded
from nlp.documents import LONGEST_PATIENCE, run_documents

REFUSED = -1


class Graph:
    """Gives every window back after a turn of the loop; refuses one that says so."""

    def __init__(self) -> None:
        self.under_way = self.most = self.runs = 0
        self.patience: list[float] = []

    async def run(self, inputs: Arrays, until: float) -> Answer:
        self.runs += 1
        self.patience.append(until - time.monotonic())
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

    found = await run_documents([windows(1, 2), windows(), windows(3)], "y", graph.run, 8, math.inf)

    assert [[int(one) for one in document.outputs] for document in found] == [[1, 2], [], [3]]
    assert [document.seconds for document in found] == [2.0, 0.0, 3.0]
    assert all(document.error is None for document in found)


async def test_a_window_that_fails_takes_only_its_document_with_it() -> None:
    graph = Graph()
    bad = windows(REFUSED, *range(100))

    found = await run_documents([windows(1), bad, windows(2)], "y", graph.run, 2, math.inf)

    assert [document.error is None for document in found] == [True, False, True]
    assert isinstance(found[1].error, Overloaded)
    # The rest of it was not worth running.
    assert graph.runs < 10


async def test_only_so_many_windows_are_under_way_at_once() -> None:
    graph = Graph()

    await run_documents([windows(*range(50)) for _ in range(4)], "y", graph.run, 7, math.inf)

    assert graph.most == 7
    assert graph.runs == 200


async def test_giving_up_ends_what_was_begun() -> None:
    graph = Graph()
    task = asyncio.create_task(
        run_documents([windows(*range(10_000))], "y", graph.run, 4, math.inf)
    )
    while not graph.runs:
        await asyncio.sleep(0)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(3):
        await asyncio.sleep(0)

    assert graph.under_way == 0
    assert graph.runs < 10_000


async def test_only_the_first_windows_are_as_urgent_as_their_call() -> None:
    graph = Graph()

    await run_documents([windows(*range(9))], "y", graph.run, 3, time.monotonic() + 5)

    assert max(graph.patience[:3]) <= 5
    assert min(graph.patience[3:]) > LONGEST_PATIENCE - 1


async def test_windows_of_patient_callers_do_not_wait_for_ever() -> None:
    graph = Graph()

    await run_documents([windows(1, 2)], "y", graph.run, 8, math.inf)

    assert max(graph.patience) <= LONGEST_PATIENCE
