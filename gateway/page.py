"""The gateway's own pages, at fixed paths that are answered by GET without a contract."""

from __future__ import annotations

import asyncio

from gateway.asset import Asset
from gateway.request import Request
from gateway.response import Response
from gateway.routes import WrongVerb
from mlmesh.runtime.pages import AcceptPage, Page

AnyPage = Page | AcceptPage | Asset


async def page_answer(request: Request, page: AnyPage) -> Response:
    """Raises WrongVerb."""
    if request.verb not in ("GET", "HEAD"):
        raise WrongVerb(["GET", "HEAD"])
    if isinstance(page, Asset):
        return page.answer(request)
    if isinstance(page, AcceptPage):
        # All metrics take tens of milliseconds to write.
        status, kind, body = await asyncio.to_thread(page.answer, request.header(b"accept"))
    else:
        status, kind, body = page()
    return Response(status, body, ((b"content-type", kind.encode()),))
