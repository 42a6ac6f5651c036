"""Runs the windows of many texts, so many at once that batches fill and nobody else starves."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlmesh.inference.batch_run import Answer
from mlmesh.inference.session import Array, Arrays
from mlmesh.runtime.errors import ServingError

RunWindow = Callable[[Arrays], Coroutine[Any, Any, Answer]]


@dataclass(slots=True)
class Answered:
    """What the graph gave for one text."""

    outputs: list[Array] = field(default_factory=list)
    """One output of every window, in order, without the batch's axis."""
    error: ServingError | None = None
    """Why a window was not answered; then the outputs are not complete."""
    seconds: float = 0.0
    """How long the slowest batch ran that one of the windows was in."""


async def run_documents(
    documents: Sequence[Iterable[Arrays]], output: str, run: RunWindow, most: int
) -> list[Answered]:
    """Run every window of every document; one that fails takes only its own document with it.

    documents: the windows of each, as inputs of one row. output: the name of the one that is kept.
    most: windows that are under way at once.
    """
    answered = [Answered() for _ in documents]
    under_way: deque[tuple[Answered, asyncio.Task[Answer]]] = deque()

    async def settle() -> None:
        into, task = under_way.popleft()
        try:
            answer = await task
        except ServingError as error:
            into.error = into.error or error
            return
        into.outputs.append(answer.outputs[output][0])
        into.seconds = max(into.seconds, answer.seconds)

    try:
        for document, into in zip(documents, answered, strict=True):
            for inputs in document:
                if into.error is not None:
                    break
                if len(under_way) >= most:
                    await settle()
                under_way.append((into, asyncio.create_task(run(inputs))))
        while under_way:
            await settle()
    finally:
        for _, task in under_way:
            task.cancel()
    return answered
