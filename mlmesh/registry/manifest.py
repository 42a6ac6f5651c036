"""What a model version says of itself: `manifest.json`, beside `model.onnx`.

The manifest is everything that a server, a caller or an auditor needs to know and that the graph
cannot say: what the columns mean, which values training saw, how good the model is and on what.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MANIFEST_FILE = "manifest.json"
MODEL_FILE = "model.onnx"
NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,63}$"

Dtype = Literal[
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
    "float16", "bfloat16", "float32", "float64", "string",
]  # fmt: skip


_SCORES = frozenset({"float16", "bfloat16", "float32", "float64"})


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Tensor(_Part):
    """One input or output of the graph."""

    name: str
    dtype: Dtype
    shape: tuple[int | None, ...]
    """Sizes by axis; null where the graph takes any size. The first axis is the batch."""


class Feature(_Part):
    """One value that a caller sends, in natural units, and where it goes in the graph's inputs."""

    name: str
    kind: Literal["numeric", "categorical"]
    description: str = ""
    unit: str = ""
    input: str
    """Name of the graph's input that holds this feature."""
    column: int = Field(ge=0)
    """Column of that input."""
    minimum: float | None = None
    """Smallest value in the training data (numeric features); null when it is not known."""
    maximum: float | None = None
    """Largest value in the training data (numeric features); null when it is not known."""
    categories: tuple[str, ...] = ()
    """Accepted names (categorical features); the graph gets the position in this list."""
    baseline: float | str
    """What explanations compare with: the training median or most frequent category."""

    @model_validator(mode="after")
    def _kind_has_its_fields(self) -> Self:
        if self.kind == "categorical":
            if not self.categories or self.baseline not in self.categories:
                raise ValueError(
                    f"{self.name}: a categorical feature needs categories and a baseline among them"
                )
        elif isinstance(self.baseline, str) or (self.minimum is None) != (self.maximum is None):
            raise ValueError(
                f"{self.name}: a numeric feature needs a numeric baseline, "
                "and both minimum and maximum or neither"
            )
        return self


class Training(_Part):
    """Where the weights come from, as far as it is known."""

    data: str = ""
    licence: str = ""
    """Licence of the training data."""
    citation: str = ""
    rows: int = Field(default=0, ge=0)
    split: str = ""
    """How the rows that the metrics were computed on were held out."""
    seed: int = 0
    seconds: float = Field(default=0, ge=0)
    """CPU seconds that training took."""
    method: str = ""


class Evaluation(_Part):
    """Figures on held-out data, and what simpler or stronger methods reach on the same rows."""

    rows: int = Field(default=0, ge=0)
    metrics: dict[str, float] = {}
    baselines: dict[str, dict[str, float]] = {}
    notes: str = ""


class Golden(_Part):
    """Inputs with the outputs that were computed for them where the model comes from.

    Nested lists by the names of the graph: of numbers, or of texts for string tensors.
    """

    inputs: dict[str, list[Any]]
    outputs: dict[str, list[Any]]
    tolerance: float = Field(gt=0)
    """Largest absolute difference that a faithful runtime may show."""


class Lengths(_Part):
    """Inputs whose second axis is as long as the caller makes it, for example tokens of a text.

    Items of different lengths run together when the shorter ones are padded.
    """

    inputs: dict[str, float]
    """What each of these inputs is padded with."""
    outputs: tuple[str, ...] = ()
    """Outputs whose second axis is cut back to the item's own length."""
    buckets: tuple[int, ...] = ()
    """Lengths to pad to, ascending; only items of one bucket run together, so little is wasted.
    Beyond the last one, and without any, a batch is padded to its longest item."""


class Batching(_Part):
    """How the graph takes several callers' rows in one run."""

    together: bool = True
    """Whether rows of several callers may run together; not when a neighbour changes an answer."""
    max_rows: int | None = Field(default=None, ge=1)
    """Most rows in one run; null leaves it to the server's settings."""
    buckets: tuple[int, ...] = ()
    """Sizes that a batch is filled up to, ascending; empty: it runs as it is."""
    lengths: Lengths | None = None

    @model_validator(mode="after")
    def _buckets_ascend(self) -> Self:
        lengths = self.lengths.buckets if self.lengths else ()
        for name, sizes in (("buckets", self.buckets), ("lengths.buckets", lengths)):
            if list(sizes) != sorted(set(sizes)) or (sizes and sizes[0] < 1):
                raise ValueError(f"{name} must be above 0 and ascend")
        return self


