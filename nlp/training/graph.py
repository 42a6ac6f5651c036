"""Exported graphs on onnxruntime's CPU provider, one text or many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from mlmesh.inference.arithmetic import Arithmetic, session_entries
from nlp.training.padding import padded

Rows = NDArray[np.int64]
Batch = dict[str, Rows]
BATCH = 32
FORMS: Mapping[Arithmetic, str] = {"int8": "cpu", "float": "cuda"}
"""What servers compute in on which devices. Without a GPU the floats are tried on a CPU."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One text as a graph reads it, with the special pieces around it."""

    pieces: list[int]
    shapes: list[int] | None = None

    def __len__(self) -> int:
        return len(self.pieces)


def batch_of(texts: Sequence[Encoded]) -> Batch:
    """Arrays by the names of the graphs' inputs."""
    tokens = padded([text.pieces for text in texts])
    batch = {"input_ids": tokens, "attention_mask": (tokens != 0).astype(np.int64)}
    shapes = [text.shapes for text in texts if text.shapes is not None]
    return {**batch, "shape_ids": padded(shapes)} if shapes else batch


def in_batches(texts: Sequence[Encoded], size: int = BATCH) -> Iterator[tuple[list[int], Batch]]:
    """Texts of similar lengths together: their places, and their arrays."""
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    for start in range(0, len(order), size):
        places = order[start : start + size]
        yield places, batch_of([texts[place] for place in places])


class Graph:
    """A version's graph."""

    def __init__(self, path: Path, form: Arithmetic = "int8", threads: int = 1) -> None:
        """form: one of FORMS."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        for name, value in session_entries(FORMS[form]).items():
            options.add_session_config_entry(name, value)
        self._session: Any = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """The only output."""
        answer: NDArray[np.float32] = self._session.run(None, batch)[0]
        return answer

    def __call__(self, texts: Sequence[Encoded]) -> list[NDArray[np.float32]]:
        """The output of every text, without its padding where it has one value per piece."""
        answers: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(texts)
        for places, batch in in_batches(texts):
            for place, answer in zip(places, self.run(batch), strict=True):
                whole = answer.ndim == 1
                answers[place] = answer if whole else answer[: len(texts[place])]
        return answers
