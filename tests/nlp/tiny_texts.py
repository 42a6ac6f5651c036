"""Real models of text, small enough to be made in a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from mlmesh.registry.manifest import (
    Batching,
    Lengths,
    Tensor,
    read_manifest,
    sha256_of,
    write_manifest,
)
from nlp.service import CONTRACT
from nlp.tokenizer import TOKENIZER_FILE
from nlp.training.tags import TAGS
from nlp.word_shapes import CAPITALISED, SHAPES, UPPER
from tests.tiny_models import sign_version, write_version

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
GOOD, BAD = ("good", "great", "works"), ("bad", "awful", "broke")
NAMES = {"ada": "PER", "lovelace": "PER", "apple": "ORG", "inc": "ORG", "paris": "LOC", "of": "O"}
WORDS = ("the", "it", "is", "and", "not", "a", "said", "in", "at", ".", ",", "!", "?", "[", "]")
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
VOCABULARY = {
    piece: number
    for number, piece in enumerate(
        [*SPECIAL, *GOOD, *BAD, *NAMES, *WORDS, *(f"##{one}" for one in LETTERS)]
        + [one for one in LETTERS if one not in WORDS]
    )
}
DIMENSIONS = 384
BUCKETS = (8, 16, 32)
Table = NDArray[np.float32]


def write_sentiment(root: Path, version: str = "v1.0", **said: Any) -> Path:
    """The mean over the words: GOOD are positive, BAD negative, all others a little neutral."""
    table = np.zeros((len(VOCABULARY), 3), np.float32)
    table[:, 1] = 1
    for word in GOOD:
        table[VOCABULARY[word]] = (0, 0, 20)
    for word in BAD:
        table[VOCABULARY[word]] = (20, 0, 0)
    nodes = [*_mean(table), helper.make_node("Softmax", ["mean"], ["probabilities"], axis=1)]
    said = {"labels": ("negative", "neutral", "positive"), "task": "sentiment", **said}
    output = Tensor(name="probabilities", dtype="float32", shape=(None, 3))
    return _write(root, "sentiment", version, nodes, {"table": table}, output, **said)


def write_embeddings(root: Path, version: str = "v1.0") -> Path:
    """The mean over the words' random vectors, at length 1."""
    table = np.random.default_rng(0).normal(size=(len(VOCABULARY), DIMENSIONS))
    nodes = [
        *_mean(table),
        helper.make_node("ReduceL2", ["mean", "one"], ["length"], keepdims=1),
        helper.make_node("Div", ["mean", "length"], ["sentence_embedding"]),
    ]
    output = Tensor(name="sentence_embedding", dtype="float32", shape=(None, DIMENSIONS))
    return _write(
        root, "embeddings", version, nodes, {"table": table.astype(np.float32)}, output,
        task="embeddings",
    )  # fmt: skip


def write_entities(root: Path, version: str = "v1.0") -> Path:
    """Tags words of NAMES by their pieces alone, and only where they begin with a capital."""
    table = np.zeros((len(VOCABULARY), len(TAGS)), np.float32)
    table[:, 0] = 3
    for word, kind in NAMES.items():
        if kind != "O":
            table[VOCABULARY[word], TAGS.index(f"B-{kind}")] = 6
    for word in ("lovelace", "inc"):
        table[VOCABULARY[word], TAGS.index(f"I-{NAMES[word]}")] = 7
    small = np.zeros((SHAPES, len(TAGS)), np.float32)
    small[:, 0] = 9
    small[[CAPITALISED, UPPER], 0] = 0
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["pieces"]),
        helper.make_node("Gather", ["small", "shape_ids"], ["shapes"]),
        helper.make_node("Add", ["pieces", "shapes"], ["both"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["wide"]),
        helper.make_node("Mul", ["both", "wide"], ["masked"]),
        helper.make_node("Softmax", ["masked"], ["tag_probabilities"], axis=2),
    ]
    output = Tensor(name="tag_probabilities", dtype="float32", shape=(None, None, len(TAGS)))
    constants = {"table": table, "small": small, "last": np.array([2], np.int64)}
    return _write(
        root, "entities", version, nodes, constants, output,
        labels=TAGS, task="entities", inputs=("input_ids", "attention_mask", "shape_ids"),
        cut=("tag_probabilities",),
    )  # fmt: skip


def write_tokenizer(file: Path) -> None:
    """A tokenizer like BERT's that pads and cuts, as shipped ones do."""
    tokenizer = Tokenizer(WordPiece(VOCABULARY, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.enable_padding(length=128)
    tokenizer.enable_truncation(128)
    tokenizer.save(str(file))


def _mean(table: Any) -> list[Any]:
    """Nodes that give `mean`: of the table's rows for the ids, where the mask is 1."""
    return [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["wide"]),
        helper.make_node("Mul", ["rows", "wide"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "one"], ["sum"], keepdims=0),
        helper.make_node("ReduceSum", ["wide", "one"], ["count"], keepdims=0),
        helper.make_node("Div", ["sum", "count"], ["mean"]),
    ]


def _write(
    root: Path,
    name: str,
    version: str,
    nodes: Sequence[Any],
    constants: Mapping[str, Any],
    output: Tensor,
    inputs: Sequence[str] = ("input_ids", "attention_mask"),
    cut: tuple[str, ...] = (),
    **said: Any,
) -> Path:
    constants = {
        "last": np.array([2], np.int64), "one": np.array([1], np.int64), **constants
    }  # fmt: skip
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(one, TensorProto.INT64, ["n", "s"]) for one in inputs],
        [helper.make_tensor_value_info(output.name, TensorProto.FLOAT, _axes(output))],
        [numpy_helper.from_array(v, key) for key, v in constants.items() if key in used],
    )
    folder = write_version(
        root,
        graph,
        name=name,
        version=version,
        service=CONTRACT.full_name,
        inputs=tuple(Tensor(name=one, dtype="int64", shape=(None, None)) for one in inputs),
        outputs=(output,),
        batching=Batching(
            lengths=Lengths(inputs=dict.fromkeys(inputs, 0.0), outputs=cut, buckets=BUCKETS)
        ),
        **said,
    )
    write_tokenizer(folder / TOKENIZER_FILE)
    manifest = read_manifest(folder)
    files = {**manifest.files, TOKENIZER_FILE: sha256_of(folder / TOKENIZER_FILE)}
    write_manifest(folder, manifest.model_copy(update={"files": files}))
    sign_version(folder)
    return folder


def _axes(output: Tensor) -> list[int | str]:
    return [size or "ns"[axis] for axis, size in enumerate(output.shape)]
