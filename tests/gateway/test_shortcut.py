from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from gateway.door import open_door
from gateway.mesh import Mesh
from gateway.routes import routes_of
from gateway.shortcut import KNOWN, Shortcut
from gateway.traffic import HttpMetrics
from mlmesh.runtime.admission import Limits
from mlmesh.runtime.chain import Chain
from mlmesh.runtime.contracts import load_contracts
from mlmesh.runtime.metrics import ServerMetrics


@pytest.fixture
def shortcut() -> Shortcut:
    registry = CollectorRegistry()
    return Shortcut(
        routes_of(load_contracts()),
        Mesh(Chain([], Limits(), ServerMetrics(registry)), {}),
        ["/alive"],
        HttpMetrics(registry),
        open_door(requests=1, body_bytes=2**20),
        body_bytes=1000,
        body_seconds=1,
        packed_from=1024,
        server_timing=True,
    )


@pytest.mark.parametrize(
    ("verb", "url", "method"),
    [
        (b"POST", b"/predict", "Predict"),
        (b"POST", b"/v1/models/m%20x:predict?a=1", "Predict"),
        (b"GET", b"/v1/models", "ListModels"),
        (b"GET", b"/predict", None),
        (b"HEAD", b"/v1/models", None),
        (b"OPTIONS", b"/predict", None),
        (b"GET", b"/alive", None),
        (b"POST", b"/v2/models/m/infer", None),
        (b"POST", b"/v1/models:streamPredict", None),
        (b"POST", b"/nowhere", None),
        (b"POST", b"http://x/predict", None),
        (b"POST", b"/predict#part", None),
        (b"POST", b"*", None),
        (b"POST", b"/v1/models/%zz:predict", None),
        (b"POST", b"/v1/models/\xe4:predict", None),
    ],
)
def test_only_unary_methods_have_a_short_way(
    shortcut: Shortcut, verb: bytes, url: bytes, method: str | None
) -> None:
    found = [shortcut.way_of(verb, url) for _ in range(2)]

    assert [way and way.method.name for way in found] == [method] * 2


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ({}, True),
        ({b"content-type": b"application/json", b"content-length": b"1000"}, True),
        ({b"content-type": b"application/json; charset=UTF-8"}, True),
        ({b"content-type": b"application/json; charset=latin-1"}, False),
        ({b"content-type": b"text/plain"}, False),
        ({b"content-length": b"1001"}, False),
        ({b"transfer-encoding": b"chunked"}, False),
        ({b"content-encoding": b"identity"}, False),
        ({b"expect": b"100-continue"}, False),
        ({b"accept": b"*/*"}, True),
        ({b"accept": b"text/event-stream"}, False),
    ],
)
def test_only_plain_requests_are_taken(
    shortcut: Shortcut, headers: dict[bytes, bytes], taken: bool
) -> None:
    head = shortcut.head_of(b"POST", b"/predict", headers, keep_alive=True)

    assert (head is not None) is taken


def test_nothing_is_taken_while_there_is_no_room(shortcut: Shortcut) -> None:
    with shortcut.door.requests:
        assert not shortcut.has_room()
    assert shortcut.has_room()


def test_addresses_that_are_made_up_do_not_pile_up(shortcut: Shortcut) -> None:
    for number in range(KNOWN * 3):
        shortcut.way_of(b"POST", b"/v1/models/m%d:predict" % number)

    assert len(shortcut._ways) <= KNOWN


HEAD = b"POST /predict HTTP/1.1\r\nhost: x"


@pytest.mark.parametrize(
    ("text", "headers", "keep_alive", "kept"),
    [
        (HEAD, {}, True, True),
        (HEAD, {}, False, False),
        (HEAD, {b"authorization": b"Bearer secret"}, True, False),
        (HEAD, {b"cookie": b"session=secret"}, True, False),
        (HEAD, {b"x-request-id": b"7"}, True, False),
        (HEAD + b"\r\nx: " + b"y" * 1024, {}, True, False),
        # What the parser may take for the end of a head, or skip before it, is not in the middle.
        (b"GET / HTTP/1.1\n\n" + HEAD, {}, True, False),
        (HEAD + b"\n\n" + HEAD, {}, True, False),
        (b"", {}, True, False),
    ],
)
def test_only_heads_that_can_come_again_are_kept(
    shortcut: Shortcut, text: bytes, headers: dict[bytes, bytes], keep_alive: bool, kept: bool
) -> None:
    head = shortcut.head_of(b"POST", b"/predict", headers, keep_alive)
    assert head is not None

    shortcut.learn(text, b"POST", head, headers)

    assert list(shortcut.heads) == ([text] if kept else [])


def test_heads_that_are_made_up_do_not_pile_up(shortcut: Shortcut) -> None:
    head = shortcut.head_of(b"POST", b"/predict", {}, keep_alive=True)
    assert head is not None

    for number in range(KNOWN * 3):
        shortcut.learn(HEAD + b"\r\nx: %d" % number, b"POST", head, {})

    assert len(shortcut.heads) <= KNOWN
