"""The models of one service: loaded, warm, and found by name and version."""

from __future__ import annotations

import asyncio
import difflib
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from mlmesh.inference.batcher import Batcher, Stop
from mlmesh.inference.loading import load
from mlmesh.inference.session import (
    Array,
    Arrays,
    BadGraph,
    RunOptions,
    Session,
    SessionOptions,
    stoppable,
)
from mlmesh.inference.trial import TrialLimits, try_versions
from mlmesh.registry.manifest import Manifest
from mlmesh.registry.store import BadVersion, StoredVersion, versions_in
from mlmesh.runtime.errors import ModelNotFound, Unavailable

logger = logging.getLogger(__name__)

Observe = Callable[[str, str, float], None]
"""Told the model, the version and the seconds of every run."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the graph gave for an item."""

    outputs: Mapping[str, Array]
    """Every output, with as many rows as the item had."""
    seconds: float
    """How long the graph ran for the batch that the item was part of."""


@dataclass(frozen=True, slots=True)
class LoadedVersion:
    """A version that answers calls."""

    manifest: Manifest
    session: Session
    batcher: Batcher[Arrays, Answer]

    async def run(self, inputs: Arrays, *, deadline: float = math.inf, priority: int = 0) -> Answer:
        """Run the graph on rows that lie along the first axis of every input.

        deadline, priority: as for Batcher.submit, which also says what is raised.
        """
        rows = len(next(iter(inputs.values())))
        return await self.batcher.submit(inputs, rows, deadline=deadline, priority=priority)


@dataclass(frozen=True, slots=True)
class FailedVersion:
    """A version that could not be loaded."""

    stored: StoredVersion
    reason: str


@dataclass(frozen=True, slots=True)
class HostedModel:
    """A model and those of its versions that answer, oldest first."""

    name: str
    versions: dict[str, LoadedVersion] = field(default_factory=dict)
    failed: list[FailedVersion] = field(default_factory=list)

    @property
    def default_version(self) -> str:
        """The newest version that answers; empty when none does."""
        return next(reversed(self.versions), "")


@dataclass(frozen=True, slots=True)
class HostOptions:
    """How models are held."""

    session: SessionOptions = field(default_factory=SessionOptions)
    max_batch: int = 32
    max_waiting: int = 4096
    trial: TrialLimits | None = field(default_factory=TrialLimits)
    """Limits of the process that loads each version first; None when they are known to be good."""


class Host:
    """Finds models by name and version."""

    def __init__(self, models: Mapping[str, HostedModel], default_model: str) -> None:
        self.models = models
        self.default_model = default_model

    def find(self, name: str, version: str) -> LoadedVersion:
        """The version that a caller asked for; empty names mean the defaults.

        Raises ModelNotFound, or Unavailable for a version that is there but could not be loaded.
        """
        model = self.models.get(name or self.default_model)
        if model is None:
            raise ModelNotFound(
                _unknown("model: there is", name or self.default_model, self.models)
            )
        wanted = version or model.default_version
        if wanted in model.versions:
            return model.versions[wanted]
        if not wanted or any(failed.stored.version == wanted for failed in model.failed):
            raise Unavailable(
                f"model_version: {model.name} {wanted or 'has no version that'} "
                "could not be loaded, GetModel says why"
            )
        raise ModelNotFound(_unknown(f"model_version: {model.name} has", wanted, model.versions))


@asynccontextmanager
async def open_host(
    root: Path, default_model: str, options: HostOptions, observe: Observe
) -> AsyncIterator[Host]:
    """Load and warm every version below `root`; free them when the block ends.

    A version that cannot be loaded is kept as failed, with the reason.
    """
    models: dict[str, HostedModel] = {}
    async with AsyncExitStack() as stack:
        stored_versions = list(versions_in(root))
        reasons = await _tried(stored_versions, options)
        for stored, reason in zip(stored_versions, reasons, strict=True):
            model = models.setdefault(stored.model, HostedModel(stored.model))
            try:
                if reason:
                    raise BadVersion(reason)
                loaded = await stack.enter_async_context(_loaded(stored, options, observe))
            except (BadVersion, BadGraph) as error:
                reason = str(error)
                logger.error("model failed", extra={**_names(stored), "reason": reason})
                model.failed.append(FailedVersion(stored, reason))
            else:
                model.versions[stored.version] = loaded
        yield Host(models, default_model)


async def _tried(versions: Sequence[StoredVersion], options: HostOptions) -> Sequence[str]:
    """Why each version cannot be loaded; empty where it can, or is not tried."""
    if options.trial is None:
        return [""] * len(versions)
    return await try_versions(versions, options.session, options.max_batch, options.trial)


@asynccontextmanager
async def _loaded(
    stored: StoredVersion, options: HostOptions, observe: Observe
) -> AsyncIterator[LoadedVersion]:
    started = time.perf_counter()
    # One thread a version: a slow model never keeps another from running.
    with ThreadPoolExecutor(1, thread_name_prefix=f"{stored.model}-{stored.version}") as thread:
        loop = asyncio.get_running_loop()
        manifest, session = await loop.run_in_executor(
            thread, load, stored, options.session, options.max_batch
        )

        async def run(items: Sequence[Arrays], stop: Stop) -> list[Answer]:
            options = stoppable()
            stop.on_request(partial(setattr, options, "terminate", True))
            answers = await loop.run_in_executor(thread, run_batch, session, items, options)
            observe(stored.model, stored.version, answers[0].seconds)
            return answers

        batcher = Batcher(run, max_batch=options.max_batch, max_waiting=options.max_waiting)
        async with batcher:
            logger.info(
                "model loaded",
                extra={
                    **_names(stored),
                    "provider": session.provider,
                    "threads": options.session.threads,
                    "seconds": round(time.perf_counter() - started, 3),
                },
            )
            yield LoadedVersion(manifest, session, batcher)


def run_batch(session: Session, items: Sequence[Arrays], options: RunOptions) -> list[Answer]:
    """Run items as one batch and hand each its rows."""
    started = time.perf_counter()
    outputs = session.run(items[0] if len(items) == 1 else _joined(items), options)
    seconds = time.perf_counter() - started
    if len(items) == 1:
        return [Answer(outputs, seconds)]
    answers = []
    start = 0
    for item in items:
        stop = start + len(next(iter(item.values())))
        rows = {name: output[start:stop] for name, output in outputs.items()}
        answers.append(Answer(rows, seconds))
        start = stop
    return answers


def _joined(items: Sequence[Arrays]) -> dict[str, Array]:
    return {name: np.concatenate([item[name] for item in items]) for name in items[0]}


def _names(stored: StoredVersion) -> dict[str, str]:
    return {"model": stored.model, "version": stored.version}


def _unknown(whose: str, name: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name[:64], known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(sorted(known))}"
    return f"{whose} nothing named {name[:64]!r}, {hint}"
