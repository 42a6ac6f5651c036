"""What `mlmesh models` says to a mesh, and to what is none."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mlmesh.cli.model_mesh import Mesh, MeshRefused, NoMesh
from tests.ports import free_ports

NO_MODELS = b'{"models": []}'
Answering = tuple[Mesh, list[str]]


@contextmanager
def answering(status: int, body: bytes, listing: bytes = NO_MODELS) -> Iterator[Answering]:
    """A server that gives one answer to everything but the list; and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
            asked.append(f"{self.command} {self.path} {sent}".strip())
            looking = self.command == "GET"
            content = listing if looking else body
            self.send_response(200 if looking else status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def __getattr__(self, name: str) -> Callable[[], None]:
            if name.startswith("do_"):
                return self.answer
            raise AttributeError(name)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Mesh(f"http://127.0.0.1:{server.server_port}/"), asked
        finally:
            server.shutdown()
            thread.join()


CHANGES: dict[str, Callable[[Mesh], None]] = {
    'POST /v1/models/tiny:load {"version": "v1.0"}': lambda mesh: mesh.load("tiny", "v1.0"),
    'POST /v1/models/tiny:unload {"version": ""}': lambda mesh: mesh.unload("tiny", ""),
    'POST /v1/models/a%2Fb:setDefault {"version": "v1.0"}': lambda mesh: mesh.set_default(
        "a/b", "v1.0"
    ),
    'PUT /v1/models/tiny/labels/stable {"version": "v1.0"}': lambda mesh: mesh.set_label(
        "tiny", "stable", "v1.0"
    ),
    "DELETE /v1/models/tiny/labels/stable": lambda mesh: mesh.remove_label("tiny", "stable"),
}


@pytest.mark.parametrize("request_line", CHANGES)
def test_a_change_is_told_once_the_mesh_is_known_to_be_one(request_line: str) -> None:
    with answering(200, b"{}") as (mesh, asked):
        CHANGES[request_line](mesh)

    assert asked == ["GET /v1/models", request_line]


def test_the_mesh_s_own_words_are_passed_on() -> None:
    said = {"error": {"code": 404, "status": "NOT_FOUND", "message": "model: there is no tiny"}}

    with (
        answering(404, json.dumps(said).encode()) as (mesh, _),
        pytest.raises(MeshRefused, match=r"^model: there is no tiny$"),
    ):
        mesh.load("tiny", "")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": "text"}'])
def test_a_refusal_in_another_form_is_one_nevertheless(body: bytes) -> None:
    with answering(502, body) as (mesh, _), pytest.raises(MeshRefused, match=r"^502 Bad Gateway$"):
        mesh.load("tiny", "")


@pytest.mark.parametrize("listing", [b"", b"<html>", b"[]", b"{}", b'{"models": 1}', b"\xff"])
def test_what_is_no_mesh_is_told_nothing(listing: bytes) -> None:
    with answering(200, b"{}", listing) as (mesh, asked), pytest.raises(NoMesh, match="no mesh"):
        mesh.load("tiny", "v1.0")

    assert asked == ["GET /v1/models"]


def test_where_nothing_listens_there_is_no_mesh() -> None:
    [port] = free_ports(1)

    with pytest.raises(NoMesh, match=rf"no mesh answers at http://127\.0\.0\.1:{port}"):
        Mesh(f"http://127.0.0.1:{port}").models()


@pytest.mark.parametrize("gateway", ["", "nonsense", "http://", "http://host:port", "ftp://host"])
def test_an_address_that_is_none_is_no_mesh(gateway: str) -> None:
    with pytest.raises(NoMesh):
        Mesh(gateway).models()


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")

    with answering(200, b"{}") as (mesh, _):
        assert mesh.models() == []
