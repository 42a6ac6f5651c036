"""Whose web pages may open a WebSocket: browsers let any page try, and send cookies along."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

import grpc

from gateway.request import Request
from mlmesh.runtime.errors import ServingError


class ForeignOrigin(ServingError):
    code = grpc.StatusCode.PERMISSION_DENIED
    reason = "ORIGIN_NOT_ALLOWED"


def check_origin(request: Request, allowed: Collection[str]) -> None:
    """Raises ForeignOrigin unless the page is the gateway's own, or of an allowed origin.

    Programs that are no browsers send no origin.
    """
    origin = request.header(b"origin").lower()
    if not origin or "*" in allowed or origin in (one.lower().rstrip("/") for one in allowed):
        return
    try:
        host = urlsplit(origin).netloc
    except ValueError:
        host = ""
    if not host or host != request.header(b"host").lower():
        raise ForeignOrigin("Origin: pages of this origin may not open WebSockets here")
