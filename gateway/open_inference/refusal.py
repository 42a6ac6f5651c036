"""The protocol's way to say what went wrong: `{"error": "..."}` and an HTTP status."""

from __future__ import annotations

import random
from dataclasses import replace

import orjson

from gateway.response import Response, failure
from mlmesh.runtime.errors import ServingError

_UNAVAILABLE = 503
_RETRY = b"retry-after"


def refusal(error: ServingError) -> Response:
    """The answer for a refused call; 503 always says when to try again."""
    response = failure(error)
    headers = response.headers
    if response.status == _UNAVAILABLE and _RETRY not in dict(headers):
        # Callers that were refused together must not come back together.
        headers = (*headers, (_RETRY, b"%d" % random.randint(1, 2)))
    return replace(response, body=orjson.dumps({"error": message_of(error)}), headers=headers)


def message_of(error: ServingError) -> str:
    """What people are told; never nothing."""
    return error.message or error.code.name.replace("_", " ").lower()
