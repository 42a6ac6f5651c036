"""The shipped versions, opened as servers open them: with their blobs beside the graph."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from mlmesh.inference.arithmetic import Arithmetic, session_entries
from mlmesh.registry.manifest import MODEL_FILE, Manifest, read_manifest
from nlp.tag_decoding import TagDecoder
from nlp.training.graph import FORMS
from nlp.word_shapes import shapes_of

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "nlp" / "models"
Rows = NDArray[np.int64]


class Shipped:
    """A version with its blobs beside it, as servers copy them."""

    def __init__(self, name: str, form: Arithmetic, folder: Path) -> None:
        stored = MODELS / name / "v1.0"
        self.manifest: Manifest = read_manifest(stored)
        shutil.copy(stored / MODEL_FILE, folder)
        for file, digest in self.manifest.blobs.items():
            shutil.copy(MODELS / "blobs" / digest, folder / file)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        for option, value in session_entries(FORMS[form]).items():
            options.add_session_config_entry(option, value)
        self._session: Any = onnxruntime.InferenceSession(
            folder / MODEL_FILE, options, providers=["CPUExecutionProvider"]
        )

    def run(self, inputs: dict[str, Rows]) -> NDArray[np.float32]:
        names = {tensor.name for tensor in self.manifest.inputs}
        answer: NDArray[np.float32] = self._session.run(
            None, {name: values for name, values in inputs.items() if name in names}
        )[0]
        return answer

    def batch(self, *texts: str) -> dict[str, Rows]:
        encodings = self.tokenizer.encode_batch(list(texts))
        length = max(len(one.ids) for one in encodings)
        ids, shapes = np.zeros((2, len(texts), length), np.int64)
        for row, (text, one) in enumerate(zip(texts, encodings, strict=True)):
            ids[row, : len(one.ids)] = one.ids
            shapes[row, : len(one.ids)] = shapes_of(text, one.word_ids, one.offsets)
        return {
            "input_ids": ids,
            "attention_mask": (ids != 0).astype(np.int64),
            "shape_ids": shapes,
        }


def found_in(shipped: Shipped, text: str) -> list[tuple[str, str]]:
    """The entities of a text, each with its type."""
    one = shipped.tokenizer.encode(text)
    words, offsets = one.word_ids, one.offsets
    firsts = [place for place, word in enumerate(words) if word not in (None, words[place - 1])]
    ends = {word: offset[1] for word, offset in zip(words, offsets, strict=True)}
    found = TagDecoder(shipped.manifest.labels).decode(shipped.run(shipped.batch(text))[0][firsts])
    return [
        (text[offsets[firsts[one.first]][0] : ends[words[firsts[one.last]]]], one.type)
        for one in found
    ]
