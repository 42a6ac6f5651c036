from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlmesh.registration.measuring import Measured, Plan, measure
from mlmesh.registration.refusal import Refused
from mlmesh.registration.rows import Making
from mlmesh.registry.manifest import Golden
from tests.registration import graphs


def measured(graph: Path, golden: Path | None = None, rows: int = 8, **making: Any) -> Measured:
    return measure(Plan(graph=graph, golden=golden, rows=rows, making=Making(**making)))


def golden_of(found: Measured) -> Golden:
    assert found.golden is not None
    return found.golden


def test_a_random_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="golden: y is another every time"):
        measured(graphs.unary(tmp_path / "random.onnx", "RandomNormalLike"))


def test_answers_that_are_no_numbers_ask_for_better_rows(tmp_path: Path) -> None:
    graph = graphs.unary(tmp_path / "log.onnx", "Log")

    with pytest.raises(Refused, match=r"golden: y is infinite or no number.*--golden"):
        measured(graph)
    assert measured(graph, ranges={"x": (1, 2)}).golden


def test_the_same_seed_makes_the_same_rows(tmp_path: Path) -> None:
    graph = graphs.network(tmp_path / "net.onnx")

    assert measured(graph) == measured(graph)
    assert golden_of(measured(graph)) != golden_of(measured(graph, seed=1))


def test_texts_stay_texts(tmp_path: Path) -> None:
    found = measured(graphs.texts(tmp_path / "texts.onnx"))

    assert (found.scores, found.columns) == ("", 0)
    assert golden_of(found).inputs == {"text": golden_of(found).outputs["same"]}
    assert isinstance(golden_of(found).inputs["text"][0][0], str)


def test_a_text_model_gets_small_tokens_and_a_mask_of_ones(tmp_path: Path) -> None:
    golden = golden_of(measured(graphs.tokens(tmp_path / "tokens.onnx")))

    assert np.shape(golden.inputs["input_ids"]) == (8, 8)
    assert set(np.ravel(golden.inputs["input_ids"])) <= set(range(10))
    assert set(np.ravel(golden.inputs["attention_mask"])) == {1}


@pytest.mark.parametrize("name", ["tokens", "input_ids[1]"])
def test_sizes_of_free_axes_can_be_said(name: str, tmp_path: Path) -> None:
    sizes = {name: 3, "attention_mask[1]": 3}

    found = measured(graphs.tokens(tmp_path / "tokens.onnx"), rows=2, sizes=sizes,
                     axes={"input_ids": ("batch", "tokens")})  # fmt: skip

    assert np.shape(golden_of(found).inputs["input_ids"]) == (2, 3)


def test_a_graph_that_fails_on_made_up_rows_says_what_helps(tmp_path: Path) -> None:
    graph = graphs.tokens(tmp_path / "tokens.onnx", vocabulary=3)

    with pytest.raises(Refused, match=r"trial: the graph fails on input_ids \[8, 8\].*--range"):
        measured(graph)
    assert measured(graph, ranges={"input_ids": (0, 2)}).neighbours.independent


def test_golden_rows_that_somebody_has_are_used(tmp_path: Path) -> None:
    rows = tmp_path / "golden.json"
    rows.write_text(json.dumps({"inputs": {"x": [[1, 2], [3, 4]]}, "outputs": {"y": [[3], [7]]}}))

    golden = golden_of(measured(graphs.regressor(tmp_path / "sum.onnx"), rows))

    assert golden.inputs == {"x": [[1, 2], [3, 4]]}
    assert golden.outputs == {"y": [[3], [7]]}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"inputs": {"x": [[1, 2]]}, "outputs": {"y": [[9]]}}, "golden: y is not what the graph"),
        ({"inputs": {"x": [[1, 2]]}, "outputs": {"y": [3]}}, "golden: y is not what the graph"),
        ({"inputs": {"z": [[1, 2]]}}, "the graph's input x is missing, there is z"),
        ({"inputs": {"x": [[1, 2, 3]]}}, r"golden: x has the shape \(1, 3\), expected \[any, 2\]"),
        ({"inputs": {"x": [["a", "b"]]}}, "x: expected float32"),
        ({"inputs": {"x": []}}, "needs the same number of rows"),
        ({"inputs": {"x": [[1, 2], [3]]}}, "inhomogeneous"),
        ({"x": [[1, 2]]}, 'expected {"inputs"'),
        ([], 'expected {"inputs"'),
    ],
)
def test_golden_rows_that_do_not_fit_are_refused(said: object, reason: str, tmp_path: Path) -> None:
    rows = tmp_path / "golden.json"
    rows.write_text(json.dumps(said))

    with pytest.raises(Refused, match=reason):
        measured(graphs.regressor(tmp_path / "sum.onnx"), rows)


def test_as_many_golden_rows_are_kept_as_fit_into_a_manifest(tmp_path: Path) -> None:
    found = measured(graphs.wide(tmp_path / "wide.onnx", 150_000))

    assert len(golden_of(found).inputs["x"]) == len(golden_of(found).outputs["y"]) == 1


def test_no_golden_row_is_kept_where_one_is_too_large(tmp_path: Path) -> None:
    assert measured(graphs.wide(tmp_path / "wide.onnx", 250_000), rows=2).golden is None


def test_scores_that_sum_to_one_are_probabilities(tmp_path: Path) -> None:
    net = measured(graphs.network(tmp_path / "net.onnx"))
    total = measured(graphs.regressor(tmp_path / "sum.onnx"))

    assert (net.scores, net.columns, net.probabilities) == ("p", 3, True)
    assert (total.scores, total.columns, total.probabilities) == ("y", 1, False)


def test_rows_of_a_network_leave_each_other_alone(tmp_path: Path) -> None:
    assert measured(graphs.network(tmp_path / "net.onnx")).neighbours.independent


def test_a_neighbour_that_changes_answers_is_found(tmp_path: Path) -> None:
    found = measured(graphs.mean_of_batch(tmp_path / "mean.onnx")).neighbours

    assert not found.independent
    assert "a batch neighbour changes y" in found.reason


def test_an_output_without_rows_keeps_calls_apart(tmp_path: Path) -> None:
    found = measured(graphs.total_of_batch(tmp_path / "total.onnx")).neighbours

    assert not found.independent
    assert "free first axis" in found.reason


def test_a_graph_of_fixed_size_is_run_with_that_size(tmp_path: Path) -> None:
    found = measured(graphs.network(tmp_path / "net.onnx", batch=4))

    assert found.fixed_rows == 4
    assert "fixes the rows" in found.neighbours.reason
    assert len(golden_of(found).inputs["x"]) == 4


def test_a_classifier_of_scikit_learn_with_a_map_of_outputs_says_how_to_export_it(
    tmp_path: Path,
) -> None:
    with pytest.raises(Refused, match=r"outputs: .*options=\{'zipmap': False\}"):
        measured(graphs.scikit_learn(tmp_path / "map.onnx", zipmap=True))
