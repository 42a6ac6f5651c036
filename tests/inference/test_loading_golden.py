from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlmesh.inference.loading import array_of, difference
from mlmesh.inference.session import Array, Arrays, BadGraph, RunOptions, Session
from mlmesh.registry.manifest import MANIFEST_FILE, Dtype, Tensor
from mlmesh.registry.store import BadVersion
from tests.inference.graphs import WORDS, write_lookup
from tests.inference.loaded import opened_from
from tests.inference.open_inference.tensor_models import write_mirror


def say(folder: Path, **fields: Any) -> None:
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def golden(inputs: Any, outputs: Any, tolerance: float = 1e-6) -> dict[str, Any]:
    return {"inputs": inputs, "outputs": outputs, "tolerance": tolerance}


def lookup(folder: Path, **said: Any) -> Path:
    """A version that says these golden values of itself."""
    made = write_lookup(folder)
    say(made, golden=golden(**said))
    return made


RIGHT = [[3, 4, 5], [0, 1, 2]]


def test_golden_values_that_come_out_pass(tmp_path: Path) -> None:
    folder = lookup(tmp_path, inputs={"id": [[1], [0]]}, outputs={"number": RIGHT})

    opened = opened_from(folder)

    assert opened.shaping.batched


def test_a_difference_up_to_the_tolerance_passes(tmp_path: Path) -> None:
    near = [[3.5, 4, 5], [0, 1, 2]]
    folder = lookup(tmp_path, inputs={"id": [[1], [0]]}, outputs={"number": near}, tolerance=0.5)
    opened_from(folder)

    say(folder, golden=golden({"id": [[1], [0]]}, {"number": near}, 0.499))
    with pytest.raises(
        BadVersion, match=r"^golden: number is off by 0\.5 from .* tolerance is 0\.4"
    ):
        opened_from(folder)


WRONG: list[tuple[Any, Any, str]] = [
    ([[1]], [[3, 4]], r"^golden: number has the shape \(1, 3\) here, the manifest has \(1, 2\)$"),
    ([[1]], [3, 4, 5], r"^golden: number has the shape \(1, 3\) here, the manifest has \(3,\)$"),
    ([[1]], RIGHT, r"^golden: number has the shape \(1, 3\) here, the manifest has \(2, 3\)$"),
    ([[1]], [[3, 4, 6]], r"^golden: number is off by 1 from"),
    ([[1]], [[3, 4], [5]], r"^golden: number: setting an array element with a sequence"),
    ([[1], [2, 3]], RIGHT, r"^golden: id: setting an array element with a sequence"),
    ([["one"]], RIGHT, r"^golden: id: invalid literal"),
    ([[None]], RIGHT, r"^golden: id: int\(\) argument must be"),
    ([[2**63]], RIGHT, r"^golden: id: Python int too large"),
    ([[1]], [["3", "x", "5"]], r"^golden: number: could not convert string to float"),
]


@pytest.mark.parametrize(("inputs", "outputs", "problem"), WRONG)
def test_golden_values_that_cannot_be_or_do_not_come_out_are_refused(
    tmp_path: Path, inputs: Any, outputs: Any, problem: str
) -> None:
    folder = lookup(tmp_path, inputs={"id": inputs}, outputs={"number": outputs})

    with pytest.raises(BadVersion, match=problem):
        opened_from(folder)


def test_golden_inputs_that_the_graph_does_not_take_are_refused(tmp_path: Path) -> None:
    folder = lookup(tmp_path, inputs={"id": [[WORDS]]}, outputs={"number": RIGHT})

    with pytest.raises(BadGraph, match="out of data bounds"):
        opened_from(folder)


def test_golden_values_may_leave_outputs_out(tmp_path: Path) -> None:
    opened_from(lookup(tmp_path, inputs={"id": [[1]]}, outputs={}))


def test_golden_texts_must_come_out_letter_by_letter(tmp_path: Path) -> None:
    folder = write_mirror(tmp_path, "words", {"x": ("string", (None, 2))})
    texts = [["", "a\N{SNOWMAN}"], ["b", "c"]]
    say(folder, golden=golden({"x": texts}, {"x_out": texts}))
    opened_from(folder)

    say(folder, golden=golden({"x": texts}, {"x_out": [["", "a"], ["b", "c"]]}))
    with pytest.raises(BadVersion, match=r"^golden: x_out is off by 1 from"):
        opened_from(folder)


@pytest.mark.parametrize("texts", [[["a", "b"], ["c"]], [["a", 1]], [["a", None]]])
def test_golden_texts_that_are_none_are_refused(tmp_path: Path, texts: Any) -> None:
    folder = write_mirror(tmp_path, "words", {"x": ("string", (None, 2))})
    say(folder, golden=golden({"x": texts}, {"x_out": [["a", "b"]]}))

    with pytest.raises(BadVersion, match=r"^golden: x: "):
        opened_from(folder)


TRIPS: list[tuple[Dtype, list[Any]]] = [
    ("bool", [[True, False]]),
    ("uint8", [[0, 255]]),
    ("int64", [[-(2**63), 2**63 - 1]]),
    ("float16", [[0.5, -65504]]),
    ("bfloat16", [[1.5, -0.0078125]]),
    ("float64", [[1e308, 5e-324]]),
]


@pytest.mark.parametrize(("dtype", "values"), TRIPS)
def test_golden_values_of_every_kind_of_number_come_out(
    tmp_path: Path, dtype: Dtype, values: list[Any]
) -> None:
    folder = write_mirror(tmp_path, "mirror", {"x": (dtype, (None, 2))})
    say(folder, golden=golden({"x": values}, {"x_out": values}))

    opened_from(folder)


def tensor(dtype: Dtype) -> Tensor:
    return Tensor(name="x", dtype=dtype, shape=(None,))


def test_what_is_not_a_number_is_never_near_enough() -> None:
    nan = np.array([1, np.nan], np.float32)

    assert np.isnan(difference(nan, np.ones(2, np.float32), tensor("float32")))
    assert np.isnan(difference(np.ones(2, np.float32), nan, tensor("float32")))


def test_a_graph_that_gives_nan_for_golden_inputs_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_mirror(tmp_path, "mirror", {"x": ("float32", (None, 1))})
    say(folder, golden=golden({"x": [[1]]}, {"x_out": [[1]]}))
    run = Session.run

    def broken(self: Session, inputs: Arrays, options: RunOptions = None) -> dict[str, Array]:
        return {name: array * np.nan for name, array in run(self, inputs, options).items()}

    monkeypatch.setattr(Session, "run", broken)
    with pytest.raises(BadVersion, match=r"^golden: x_out is off by nan from"):
        opened_from(folder)


def test_differences_are_those_of_the_values() -> None:
    patterns = np.array([0x3F80, 0x4000], np.uint16)  # 1 and 2

    assert difference(patterns, patterns[::-1], tensor("bfloat16")) == 1
    assert (
        difference(array_of([], tensor("int8")), array_of([], tensor("int8")), tensor("int8")) == 0
    )
    assert difference(np.array([0], np.uint8), np.array([255], np.uint8), tensor("uint8")) == 255
    assert difference(np.array([True]), np.array([False]), tensor("bool")) == 1
