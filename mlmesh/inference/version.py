"""One version of a model that answers calls."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np

from mlmesh.inference.batch_run import Answer, bytes_of, parts_of, run_batch
from mlmesh.inference.batcher import Batcher, RunBatch
from mlmesh.inference.loading import Opened
from mlmesh.inference.metrics import InferenceMetrics
from mlmesh.inference.model_thread import ModelThread
from mlmesh.inference.options import VersionOptions
from mlmesh.inference.session import Arrays, Session, stoppable
from mlmesh.inference.statistics import Spent, Statistics
from mlmesh.inference.stop import Stop
from mlmesh.inference.waiting import Waiting
from mlmesh.registry.manifest import Manifest
from mlmesh.runtime.call_log import MODEL
from mlmesh.runtime.done import Awaited, Done, GiveUp
from mlmesh.runtime.measured import MEASURED, Measured
from mlmesh.runtime.tracing import MEMBERS, Batch, batch_failed, batch_ran

View = TypeVar("View")


class LoadedVersion:
    """A version in memory: its queue, and a thread for every instance of its graph.

    A context manager: it runs inside the block, and frees the graph when the block ends.
    """

    def __init__(
        self,
        manifest: Manifest,
        folder: Path,
        opened: Opened,
        options: VersionOptions,
        metrics: InferenceMetrics,
    ) -> None:
        self.manifest = manifest
        self.names = (manifest.name, manifest.version)
        self.folder = folder
        """The private copy of its files."""
        self.provider = opened.sessions[0].provider
        """What computes: the name of an ONNX Runtime execution provider."""
        self.arithmetic = opened.sessions[0].arithmetic
        """What a quantised graph computes in: "int8" on a CPU, else "float"."""
        self.devices = tuple(str(session.device) for session in opened.sessions)
        self.shaping = opened.shaping
        self.max_batch = opened.max_batch
        self.options = options
        self.statistics = Statistics()
        self._metrics = metrics
        self._books = metrics.version(manifest.name, manifest.version)
        self._sessions = opened.sessions
        self._stack = AsyncExitStack()
        self._views: dict[Any, Any] = {}
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()

    async def __aenter__(self) -> Self:
        queue = replace(self.options.queue, max_batch=self.max_batch)
        runners = [one for session in self._sessions for one in self._runners(session)]
        self._batcher = await self._stack.enter_async_context(
            Batcher(
                *runners,
                limits=queue,
                on_taken=self._count_waiting,
                on_dropped=self._books.dropped,
            )
        )
        watched = (self.manifest.name, self.manifest.version, self._batcher)
        self._metrics.watch(*watched)
        self._stack.callback(self._metrics.unwatch, *watched)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()
        # Whoever still knows this version must not keep its memory.
        self._sessions = ()
        self._views.clear()

    def hold(self) -> Hold:
        """Keep the version from being unloaded for the length of a block."""
        return Hold(self)

    def _hold(self) -> None:
        self._users += 1
        self._unused.clear()

    def _let_go(self) -> None:
        self._users -= 1
        if not self._users:
            self._unused.set()

    async def unused(self) -> None:
        """Wait until nobody holds the version."""
        await self._unused.wait()

    def view(self, make: Callable[[LoadedVersion], View]) -> View:
        """What `make` makes of this version, made once and kept as long as it is loaded."""
        if make not in self._views:
            self._views[make] = make(self)
        found: View = self._views[make]
        return found

    async def run(self, inputs: Arrays, *, deadline: float = math.inf, priority: int = 0) -> Answer:
        """Run the graph on rows that lie along the first axis of every input.

        inputs: of the manifest's dtypes and shapes. More rows than a batch may have run one batch
        after another. deadline, priority: as for Batcher.begin, which also says what is raised.
        """
        started = time.perf_counter_ns()
        try:
            answer = await self._answer(inputs, deadline, priority)
        except BaseException:
            self.statistics.fail.add(time.perf_counter_ns() - started)
            raise
        self.statistics.success.add(time.perf_counter_ns() - started)
        return answer

    def begin(
        self,
        inputs: Arrays,
        done: Done[Answer],
        *,
        deadline: float = math.inf,
        priority: int = 0,
    ) -> GiveUp:
        """The same for numbers of no more rows than a batch may have; `done` is told the answer.

        The version is not unloaded before that. Gives what gives the run up; `done` is then told a
        CancelledError.
        """
        run = _Begun(self, done)
        nbytes = sum([array.nbytes for array in inputs.values()])
        try:
            rows = self.shaping.rows_of(inputs)
            run.waiting = self._begin(inputs, rows, nbytes, run.told, deadline, priority)
        except BaseException as error:
            run.count(error)
            raise
        return run.give_up

    async def _answer(self, inputs: Arrays, deadline: float, priority: int) -> Answer:
        rows = self.shaping.rows_of(inputs)
        if rows <= self.max_batch:
            return await self._submit(inputs, rows, deadline, priority)
        answers = [
            await self._submit(part, self.shaping.rows_of(part), deadline, priority)
            for part in parts_of(inputs, rows, self.max_batch)
        ]
        outputs = {
            name: np.concatenate([answer.outputs[name] for answer in answers])
            for name in answers[0].outputs
        }
        return Answer(outputs, sum(answer.seconds for answer in answers))

    async def _submit(self, inputs: Arrays, rows: int, deadline: float, priority: int) -> Answer:
        nbytes = await bytes_of(inputs)
        told: Awaited[Answer] = Awaited()
        began = time.perf_counter_ns()
        waiting = self._begin(inputs, rows, nbytes, told.tell, deadline, priority)
        try:
            answer = await told.get()
        except asyncio.CancelledError:
            self._batcher.give_up(waiting)
            raise
        if (measured := MEASURED.get()) is not None:
            _measure(measured, answer, began)
        return answer

    def _begin(
        self,
        inputs: Arrays,
        rows: int,
        nbytes: int,
        done: Done[Answer],
        deadline: float,
        priority: int,
    ) -> Waiting[Arrays, Answer]:
        return self._batcher.begin(
            inputs,
            rows,
            done,
            nbytes=nbytes,
            key=self.shaping.key_of(inputs),
            deadline=deadline,
            priority=priority,
        )

    def _runners(self, session: Session) -> list[RunBatch[Arrays, Answer]]:
        """One for the batch that runs, and one for each that waits for the session's thread."""
        # On CUDA a full batch takes little longer than one row: what comes had better join it.
        ahead = self.options.ahead if session.device.kind == "cpu" else 0
        return [self._runner(session)] * (1 + ahead)

    def _runner(self, session: Session) -> RunBatch[Arrays, Answer]:
        """Runs batches on one session, in a thread of its own: models never wait for each other."""
        name = f"{self.manifest.name}-{self.manifest.version}"
        thread = ModelThread(name)
        self._stack.push_async_callback(thread.close)

        async def run(items: Sequence[Arrays], stop: Stop) -> list[Answer]:
            options = stoppable()
            stop.on_request(partial(setattr, options, "terminate", True))
            began = time.time_ns()
            try:
                answers, rows, spent = await thread.do(
                    partial(run_batch, session, self.shaping, items, options)
                )
            except Exception as error:
                self._books.failed()
                if MEMBERS.get():
                    batch_failed(self._batch(len(items), began), error)
                raise
            trace_id = self._traced(len(items), rows, spent, began) if MEMBERS.get() else ""
            self.statistics.ran(len(items), rows, spent)
            self._books.ran(rows, spent, trace_id)
            return answers

        return run

    def _traced(self, items: int, rows: int, spent: Spent, began: int) -> str:
        """Make the spans of a batch that was run just now; gives a trace that it is in."""
        batch = self._batch(items, began)
        computed = batch.ended - spent.parting
        return batch_ran(
            replace(batch, rows=rows, computed=computed, computing_began=computed - spent.computing)
        )

    def _batch(self, items: int, began: int) -> Batch:
        """What was run just now, for traces."""
        manifest = self.manifest
        return Batch(manifest.name, manifest.version, self.provider, items, began, time.time_ns())

    def _count_waiting(self, seconds: float) -> None:
        self.statistics.queue.add(int(seconds * 1e9))
        self._books.waited(seconds)


