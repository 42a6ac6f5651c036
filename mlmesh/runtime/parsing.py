"""Reads the messages of a contract from their bytes."""

from __future__ import annotations

from google.protobuf.message import DecodeError, Message

from mlmesh.runtime.contracts import Method
from mlmesh.runtime.errors import InvalidInput
from mlmesh.runtime.wire_text import undecodable_text


def parsed(method: Method, request: bytes) -> Message:
    """A request of the method. Raises InvalidInput."""
    try:
        return method.request.FromString(request)
    except DecodeError:
        found = undecodable_text(request, method.request.DESCRIPTOR)
        if found is not None:
            raise InvalidInput(found[0], f"byte {found[1]} is not valid UTF-8") from None
        name = method.request.DESCRIPTOR.full_name
        raise InvalidInput("", f"the request is not a serialised {name}") from None
