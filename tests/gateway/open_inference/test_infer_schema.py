"""What the document says of running a model is what is read."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from jsonschema_rs import Draft202012Validator

from gateway.open_inference.datatype import DATATYPES
from gateway.open_inference.infer_request import read_infer_request
from gateway.open_inference.infer_schema import EXAMPLE, infer_request_schema
from mlmesh.runtime.errors import InvalidInput

TENSOR: dict[str, Any] = {"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}
ALLOWED: list[dict[str, Any]] = [
    EXAMPLE,
    {"inputs": [TENSOR], "id": "a", "parameters": {"priority": 1, "a": "b", "c": 1.5, "d": True}},
    {"inputs": [TENSOR], "parameters": {"binary_data_output": True}, "outputs": []},
    {"inputs": [TENSOR], "outputs": [{"name": "y", "parameters": {"binary_data": False}}]},
    {"inputs": [TENSOR | {"data": [[1]], "shape": [1, 1]}]},
    {"inputs": [TENSOR], "unknown": 1},
]
REFUSED: list[dict[str, Any]] = [
    {},
    {"inputs": []},
    {"inputs": [TENSOR], "id": 5},
    {"inputs": [TENSOR], "parameters": []},
    {"inputs": [TENSOR], "parameters": {"a": []}},
    {"inputs": [TENSOR], "parameters": {"binary_data_output": "yes"}},
    {"inputs": [TENSOR], "parameters": {str(number): 1 for number in range(101)}},
    {"inputs": [TENSOR], "outputs": [{}]},
    {"inputs": [TENSOR], "outputs": [{"name": "y", "parameters": {"binary_data": 1}}]},
    {"inputs": [TENSOR | {"name": ""}]},
    {"inputs": [TENSOR | {"datatype": "FP33"}]},
    {"inputs": [TENSOR | {"shape": [-1]}]},
    {"inputs": [TENSOR | {"shape": 1}]},
    {"inputs": [TENSOR | {"shape": [1] * 33}]},
    {"inputs": {}},
]


@pytest.fixture
def validator() -> Draft202012Validator:
    return Draft202012Validator(infer_request_schema())


@pytest.mark.parametrize("body", ALLOWED)
def test_what_it_allows_is_read(validator: Draft202012Validator, body: dict[str, Any]) -> None:
    assert validator.is_valid(body)
    assert read_infer_request("model", "", orjson.dumps(body), None)


@pytest.mark.parametrize("body", REFUSED)
def test_what_it_refuses_is_refused(validator: Draft202012Validator, body: dict[str, Any]) -> None:
    assert not validator.is_valid(body)
    with pytest.raises(InvalidInput):
        read_infer_request("model", "", orjson.dumps(body), None)


def test_it_knows_every_datatype() -> None:
    tensor = infer_request_schema()["properties"]["inputs"]["items"]

    assert tensor["properties"]["datatype"]["enum"] == list(DATATYPES)
