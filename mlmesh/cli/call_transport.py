"""Ways to the mesh for one call: over the gateway's HTTP, or straight to a service by gRPC."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from http.client import HTTPException
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from mlmesh.cli.call_routes import route_of, upload_route_of
from mlmesh.runtime.contracts import Method

LARGEST_ANSWER = 256 * 2**20
NDJSON = "application/x-ndjson"
JSON = "application/json"
OCTETS = "application/octet-stream"
MARGIN_SECONDS = 5.0
"""Longer than the mesh itself gives a call: its answer to a missed deadline is the better one."""

# Not through a proxy: the mesh is on this machine or in this network.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class CallFailed(Exception):
    """The call was refused or nobody answered; the message is for the person who called."""


def call_by_http(
    gateway: str, method: Method, requests: Sequence[Message], pool: DescriptorPool, seconds: float
) -> Iterator[dict[str, Any]]:
    """The answers in ProtoJSON, by the contract's names. Raises CallFailed or BadCall."""
    verb, path, kind, content = _sent(method, requests, pool)
    http = urllib.request.Request(
        gateway.rstrip("/") + path,
        method=verb,
        data=content,
        headers={"content-type": kind, "x-request-timeout": f"{seconds:g}"},
    )
    try:
        with _OPENER.open(http, timeout=seconds + MARGIN_SECONDS) as response:
            if method.unary:
                yield json.loads(response.read(LARGEST_ANSWER))
                return
            for line in response:
                yield _line(json.loads(line))
    except urllib.error.HTTPError as error:
        with error:
            raise CallFailed(_refusal(error)) from None
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise CallFailed(
            f"no mesh answers at {gateway} ({reason}); start one with `mlmesh up`, or name "
            "another with --gateway"
        ) from None


def _sent(
    method: Method, requests: Sequence[Message], pool: DescriptorPool
) -> tuple[str, str, str, bytes | None]:
    """Verb, path, media type and body."""
    if not method.unary:
        verb, path, _ = route_of(method, {})
        lines = [json.dumps(_json_of(request, pool)).encode() for request in requests]
        return verb, path, NDJSON, b"\n".join(lines)
    if (upload := method.upload) and (content := getattr(requests[0], upload.field)):
        rest = type(requests[0])()
        rest.CopyFrom(requests[0])
        rest.ClearField(upload.field)
        if route := upload_route_of(method, _json_of(rest, pool)):
            return *route, OCTETS, content
    verb, path, body = route_of(method, _json_of(requests[0], pool))
    return verb, path, JSON, None if body is None else json.dumps(body).encode()


def call_by_grpc(
    target: str, method: Method, requests: Sequence[Message], pool: DescriptorPool, seconds: float
) -> Iterator[dict[str, Any]]:
    """The same by gRPC. Raises CallFailed."""
    import grpc

    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(target, options) as channel:
        try:
            for answer in _answers(channel, method, requests, seconds):
                yield json_format.MessageToDict(
                    method.response.FromString(answer),
                    preserving_proto_field_name=True,
                    always_print_fields_with_no_presence=True,
                    descriptor_pool=pool,
                )
        except grpc.RpcError as error:
            failed: Any = error
            raise CallFailed(f"{failed.code().name}: {failed.details()}") from None


def _answers(
    channel: Any, method: Method, requests: Sequence[Message], seconds: float
) -> Iterable[bytes]:
    start: Any
    sent: Any
    serialised = [request.SerializeToString() for request in requests]
    if method.unary:
        return [channel.unary_unary(method.path)(serialised[0], timeout=seconds)]
    if method.descriptor.client_streaming:
        start, sent = channel.stream_stream(method.path), iter(serialised)
    else:
        start, sent = channel.unary_stream(method.path), serialised[0]
    answers: Iterable[bytes] = start(sent, timeout=seconds)
    return answers


def _json_of(request: Message, pool: DescriptorPool) -> dict[str, Any]:
    said: dict[str, Any] = json_format.MessageToDict(
        request, preserving_proto_field_name=True, descriptor_pool=pool
    )
    return said


def _line(said: dict[str, Any]) -> dict[str, Any]:
    """One line of a stream; the last one may say that the rest failed."""
    if set(said) == {"error"}:
        raise CallFailed(_message(said["error"]))
    return said


def _refusal(error: urllib.error.HTTPError) -> str:
    try:
        return _message(json.loads(error.read(LARGEST_ANSWER))["error"])
    except (ValueError, KeyError, TypeError, OSError):
        return f"{error.code} {error.reason}"


def _message(said: Any) -> str:
    return f"{said['status']}: {said['message']}"
