"""How answers look as JSON where json_format is no guide, and where it is a plain one."""

from __future__ import annotations

import base64
import math
from typing import Any

import orjson
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2

from gateway.reply import render, writer_of
from mlmesh.runtime.errors import InvalidInput, Overloaded
from mlmesh.v1 import predictor_pb2 as pb
from tests.gateway.kinds import message_class

UNKNOWN = "type.googleapis.com/no.such.Type"


def well_known(**fields: Any) -> Message:
    return message_class("WellKnown")(**fields)


def test_zero_values_are_written_and_unset_messages_are_not() -> None:
    assert orjson.loads(render(pb.Warning())) == {"field": "", "reason": "", "description": ""}
    assert orjson.loads(render(message_class("Optional")())) == {}
    assert orjson.loads(render(message_class("Tree")())) == {
        "name": "",
        "children": [],
        "named": {},
    }


def test_fields_stand_in_the_order_of_the_contract() -> None:
    response = pb.PredictResponse(label="a", request_id="b")
    response.prediction.string_value = "a"

    names = [field.name for field in pb.PredictResponse.DESCRIPTOR.fields]
    assert list(orjson.loads(render(response))) == names


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0.1, 0.1),
        (0.5, 0.5),
        (1 / 3, 0.33333334),
        (16777216.0, 16777216.0),
        (3.4028234663852886e38, 3.4028235e38),
        (1e-45, 1.4013e-45),
        (math.nan, "NaN"),
        (-math.inf, "-Infinity"),
    ],
)
def test_a_float_has_the_fewest_digits_that_give_it_back(number: float, written: Any) -> None:
    message = message_class("Singular")(one_float=number)

    assert orjson.loads(render(message))["one_float"] == written


def test_numbers_that_a_value_cannot_have_in_json_are_written_as_texts() -> None:
    message: Any = message_class("WellKnown")()
    message.list.values.add().number_value = math.nan
    message.list.values.add().number_value = -math.inf
    message.value.number_value = math.inf

    assert orjson.loads(render(message)) == {"list": ["NaN", "-Infinity"], "value": "Infinity"}


@pytest.mark.parametrize(
    ("url", "value"),
    [
        (UNKNOWN, b"\xff\x00"),
        ("", b"a"),
        ("/", b""),
        ("type.googleapis.com/kinds.v1.Leaf", b"\xff"),
        ("type.googleapis.com/kinds.v1.Leaf\x00", b""),
        ("type.googleapis.com/google.protobuf.Timestamp", b"\x10\xff\xff\xff\xff\x07"),
    ],
)
def test_what_is_unknown_or_broken_in_an_any_is_written_as_bytes(url: str, value: bytes) -> None:
    written = writer_of(message_class("WellKnown"))(
        well_known(any={"type_url": url, "value": value})
    )

    assert written["any"] == {"@type": url, "value": base64.b64encode(value).decode()}


def test_an_empty_any_is_an_empty_object() -> None:
    assert orjson.loads(render(well_known(any={}))) == {"any": {}}


@pytest.mark.parametrize(
    "fields",
    [
        {"timestamp": {"seconds": 2**62}},
        {"timestamp": {"nanos": -1}},
        {"duration": {"seconds": 1, "nanos": -1}},
        {"field_mask": {"paths": ["Upper"]}},
    ],
)
def test_what_has_no_json_is_an_error_of_the_service(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        render(well_known(**fields))


def test_details_of_a_status_are_written_by_their_type() -> None:
    status = InvalidInput("rows[3]", "expected 4").status()
    status.details.add(type_url=UNKNOWN, value=b"a")

    written = orjson.loads(render(status))

    assert written["details"] == [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "INVALID_INPUT",
            "domain": "mlmesh",
            "metadata": {},
        },
        {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "field_violations": [
                {"field": "rows[3]", "description": "expected 4", "reason": ""},
            ],
        },
        {"@type": UNKNOWN, "value": "YQ=="},
    ]


def test_a_duration_in_a_detail_is_written_as_text() -> None:
    status = Overloaded("full").status()
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(1500)
    status.details[1].Pack(retry)

    assert orjson.loads(render(status))["details"][1]["retry_delay"] == "1.500s"
