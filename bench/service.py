"""A model service in a process of its own, which works when it is told to."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import onnxruntime as ort
from graphs import cnn, encoder, mlp
from hosting import hosted
from load import Figures, called, example

from mlmesh.inference.session import (
    Array,
    Arrays,
    RunOptions,
    Session,
    SessionOptions,
    session_settings,
)

MAX_BATCH = 128
GRAPHS = {"tiny MLP": mlp, "CNN": cnn, "encoder": encoder}


@dataclass(frozen=True, slots=True)
class Setting:
    """How a service opens its graph."""

    options: SessionOptions = field(default_factory=SessionOptions)
    spinning: bool = False
    """Whether ONNX Runtime's threads look for work all the time while they have none."""


@dataclass(frozen=True, slots=True)
class Order:
    """Some work; every caller sends so many rows at a time."""

    callers: int
    seconds: float
    rows: int = 1


@dataclass(frozen=True, slots=True)
class Done:
    """What an order gave."""

    figures: Figures
    cpu_ms: float
    """CPU time of the whole process for each row."""
    resident_mb: float
    """Memory that the process holds afterwards."""


class Service:
    """The parent's end."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def begin(self, order: Order) -> None:
        self._pipe.send(order)

    def end(self) -> Done:
        """Wait until the order is done."""
        done: Done = self._pipe.recv()
        return done

    def run(self, order: Order) -> Done:
        self.begin(order)
        return self.end()


@contextmanager
def running_service(model: str, setting: Setting) -> Iterator[Service]:
    """A process that is warm; one of GRAPHS."""
    spawned = get_context("spawn")
    ours, theirs = spawned.Pipe()
    process = spawned.Process(target=_serve, args=(theirs, model, setting))
    process.start()
    theirs.close()
    try:
        ours.recv()
        yield Service(ours)
    finally:
        ours.close()
        process.join()


def _serve(pipe: Connection, model: str, setting: Setting) -> None:
    kind = _SpinningSession if setting.spinning else Session
    asyncio.run(_answer_orders(pipe, kind(GRAPHS[model](), setting.options)))


async def _answer_orders(pipe: Connection, session: Session) -> None:
    async with hosted([session], MAX_BATCH, warm_ups=(1,)) as version:
        pipe.send("ready")
        while (order := await asyncio.to_thread(_next_order, pipe)) is not None:
            item = example(session.inputs, order.rows)
            cpu = time.process_time()
            figures = await called(version, item, order.callers, order.seconds)
            cpu = time.process_time() - cpu
            rows = sum(size * runs for size, runs in figures.sizes.items())
            pipe.send(Done(figures, 1000 * cpu / rows, _resident_mb()))


def _next_order(pipe: Connection) -> Order | None:
    try:
        order: Order = pipe.recv()
    except EOFError:
        return None
    return order


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class _SpinningSession(Session):
    """mlmesh has no setting for this: its idle threads sleep."""

    def __init__(self, graph: bytes, options: SessionOptions) -> None:
        super().__init__(graph, options)
        settings = session_settings(options)
        ort.set_default_logger_severity(3)  # it warns of a setting that is made twice
        settings.add_session_config_entry("session.intra_op.allow_spinning", "1")
        settings.add_session_config_entry("session.inter_op.allow_spinning", "1")
        self._spinning = ort.InferenceSession(graph, settings)

    def run(self, inputs: Arrays, options: RunOptions | None = None) -> dict[str, Array]:
        results = self._spinning.run(None, dict(inputs), options)
        return dict(zip((tensor.name for tensor in self.outputs), results, strict=True))
