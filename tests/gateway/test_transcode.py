from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.routes import routes_of
from gateway.transcode import answer_of, serialised_request
from mlmesh.runtime.errors import InvalidInput
from tests.gateway.compiled_contract import contracts_of, service_of

FIELDS = """
    string name = 1; repeated string names = 2; repeated Shelf shelves = 3; Kind kind = 4;
    map<string, int64> counts = 5; Shelf shelf = 6; int64 large = 7;
"""
NAMES = ("name", "names", "shelves", "kind", "counts", "shelf", "large")
SOURCE = service_of(
    *(f'post: "/{name}" body: "*" response_body: "{name}"' for name in NAMES),
    'post: "/whole" body: "*"',
    'post: "/none"',
    'get: "/got"',
    fields=FIELDS,
).replace(
    "message Response { string name = 1; repeated string names = 2; }",
    f"message Response {{ {FIELDS} }}",
)
ROUTES = routes_of(contracts_of(SOURCE))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "a"),
        ("name", ""),
        ("names", ["a", "b"]),
        ("names", []),
        ("shelves", [{"theme": "a", "sizes": [1]}]),
        ("kind", "KIND_BIG"),
        ("counts", {"a": "5"}),
        ("shelf", {"theme": "a", "sizes": []}),
        ("large", "9007199254740993"),
    ],
)
def test_an_answer_can_be_any_field(field: str, value: Any) -> None:
    match = ROUTES.find("POST", f"/{field}")
    sent = serialised_request(match, b"", orjson.dumps({field: value}))

    assert orjson.loads(answer_of(match.binding, sent)) == value


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("POST", "/whole", b"null"),
        ("POST", "/whole", b"[]"),
        ("POST", "/none", b'{"name": "a"}'),
        ("GET", "/got", b'{"name": "a"}'),
        ("GET", "/got", b'"a"'),
    ],
)
def test_a_body_that_cannot_be_the_request_is_refused(verb: str, path: str, body: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"^body: "):
        serialised_request(ROUTES.find(verb, path), b"", body)


@pytest.mark.parametrize("body", [b"", b"{}", b"null"])
def test_an_empty_body_is_no_body(body: bytes) -> None:
    assert serialised_request(ROUTES.find("GET", "/got"), b"name=a", body) == b"\x0a\x01a"
