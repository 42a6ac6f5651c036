"""The page at /docs: every operation, to read and to try, made of /openapi.json in the browser.

It needs nothing beyond this gateway, and its policy lets it load nothing else.
"""

from __future__ import annotations

from pathlib import Path

from gateway.asset import Asset
from gateway.response import Headers

FOLDER = Path(__file__).parent / "reference_page"

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Headers = (
    (b"content-security-policy", _POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
)


def reference_pages() -> dict[str, Asset]:
    """By path: the page at /docs, and its files below that."""
    files = {
        f"/docs/{file.name}": Asset(_TYPES[file.suffix], file.read_bytes(), _HEADERS)
        for file in sorted(FOLDER.iterdir())
    }
    return {"/docs": files["/docs/index.html"], **files}
