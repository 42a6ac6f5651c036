"""The gateway's own pages, which no contract describes, as operations of an OpenAPI document."""

from __future__ import annotations

from typing import Any

from gateway.error_schema import EARLY_ERRORS, ERRORS, REQUEST_ID
from gateway.request import JSON
from gateway.scalar_schema import Schema

TAG = "Operations"
TAG_TEXT = "Probes, metrics and this document."

OPEN_METRICS = "application/openmetrics-text"

_TEXT: Schema = {"type": "string"}


def page_paths() -> dict[str, dict[str, Any]]:
    """By path and verb."""
    away = {"503": ERRORS["503"]}
    metrics = {"text/plain": {"schema": _TEXT}, OPEN_METRICS: {"schema": _TEXT}}
    html = {"text/html": {"schema": _TEXT}}
    return {
        "/health": _page("health", "A summary, for people", _json(_health())),
        "/ready": _page("ready", "Whether requests should be sent here", _said("ready"), away),
        "/alive": _page("alive", "Whether the process is alive", _said("alive"), away),
        "/metrics": _page("metrics", "Metrics for Prometheus", metrics),
        "/openapi.json": _document("openapi", "This document", _json({"type": "object"})),
        "/docs": _document("docs", "This document, to read and to try", html),
    }


def _page(name: str, summary: str, content: Schema, others: Schema | None = None) -> dict[str, Any]:
    answer = {"description": f"{summary}.", "headers": REQUEST_ID, "content": content}
    responses = {"200": answer} | (others or {}) | EARLY_ERRORS
    return {"get": {"operationId": name, "summary": summary, "tags": [TAG], "responses": responses}}


def _document(name: str, summary: str, content: Schema) -> dict[str, Any]:
    """A page that does not change while the gateway runs."""
    tag = {"description": "Changes when the document does.", "schema": _TEXT}
    page = _page(name, summary, content)
    page["get"]["responses"]["200"]["headers"] = REQUEST_ID | {"ETag": tag}
    unchanged = {"description": "It is the one that If-None-Match names."}
    page["get"]["responses"]["304"] = unchanged
    return page


def _json(schema: Schema) -> Schema:
    return {JSON: {"schema": schema}}


def _said(status: str) -> Schema:
    said: Schema = {"const": status, "description": "That it is."}
    return _json({"type": "object", "properties": {"status": said}, "required": ["status"]})


def _health() -> Schema:
    properties: dict[str, Schema] = {
        "status": {
            "enum": ["ok", "degraded", "leaving"],
            "description": "degraded: a service is away, or its models have problems.",
        },
        "version": {"type": "string", "description": "Version of the gateway."},
        "uptime_seconds": {"type": "number", "description": "Since the gateway began."},
        "services": {
            "type": "object",
            "additionalProperties": _TEXT,
            "description": '"ok", or what is wrong, by service.',
        },
        "models": {"type": "array", "items": _TEXT, "description": "Names of the models."},
        "problems": {
            "type": "array",
            "items": _TEXT,
            "description": "What is wrong with the models of the mesh.",
        },
    }
    return {"type": "object", "properties": properties, "required": list(properties)}
