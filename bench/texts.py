"""Texts a second through the nlp service, against the same model called in this process.

    python bench/texts.py [--seconds 5] [--rounds 3]

The service runs in a process of its own, as it is shipped, and is asked by gRPC. In-process means
the same tokenizer and the same session on one thread, given as many texts at a time as there are
callers; like the service it runs texts of about one length together. The texts are the sentences of
this project's own pages.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

import grpc
import numpy as np

from mlmesh.inference.batch import Shaping
from mlmesh.inference.session import Arrays, Session, SessionOptions
from mlmesh.registry.manifest import MODEL_FILE, Manifest
from mlmesh.registry.pins import PINS_FILE, read_pins
from mlmesh.registry.private_copy import copy_verified
from mlmesh.registry.signature import Trust
from mlmesh.registry.store import versions_in
from mlmesh.v1 import nlp_pb2 as pb, nlp_pb2_grpc as rpc
from nlp.sentences import sentences_of
from nlp.settings import NlpSettings
from nlp.tokenizer import TOKENIZER_FILE, TextTokenizer
from nlp.word_shapes import shapes_of

ROOT = Path(__file__).parents[1]
CALLERS = (1, 8, 32)
TEXTS = 400
LONGEST = 126

Ask = Callable[[Any, str], Awaitable[object]]
METHODS: dict[str, Ask] = {
    "sentiment": lambda stub, text: stub.AnalyzeSentiment(pb.AnalyzeSentimentRequest(text=text)),
    "entities": lambda stub, text: stub.RecognizeEntities(pb.RecognizeEntitiesRequest(text=text)),
    "embeddings": lambda stub, text: stub.Embed(
        pb.EmbedRequest(text=text, encoding=pb.EMBEDDING_ENCODING_BYTES)
    ),
}


@dataclass(frozen=True, slots=True)
class InProcess:
    """A model as somebody would call it who has no service."""

    session: Session
    shaping: Shaping
    tokenizer: TextTokenizer

    def run(self, texts: Sequence[str]) -> None:
        """Answer texts, those of about one length in one run."""
        groups = defaultdict(list)
        for item in map(self._read, texts):
            groups[self.shaping.key_of(item)].append(item)
        for items in groups.values():
            self.session.run(self.shaping.join(items).inputs)

    def _read(self, text: str) -> Arrays:
        pieces = self.tokenizer.read(text)
        ids = [self.tokenizer.opening, *pieces.ids[:LONGEST].tolist(), self.tokenizer.closing]
        found = {"input_ids": np.array([ids]), "attention_mask": np.ones((1, len(ids)), np.int64)}
        if any(tensor.name == "shape_ids" for tensor in self.shaping.inputs):
            offsets = list(zip(pieces.starts.tolist(), pieces.ends.tolist(), strict=True))
            shapes = shapes_of(text, pieces.words.tolist(), offsets)[:LONGEST]
            found["shape_ids"] = np.array([[0, *shapes, 0]])
        return found


def sample() -> list[str]:
    """Sentences of every length, always the same ones."""
    pages = [page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("*.md"))]
    found = [page[start:end] for page in pages for start, end in sentences_of(page)]
    return list(islice(cycle(found), TEXTS))


def opened(name: str, models: Path, scratch: Path) -> InProcess:
    """The newest version of a shipped model."""
    pins = read_pins(models.parent / PINS_FILE)
    stored = [one for one in versions_in(models) if one.model == name][-1]
    manifest: Manifest = copy_verified(
        stored, scratch / name, Trust(pinned=frozenset(pins.values()))
    )
    session = Session(scratch / name / MODEL_FILE, SessionOptions())
    shaping = Shaping(manifest.inputs, batched=True, lengths=manifest.batching.lengths)
    return InProcess(session, shaping, TextTokenizer(scratch / name / TOKENIZER_FILE))


def in_process(model: InProcess, texts: Sequence[str], together: int, seconds: float) -> float:
    """Texts a second."""
    done = 0
    began = time.perf_counter()
    source = cycle(texts)
    while time.perf_counter() - began < seconds:
        model.run(list(islice(source, together)))
        done += together
    return done / (time.perf_counter() - began)


async def served(stub: Any, ask: Ask, texts: Sequence[str], callers: int, seconds: float) -> float:
    """Texts a second."""
    source = cycle(texts)
    done = 0
    began = time.perf_counter()

    async def call() -> None:
        nonlocal done
        while time.perf_counter() - began < seconds:
            await ask(stub, next(source))
            done += 1

    await asyncio.gather(*(call() for _ in range(callers)))
    return done / (time.perf_counter() - began)


@contextmanager
def running_service() -> Iterator[str]:
    """The shipped service; gives where it answers."""
    with socket.socket() as first, socket.socket() as second, socket.socket() as third:
        ports = []
        for one in (first, second, third):
            one.bind(("127.0.0.1", 0))
            ports.append(one.getsockname()[1])
    names = ("MLMESH_GRPC_ADDRESS", "MLMESH_HEALTH_ADDRESS", "MLMESH_METRICS_ADDRESS")
    addresses = {name: f"127.0.0.1:{port}" for name, port in zip(names, ports, strict=True)}
    process = subprocess.Popen(
        [sys.executable, "-m", "nlp"],
        cwd=ROOT,
        env={**os.environ, **addresses, "MLMESH_PROVIDER": "cpu", "MLMESH_LOG_LEVEL": "error"},
    )
    try:
        yield addresses["MLMESH_GRPC_ADDRESS"]
    finally:
        process.terminate()
        process.wait()


async def measure(address: str, models: dict[str, InProcess], seconds: float, rounds: int) -> None:
    texts = sample()
    print(f"{'model':<12}{'callers':>8}{'in-process':>12}{'served':>10}{'share':>8}")
    async with grpc.aio.insecure_channel(address) as channel:
        stub = rpc.NlpServiceStub(channel)
        for name, model in models.items():
            ask = METHODS[name]
            await stub.PredictText(pb.PredictTextRequest(input_text="x"), wait_for_ready=True)
            for callers in CALLERS:
                pairs = []
                for _ in range(rounds):
                    alone = in_process(model, texts, callers, seconds)
                    pairs.append((alone, await served(stub, ask, texts, callers, seconds)))
                alone, through = (median(column) for column in zip(*pairs, strict=True))
                share = median(through / alone for alone, through in pairs)
                print(f"{name:<12}{callers:>8}{alone:>12.1f}{through:>10.1f}{share:>8.0%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_service() as address:
        shipped = NlpSettings().models
        models = {name: opened(name, shipped, Path(folder)) for name in METHODS}
        asyncio.run(measure(address, models, said.seconds, said.rounds))


if __name__ == "__main__":
    main()
