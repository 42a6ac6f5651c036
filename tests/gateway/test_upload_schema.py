from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from gateway.openapi import openapi_of
from gateway.routes import routes_of
from mlmesh.runtime.contracts import load_contracts
from tests.gateway.album import ALBUM
from tests.gateway.compiled_contract import compiled
from tests.gateway.zoo import SHIPPED

BYTES = {"type": "string", "contentMediaType": "application/octet-stream"}


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("album")
    contracts = load_contracts([compiled(ALBUM, folder, "album")])
    document = openapi_of(contracts, routes_of(contracts), "1.2.3")
    validate(document)
    return document["paths"]


@pytest.mark.parametrize(
    ("path", "verb", "kinds"),
    [
        ("/look", "post", "json form-data image/* pdf octet-stream x-protobuf"),
        ("/albums/{album}/look", "put", "json form-data image/* pdf octet-stream x-protobuf"),
        ("/bare", "post", "json form-data image/* pdf octet-stream"),
        ("/look/all", "post", "json form-data x-protobuf"),
        ("/texts", "post", "json x-protobuf"),
        ("/read", "post", "json x-protobuf"),
        ("/watch", "post", "x-ndjson"),
    ],
)
def test_an_operation_lists_the_bodies_that_it_takes(
    paths: Any, path: str, verb: str, kinds: str
) -> None:
    content = paths[path][verb]["requestBody"]["content"]

    named = [kind if kind.endswith("*") else kind.rpartition("/")[2] for kind in content]
    assert sorted(named) == sorted(kinds.split())


def test_a_form_has_a_part_for_every_field_that_text_can_say(paths: Any) -> None:
    form = paths["/look"]["post"]["requestBody"]["content"]["multipart/form-data"]

    parts = form["schema"]["properties"]
    assert list(parts) == [
        "image", "media_type", "top_k", "album", "tags", "flag", "size", "crop.left", "texts.word",
    ]  # fmt: skip
    assert parts["image"] == BYTES | {"description": "The bytes."}
    assert parts["tags"] == {
        "type": "array",
        "items": {"type": "string"},
        "description": "Which.",
    }
    assert form["schema"]["required"] == ["image"]
    kinds = "image/*, application/pdf, application/octet-stream"
    assert form["encoding"] == {"image": {"contentType": kinds}}


def test_what_the_path_gives_is_no_part(paths: Any) -> None:
    content = paths["/albums/{album}/look"]["put"]["requestBody"]["content"]

    assert "album" not in content["multipart/form-data"]["schema"]["properties"]


def test_raw_bodies_are_bytes(paths: Any) -> None:
    content = paths["/bare"]["post"]["requestBody"]["content"]

    assert content["image/*"] == content["application/octet-stream"] == {"schema": BYTES}


@pytest.mark.parametrize("kind", ["image/*", "application/octet-stream", "multipart/form-data"])
def test_rules_of_bytes_hold_for_raw_ones(kind: str) -> None:
    schema = SHIPPED["paths"]["/classify"]["post"]["requestBody"]["content"][kind]["schema"]

    assert schema.get("properties", {"image": schema})["image"]["minLength"] == 1


def test_many_files_are_a_list(paths: Any) -> None:
    body = paths["/look/all"]["post"]["requestBody"]

    schema = body["content"]["multipart/form-data"]["schema"]
    assert schema["properties"]["images"]["items"] == BYTES
    assert "images" in body["description"]


def test_a_refusal_lists_what_is_taken_in_a_header() -> None:
    refusal = SHIPPED["components"]["responses"]["UnsupportedMediaType"]

    assert "Accept-Post" in refusal["headers"]
