from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from tests.gateway.open_inference.tensors import DTYPES
from tests.inference.open_inference.tensor_models import write_mirror

HEADER = "inference-header-content-length"


@pytest.fixture
def model_root(model_root: Path) -> Path:
    """With graphs that give back what they get."""
    for dtype in DTYPES.values():
        write_mirror(model_root, f"mirror-{dtype.name}", {"x": (dtype.name, (None, 2))})
    write_mirror(model_root, "mirror-string", {"x": ("string", (None, 2))})
    return model_root


def binary(request: dict[str, Any], blob: bytes) -> tuple[bytes, dict[str, str]]:
    text = orjson.dumps({**request, "parameters": {"binary_data_output": True}})
    return text + blob, {HEADER: str(len(text))}


async def test_tensors_of_every_type_come_back_from_a_model_as_they_were(
    v2: httpx.AsyncClient,
) -> None:
    for name, dtype in DTYPES.items():
        values = np.array([[0, 1], [1, 0]], dtype)
        x = {"name": "x", "datatype": name, "shape": [2, 2]}
        path = f"/models/mirror-{dtype.name}/infer"
        body, headers = binary(
            {"inputs": [{**x, "parameters": {"binary_data_size": values.nbytes}}]},
            values.tobytes(),
        )

        by_json = await v2.post(path, json={"inputs": [{**x, "data": values.tolist()}]})
        by_bytes = await v2.post(path, content=body, headers=headers)

        assert by_json.json()["outputs"] == [
            {**x, "name": "x_out", "data": values.flatten().tolist()}
        ]
        assert by_bytes.content[int(by_bytes.headers[HEADER]) :] == values.tobytes()


async def test_strings_come_back_from_a_model_as_they_were(v2: httpx.AsyncClient) -> None:
    x = {"name": "x", "datatype": "BYTES", "shape": [1, 2]}

    response = await v2.post(
        "/models/mirror-string/infer", json={"inputs": [{**x, "data": ["", "é"]}]}
    )

    assert response.json()["outputs"] == [{**x, "name": "x_out", "data": ["", "é"]}]