class Hold:
    """A class, not a generator, because it stands around every call."""

    __slots__ = ("_version",)

    def __init__(self, version: LoadedVersion) -> None:
        self._version = version

    def __enter__(self) -> LoadedVersion:
        version = self._version
        version._hold()
        MODEL.set(version.names)
        return version

    def __exit__(self, *_: object) -> None:
        self._version._let_go()


class _Begun:
    """A run that `LoadedVersion.begin` began; it keeps the version from being unloaded."""

    __slots__ = ("_done", "_measured", "_started", "_version", "waiting")

    def __init__(self, version: LoadedVersion, done: Done[Answer]) -> None:
        self._version = version
        self._done = done
        self._measured = MEASURED.get()
        self._started = time.perf_counter_ns()
        self.waiting: Waiting[Arrays, Answer] | None = None
        version._hold()

    def told(self, answer: Answer | None, error: BaseException | None) -> None:
        self.count(error)
        if answer is not None and self._measured is not None:
            _measure(self._measured, answer, self._started)
        self.waiting = None
        self._done(answer, error)

    def count(self, error: BaseException | None) -> None:
        """It has ended."""
        version = self._version
        counted = version.statistics.success if error is None else version.statistics.fail
        counted.add(time.perf_counter_ns() - self._started)
        version._let_go()

    def give_up(self) -> None:
        if self.waiting is not None:
            self._version._batcher.give_up(self.waiting)


def _measure(measured: Measured, answer: Answer, began: int) -> None:
    computing = int(answer.seconds * 1e9)
    waiting = time.perf_counter_ns() - began - computing - answer.batching_ns
    measured.add(max(0, waiting), answer.batching_ns, computing)
