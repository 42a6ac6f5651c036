"""A model version that reads texts: its tokenizer, its windows, its graph."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlmesh.inference.batch_run import Answer
from mlmesh.inference.session import Array, Arrays
from mlmesh.inference.version import LoadedVersion
from mlmesh.registry.manifest import Manifest
from mlmesh.runtime.call import Call
from mlmesh.runtime.errors import InvalidInput, Precondition
from mlmesh.runtime.outcomes import Outcome, each
from nlp.documents import Answered, run_documents
from nlp.texts import Text, characters_of
from nlp.threads import beside
from nlp.tokenizer import TOKENIZER_FILE, Pieces, TextTokenizer
from nlp.windows import Window, windows_of

DEFAULT_WINDOW = 128
"""Tokens that a graph reads at once when its manifest says nothing."""
FRAME = 2
"""Tokens that stand around every window: [CLS] and [SEP]."""
AHEAD = 2
"""Batches of one caller's windows that may wait or run at once."""
LONGEST_PATIENCE = 65.0
"""Seconds in which a window says that it is wanted, if its caller waits longer or has many of them.
Batches take first what is wanted first, so the calls of others, which have 60 seconds unless they
say otherwise, go before the windows of long texts that were queued less than 5 seconds earlier."""
IDS, MASK, SHAPES = "input_ids", "attention_mask", "shape_ids"


@dataclass(frozen=True, slots=True)
class Signature:
    """What the graphs of one task take and give."""

    task: str
    output: str
    inputs: frozenset[str] = frozenset({IDS, MASK})


@dataclass(frozen=True, slots=True)
class Document:
    """A text as a graph reads it."""

    content: str
    pieces: Pieces
    windows: Sequence[Window]
    shapes: NDArray[np.int8] | None = None
    """For every piece how its word is written, where the graph wants to know."""


@dataclass(frozen=True, slots=True)
class Read:
    """A document, and what the graph gave for it."""

    document: Document
    outputs: Sequence[Array]
    """One for every window, without the batch's axis."""
    seconds: float
    """How long the slowest batch ran that one of the windows was in."""

    def mean(self) -> NDArray[np.float64]:
        """The mean of the outputs, by how much of the text each window covers."""
        weights = [window.weight for window in self.document.windows]
        found: NDArray[np.float64] = np.average(np.stack(self.outputs), axis=0, weights=weights)
        return found


class TextModel:
    """One version, with what reading texts for it takes."""

    def __init__(self, version: LoadedVersion, signature: Signature) -> None:
        """Raises Precondition when the version is made for something else."""
        self.manifest: Manifest = version.manifest
        self._signature = signature
        self._version = version
        _require(version.manifest, signature)
        try:
            self._tokenizer = TextTokenizer(version.folder / TOKENIZER_FILE)
        except ValueError as error:
            raise Precondition(
                f"model: {version.manifest.name} has no tokenizer, {error}"
            ) from None
        self._window = _longest(version.manifest) - FRAME

    async def read_all(self, texts: Sequence[Outcome[Text]]) -> list[Outcome[Document]]:
        """Every text as a document."""
        return await beside(characters_of(texts), each, texts, self.read)

    def read(self, text: Text) -> Document:
        """Raises InvalidInput for a text without anything to read."""
        pieces = self._tokenizer.read(text.content)
        if not len(pieces):
            raise InvalidInput(
                text.field, "holds only white space or control characters, send at least one word"
            )
        return Document(
            text.content,
            pieces,
            windows_of(pieces.words, self._window),
            self.shapes_of(text.content, pieces),
        )

    def shapes_of(self, content: str, pieces: Pieces) -> NDArray[np.int8] | None:
        """How the words of a text are written, if the graph wants to know."""
        return None

    async def run(self, documents: Sequence[Outcome[Document]], call: Call) -> list[Outcome[Read]]:
        """The graph's output for every window of every document."""
        good = [one for one in documents if isinstance(one, Document)]
        most = AHEAD * self._version.max_batch * len(self._version.devices)
        long = sum(len(one.windows) for one in good) > most

        async def run(inputs: Arrays) -> Answer:
            # Of a long text nobody knows when a window must be ready: its caller gives up in time.
            until = time.monotonic() + LONGEST_PATIENCE
            return await self._version.run(
                inputs,
                deadline=until if long else min(until, call.deadline),
                priority=call.priority,
            )

        inputs = [self._inputs(document) for document in good]
        answers = iter(await run_documents(inputs, self._signature.output, run, most))
        return [
            _read(one, next(answers)) if isinstance(one, Document) else one for one in documents
        ]

    def _inputs(self, document: Document) -> Iterator[Arrays]:
        opening, closing = self._tokenizer.opening, self._tokenizer.closing
        for window in document.windows:
            part = slice(window.start, window.end)
            ids = _framed(document.pieces.ids[part], opening, closing)
            inputs: dict[str, Array] = {IDS: ids, MASK: np.ones_like(ids)}
            if document.shapes is not None:
                inputs[SHAPES] = _framed(document.shapes[part], 0, 0)
            yield inputs


def _read(document: Document, answered: Answered) -> Outcome[Read]:
    return answered.error or Read(document, answered.outputs, answered.seconds)


def _framed(values: Array, opening: int, closing: int) -> Array:
    """int64 [1, values and the two around them]"""
    row = np.empty((1, len(values) + FRAME), np.int64)
    row[0, 0], row[0, 1:-1], row[0, -1] = opening, values, closing
    return row


def _longest(manifest: Manifest) -> int:
    lengths = manifest.batching.lengths
    return lengths.buckets[-1] if lengths and lengths.buckets else DEFAULT_WINDOW


def _require(manifest: Manifest, signature: Signature) -> None:
    """Refuse a version that some other task was meant for."""
    inputs = {tensor.name for tensor in manifest.inputs}
    outputs = {tensor.name for tensor in manifest.outputs}
    if manifest.task != signature.task:
        made_for = f"is made for {manifest.task or 'something else'}, not for {signature.task}"
    elif inputs != signature.inputs:
        made_for = f"takes {', '.join(sorted(inputs))}, not {', '.join(sorted(signature.inputs))}"
    elif signature.output not in outputs:
        made_for = f"gives no {signature.output}"
    else:
        return
    raise Precondition(
        f"model: {manifest.name} {made_for}; "
        f"call it by the Open Inference Protocol, POST /v2/models/{manifest.name}/infer"
    )
