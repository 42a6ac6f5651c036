"""The ways that a body goes into a request message, by the media type that it is sent as."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from gateway.beside import LARGE_BYTES
from gateway.form import FORM, FormLimits
from gateway.protobuf_body import serialised_message, takes_message
from gateway.request import JSON, NDJSON, PROTOBUF, PROTOBUFS, Request, UnsupportedBody
from gateway.routes import ALL_FIELDS, Binding, Match
from gateway.transcode import serialised_request
from gateway.upload import OCTETS, serialised_form, serialised_raw
from mlmesh.runtime.upload import Upload

LARGE_UPLOAD_BYTES = 2**20
"""Nobody looks at every byte of an upload, so a thread pays later than for JSON."""

_PLAIN_JSON = (JSON.encode(), b"")
_CHARSET = re.compile(r"charset\s*=\s*\"?([^\s;\"]*)")


@dataclass(frozen=True, slots=True)
class Intake:
    """One way."""

    serialise: Callable[[Match, Request, Sequence[bytes]], bytes]
    """Makes a serialised request message of the pieces of a body; raises ServingError."""
    large: int = LARGE_BYTES
    """Bytes of a body from which on that is done in a thread."""


def _read_json(match: Match, request: Request, body: Sequence[bytes]) -> bytes:
    return serialised_request(match, request.query, b"".join(body))


def _read_message(match: Match, request: Request, body: Sequence[bytes]) -> bytes:
    return serialised_message(match, request.query, body)


_OF_JSON = Intake(_read_json)
_OF_PROTOBUF = Intake(_read_message, LARGE_UPLOAD_BYTES)


def intake_of(request: Request, binding: Binding, limits: FormLimits) -> Intake:
    """The way for one request; raises UnsupportedBody when the route takes no such body.

    A request that does not say what it sends is taken for JSON.
    """
    headers = request.headers
    # Nearly all bodies are this, and this is all that they pay.
    if binding.body is None or headers.get(b"content-type", b"") in _PLAIN_JSON:
        return _OF_JSON
    kind = request.media_type
    upload = upload_in(binding)
    if kind in ("", JSON) or (kind == NDJSON and not binding.method.unary):
        charset = _CHARSET.search(request.header(b"content-type").lower())
        if charset is None or charset[1] in ("utf-8", "utf8"):
            return _OF_JSON
    elif kind in PROTOBUFS and takes_message(binding):
        return _OF_PROTOBUF
    elif upload is not None and kind == FORM:
        return Intake(partial(_read_form, upload, limits), LARGE_UPLOAD_BYTES)
    elif upload is not None and not upload.many and (kind == OCTETS or upload.takes(kind)):
        return Intake(partial(_read_raw, upload, kind), LARGE_UPLOAD_BYTES)
    raise _unsupported(request, binding)


def media_types_of(binding: Binding) -> tuple[str, ...]:
    """What a binding's body may be, JSON first."""
    if binding.method.descriptor.client_streaming:
        return (NDJSON, JSON)
    serialised = (PROTOBUF,) if takes_message(binding) else ()
    upload = upload_in(binding)
    if upload is None:
        return (JSON, *serialised)
    raw = () if upload.many else (*upload.media_types, OCTETS)
    return (JSON, FORM, *raw, *serialised)


def upload_in(binding: Binding) -> Upload | None:
    """The field that the body of this binding can be."""
    upload = binding.method.upload
    return upload if upload is not None and binding.body in (ALL_FIELDS, upload.field) else None


def _read_form(
    upload: Upload, limits: FormLimits, match: Match, request: Request, body: Sequence[bytes]
) -> bytes:
    return serialised_form(match, request, upload, limits, b"".join(body))


def _read_raw(
    upload: Upload, media_type: str, match: Match, request: Request, body: Sequence[bytes]
) -> bytes:
    return serialised_raw(match, request, upload, media_type, body)


def _unsupported(request: Request, binding: Binding) -> UnsupportedBody:
    first, *others = media_types_of(binding)
    taken = " or ".join((f"{first} in UTF-8", *others))
    header = b"accept-post" if request.verb == "POST" else b"accept"
    accepted = ", ".join((first, *others)).encode()
    return UnsupportedBody("Content-Type", f"send {taken}", (header, accepted))
