"""A contract whose requests hold pictures, served by a program that says what it was sent."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx

from gateway.running import running_gateway
from gateway.settings import GatewaySettings
from mlmesh.runtime.contracts import load_contracts
from mlmesh.runtime.errors import UnsupportedMediaType
from tests.gateway.compiled_contract import compiled

ALBUM = """
    // Keeps pictures.
    service Album {
      // Looks at a picture.
      rpc Look(Picture) returns (Seen) {
        option (mlmesh.v1.scope) = "look";
        option (google.api.http) = {
          post: "/look" body: "*"
          additional_bindings { put: "/albums/{album}/look" body: "*" }
          additional_bindings { post: "/bare" body: "image" }
          additional_bindings { post: "/texts" body: "texts" }
        };
      }
      // Looks at many.
      rpc LookAtAll(Pictures) returns (Seen) {
        option (google.api.http) = { post: "/look/all" body: "*" };
      }
      // Looks at what has no picture.
      rpc Read(Text) returns (Seen) { option (google.api.http) = { post: "/read" body: "*" }; }
      // Looks for as long as there is something to see.
      rpc Watch(stream Picture) returns (stream Seen) {
        option (google.api.http) = { post: "/watch" body: "*" };
      }
    }
    // A picture.
    message Picture {
      // The bytes.
      bytes image = 20 [(mlmesh.v1.upload) = {
        media_types: ["image/*", "application/pdf"] media_type_field: "media_type"
      }];
      // What they are.
      string media_type = 2;
      // How many.
      int32 top_k = 3;
      // Where.
      string album = 4;
      // Which.
      repeated string tags = 5;
      // Whether.
      bool flag = 6;
      // Of what kind.
      Size size = 7;
      // What of it.
      Crop crop = 8;
      // More.
      Text texts = 9;
    }
    // Some pictures.
    message Pictures {
      // The bytes.
      repeated bytes images = 1 [(mlmesh.v1.upload) = {
        media_types: "image/*" media_type_field: "media_type"
      }];
      // What they are.
      string media_type = 2;
    }
    // A part of it.
    message Crop {
      // From the left.
      double left = 1;
    }
    // Words.
    message Text {
      // One.
      string word = 1;
    }
    // How large.
    enum Size {
      // Not said.
      SIZE_UNSPECIFIED = 0;
      // Large.
      SIZE_LARGE = 1;
    }
    // What there was.
    message Seen {
      // A digest of every picture.
      repeated string digests = 1;
      // All that was sent, without the pictures.
      Picture rest = 2;
    }
"""
SERVICE = "album.v1.Album"
REFUSED = b"TIFF"
"""A picture that the service itself refuses."""


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@asynccontextmanager
async def serving_album(descriptors: Path) -> AsyncIterator[int]:
    """Answers Look, LookAtAll and Read on a port."""
    methods = {method.path: method for method in load_contracts([descriptors]).methods()}

    def look(path: str) -> Any:
        method = methods[path]

        async def answer(sent: bytes, context: Any) -> Any:
            request: Any = method.request.FromString(sent)
            images = [request.image] if hasattr(request, "image") else []
            images = list(getattr(request, "images", images))
            if REFUSED in images:
                await _refuse(context)
            response: Any = method.response(digests=[digest_of(image) for image in images])
            for name in ("image", "images"):
                if hasattr(request, name):
                    request.ClearField(name)
            response.rest.MergeFromString(request.SerializeToString())
            return response.SerializeToString()

        return answer

    handlers: dict[str, Any] = {
        path.rpartition("/")[2]: grpc.unary_unary_rpc_method_handler(look(path))
        for path, method in methods.items()
        if method.service == SERVICE and method.unary
    }
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", 2**26)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


async def _refuse(context: Any) -> None:
    status = UnsupportedMediaType("image", "send JPEG or PNG").status()
    await context.abort(
        grpc.StatusCode.INVALID_ARGUMENT,
        status.message,
        (("grpc-status-details-bin", status.SerializeToString()),),
    )


@asynccontextmanager
async def album_by_http(folder: Path, **limits: int) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway in front of it, with limits of its own."""
    descriptors = compiled(ALBUM, folder, "album")
    async with serving_album(descriptors) as port:
        settings = GatewaySettings.model_validate(
            {
                "http_address": "127.0.0.1:0",
                "ops_address": "127.0.0.1:0",
                "backends": {SERVICE: f"127.0.0.1:{port}"},
                "descriptors": [descriptors],
                "input_log": folder / "inputs.jsonl",
                "drain_seconds": 1,
                **limits,
            }
        )
        async with running_gateway(settings) as gateway:
            url = f"http://127.0.0.1:{gateway.port}"
            async with httpx.AsyncClient(base_url=url, timeout=30) as client:
                yield client
