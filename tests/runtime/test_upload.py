from __future__ import annotations

import pytest

from mlmesh.runtime.contracts import Method
from mlmesh.runtime.upload import Upload, upload_of
from tests.gateway.compiled_contract import contracts_of

PICTURE = """
    service Album {{
      rpc Look(Picture) returns (Picture);
      rpc Watch(stream Picture) returns (stream Picture);
    }}
    message Picture {{ {fields} }}
"""
UPLOAD = '(mlmesh.v1.upload) = {media_types: ["image/*", "text/csv"] media_type_field: "kind"}'


def methods_with(fields: str) -> dict[str, Method]:
    contracts = contracts_of(PICTURE.format(fields=fields))
    return {method.name: method for method in contracts.methods() if "zoo" in method.path}


def test_the_contract_says_which_field_is_an_upload() -> None:
    methods = methods_with(f"string kind = 1; bytes image = 300 [{UPLOAD}];")

    wanted = Upload("image", 300, False, ("image/*", "text/csv"), "kind")
    assert methods["Look"].upload == wanted
    assert methods["Watch"].upload is None


@pytest.mark.parametrize(
    ("field", "many"),
    [("repeated bytes image = 3", True), ("optional bytes image = 3", False)],
)
def test_a_field_may_be_repeated_or_optional(field: str, many: bool) -> None:
    upload = methods_with(f"{field} [(mlmesh.v1.upload) = {{}}];")["Look"].upload

    assert upload == Upload("image", 3, many, (), "")


@pytest.mark.parametrize(
    ("media_type", "taken"),
    [
        ("image/png", True),
        ("image/svg+xml", True),
        ("text/csv", True),
        ("text/plain", False),
        ("image/", False),
        ("image", False),
        ("image/png, text/html", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_media_types_are_taken_by_name_or_family(media_type: str, taken: bool) -> None:
    assert Upload("image", 1, False, ("image/*", "text/csv"), "").takes(media_type) is taken


WRONG = [
    ("string image = 1 [(mlmesh.v1.upload) = {}];", "image: an upload is a field of bytes"),
    ("oneof a { bytes image = 1 [(mlmesh.v1.upload) = {}]; string b = 2; }", "in no oneof"),
    (f"bytes image = 1 [{UPLOAD}];", "image: kind is no field of text"),
    (f"bytes kind = 1 [{UPLOAD}];", "kind: kind is no field of text"),
    (f"repeated string kind = 1; bytes image = 2 [{UPLOAD}];", "image: kind is no field of text"),
    ('bytes image = 1 [(mlmesh.v1.upload) = {media_types: "Image/PNG"}];', "is no media type"),
    ('bytes image = 1 [(mlmesh.v1.upload) = {media_types: "image"}];', "is no media type"),
    (
        "bytes a = 1 [(mlmesh.v1.upload) = {}]; bytes b = 2 [(mlmesh.v1.upload) = {}];",
        ": only one field can be an upload",
    ),
]


@pytest.mark.parametrize(("fields", "message"), WRONG)
def test_a_contract_that_is_wrong_is_refused_by_its_field(fields: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"zoo.v1.Picture.*{message}"):
        methods_with(fields)


def test_most_requests_have_none() -> None:
    contracts = contracts_of(PICTURE.format(fields="bytes image = 1 [deprecated = true];"))

    assert upload_of(contracts.pool.FindMessageTypeByName("zoo.v1.Picture")) is None
