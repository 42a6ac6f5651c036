from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, strategies as st

from gateway.open_inference import infer_response
from gateway.open_inference.infer_request import OutputForms
from gateway.open_inference.infer_response import UnreadableAnswer, write_infer_response
from mlmesh.openinference.v2 import inference_pb2 as pb
from mlmesh.runtime.errors import InvalidInput
from tests.gateway.open_inference.tensors import DTYPES

JSON_ONLY = OutputForms()
BINARY_ONLY = OutputForms(by_default=True)


def answer(*outputs: tuple[str, list[int], bytes]) -> bytes:
    """Of outputs y0, y1, ... with datatype, shape and bytes."""
    message = pb.ModelInferResponse(model_name="m", model_version="v1", id="7")
    for index, (datatype, shape, raw) in enumerate(outputs):
        message.outputs.add(name=f"y{index}", datatype=datatype, shape=shape)
        message.raw_output_contents.append(raw)
    return message.SerializeToString()


@pytest.mark.parametrize("name", DTYPES)
@given(data=st.data())
def test_json_outputs_are_read_by_numpy_as_they_were(name: str, data: st.DataObject) -> None:
    raw = data.draw(st.binary(max_size=64))
    dtype = DTYPES[name]
    sent = np.frombuffer(raw[: len(raw) // dtype.itemsize * dtype.itemsize], dtype)

    body = write_infer_response(answer((name, [len(sent)], sent.tobytes())), JSON_ONLY).body

    # As tritonclient reads them.
    read = np.array(orjson.loads(body)["outputs"][0]["data"], dtype)
    np.testing.assert_array_equal(read, sent.astype("?") if name == "BOOL" else sent)


def test_an_answer_says_who_gave_it_and_keeps_the_id() -> None:
    message = pb.ModelInferResponse.FromString(answer(("INT64", [1, 2], bytes(15) + b"\1")))
    message.parameters["cached"].bool_param = True
    message.outputs[0].parameters["unit"].string_param = "mm"

    response = write_infer_response(message.SerializeToString(), JSON_ONLY)

    assert dict(response.headers)[b"content-type"] == b"application/json"
    assert orjson.loads(response.body) == {
        "model_name": "m",
        "model_version": "v1",
        "id": "7",
        "parameters": {"cached": True},
        "outputs": [
            {
                "name": "y0",
                "datatype": "INT64",
                "shape": [1, 2],
                "parameters": {"unit": "mm"},
                # Numbers, not the strings that ProtoJSON makes of 64 bits.
                "data": [0, 2**56],
            }
        ],
    }


def test_binary_outputs_follow_the_json_in_their_order() -> None:
    sent = answer(("UINT8", [2], b"ab"), ("UINT8", [3], b"cde"), ("BYTES", [1], b"\1\0\0\0\xff"))
    forms = OutputForms(by_default=True, by_name={"y1": False})

    response = write_infer_response(sent, forms)

    headers = dict(response.headers)
    length = int(headers[b"inference-header-content-length"])
    outputs = orjson.loads(response.body[:length])["outputs"]
    assert headers[b"content-type"] == b"application/octet-stream"
    assert response.body[length:] == b"ab\1\0\0\0\xff"
    assert [output.get("parameters") for output in outputs] == [
        {"binary_data_size": 2}, None, {"binary_data_size": 5},
    ]  # fmt: skip
    assert [output.get("data") for output in outputs] == [None, [99, 100, 101], None]


def test_an_empty_binary_output_is_still_binary() -> None:
    response = write_infer_response(answer(("FP32", [0], b"")), BINARY_ONLY)

    assert int(dict(response.headers)[b"inference-header-content-length"]) == len(response.body)


def test_bytes_that_are_no_text_have_to_be_asked_for_as_binary() -> None:
    sent = answer(("BYTES", [1], b"\1\0\0\0\xff"))

    with pytest.raises(InvalidInput, match=r"outputs\[0\]: .* ask for binary_data"):
        write_infer_response(sent, JSON_ONLY)


def test_what_is_too_large_for_json_has_to_be_asked_for_as_binary(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(infer_response, "MAX_JSON_BYTES", 100)
    fits, not_any_more = ("UINT8", [90], bytes(90)), ("UINT8", [11], bytes(11))

    assert write_infer_response(answer(fits), JSON_ONLY).status == 200
    with pytest.raises(InvalidInput, match=r"outputs\[1\]: too large for JSON"):
        write_infer_response(answer(fits, not_any_more), JSON_ONLY)
    assert write_infer_response(answer(fits, not_any_more), BINARY_ONLY).status == 200


@pytest.mark.parametrize(
    "output",
    [("FP32", [2], bytes(7)), ("FP33", [1], b"a"), ("BYTES", [1], b"\2\0\0\0a")],
)
def test_a_service_that_breaks_the_protocol_is_found_out(output: Any) -> None:
    with pytest.raises(UnreadableAnswer):
        write_infer_response(answer(output), JSON_ONLY)


def test_typed_contents_cannot_be_answered() -> None:
    message = pb.ModelInferResponse()
    message.outputs.add(name="y", datatype="FP32", shape=[1]).contents.fp32_contents.append(1)

    with pytest.raises(UnreadableAnswer):
        write_infer_response(message.SerializeToString(), JSON_ONLY)