class Manifest(_Part):
    """The card of one model version."""

    format: Literal[1] = 1
    name: str = Field(pattern=NAME_PATTERN)
    version: str = Field(pattern=NAME_PATTERN)
    service: str = ""
    """Full name of the service whose methods answer for it; empty: a plain graph, which the
    predictor hosts."""
    task: str = Field(default="", pattern=r"^[a-z-]{0,64}$")
    """"classification", "regression", or what else the service makes of it."""
    description: str = ""
    licence: str = ""
    """Licence of the weights."""
    files: dict[str, str]
    """sha256 of every other file of the version, by name."""
    blobs: dict[str, str] = {}
    """sha256 of files that lie in `<root>/blobs/`, by their name in this version."""
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    features: tuple[Feature, ...] = ()
    """In the order in which a caller lists them."""
    labels: tuple[str, ...] = ()
    """Names of the classes, in the order of the probabilities."""
    scores: str = ""
    """The output with the probabilities or numbers; empty: the first one."""
    batching: Batching = Batching()
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    limits: tuple[str, ...] = ()
    """What the model is not, in sentences that an adopter should read."""
    golden: Golden | None = None

    @property
    def digest(self) -> str:
        """`sha256:<hex>` of model.onnx: it names the weights that computed an answer."""
        return f"sha256:{self.files[MODEL_FILE]}"

    @property
    def score_output(self) -> Tensor:
        """The output with the probabilities or numbers."""
        return next((one for one in self.outputs if one.name == self.scores), self.outputs[0])

    @property
    def _classes(self) -> int | None:
        """How many classes have a score; None where that is open, or no scores are given.

        Whole numbers are no scores, but the classes themselves, as in a mask.
        """
        scores = self.score_output
        is_known = scores.dtype in _SCORES and scores.shape
        return scores.shape[-1] if is_known else None

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if MODEL_FILE not in self.files:
            raise ValueError(f"files: {MODEL_FILE} is missing")
        if twice := self.files.keys() & self.blobs.keys():
            raise ValueError(f"blobs: {', '.join(sorted(twice))} is among the files, too")
        if self.task == "classification" and len(self.labels) < 2:
            raise ValueError("labels: a classifier needs two or more")
        inputs = {tensor.name for tensor in self.inputs}
        if lost := [feature.name for feature in self.features if feature.input not in inputs]:
            raise ValueError(
                f"features: {', '.join(lost)} go to an input that the graph does not have"
            )
        self._check_columns()
        self._check_names()
        classes = self._classes
        if self.labels and classes is not None and len(self.labels) != classes:
            raise ValueError(f"labels: {len(self.labels)}, but the graph has {classes} classes")
        names = [feature.name for feature in self.features]
        if len(set(names)) != len(names):
            raise ValueError("features: names must differ")
        return self

    def _check_names(self) -> None:
        """What names an input or output names one that is there."""
        if not self.outputs:
            raise ValueError("outputs: a model needs one")
        inputs = {tensor.name for tensor in self.inputs}
        outputs = {tensor.name for tensor in self.outputs}
        lengths = self.batching.lengths or Lengths(inputs={})
        for field, said, known in (
            ("scores", {self.scores} - {""}, outputs),
            ("batching.lengths.inputs", set(lengths.inputs), inputs),
            ("batching.lengths.outputs", set(lengths.outputs), outputs),
            ("golden.inputs", set(self.golden.inputs if self.golden else inputs), inputs),
            ("golden.outputs", set(self.golden.outputs if self.golden else ()), outputs),
        ):
            if unknown := said - known:
                raise ValueError(f"{field}: the graph has no {', '.join(sorted(unknown))}")
        if self.golden and (missing := inputs - self.golden.inputs.keys()):
            raise ValueError(f"golden.inputs: {', '.join(sorted(missing))} is missing")

    def _check_columns(self) -> None:
        """Every column of every input is one feature's, if the model has features at all."""
        for tensor in self.inputs if self.features else ():
            columns = sorted(one.column for one in self.features if one.input == tensor.name)
            width = tensor.shape[-1] if len(tensor.shape) > 1 else None
            if columns != list(range(len(columns) if width is None else width)):
                raise ValueError(
                    f"features: {tensor.name} has {width} columns, features go to {columns}"
                )


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a version's folder; raises OSError or pydantic's ValidationError."""
    return Manifest.model_validate_json((folder / MANIFEST_FILE).read_bytes())


def write_manifest(folder: Path, manifest: Manifest) -> None:
    text = manifest.model_dump_json(indent=2, exclude_defaults=False)
    (folder / MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
