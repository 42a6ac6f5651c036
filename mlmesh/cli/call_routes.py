"""The HTTP request that stands for a call, as its contract binds it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from mlmesh.cli.call_arguments import BadCall
from mlmesh.runtime.contracts import Method

_VARIABLE = re.compile(r"\{([A-Za-z_][\w.]*)(?:=[^}]*)?\}")
VERBS = ("get", "put", "post", "delete", "patch")


def paths_of(method: Method) -> Iterator[tuple[str, str, str]]:
    """Verb, path and body of every binding."""
    if method.http is None:
        return
    for rule in (method.http, *method.http.additional_bindings):
        verb = rule.WhichOneof("pattern")
        if verb in VERBS:
            yield verb.upper(), getattr(rule, verb), rule.body


def route_of(method: Method, request: Mapping[str, Any]) -> tuple[str, str, Any]:
    """Verb, path with query, and body of a request, by the binding whose path it can fill.

    request: in ProtoJSON. The body is None where the binding has none. Raises BadCall.
    """
    verb, template, body = _binding_of(method, request)
    path, rest = _filled(template, request)
    if body == "*":
        return verb, path, rest
    sent = rest.pop(body, None) if body else None
    return verb, _with_query(path, rest), sent


def upload_route_of(method: Method, request: Mapping[str, Any]) -> tuple[str, str] | None:
    """Verb and path with query where the body is the method's upload; None if it cannot be.

    request: in ProtoJSON, without the upload. Raises BadCall.
    """
    verb, template, body = _binding_of(method, request)
    path, rest = _filled(template, request)
    upload = method.upload
    if upload is None or upload.many or body not in ("*", upload.field):
        return None
    # A query cannot hold messages.
    if any(isinstance(one, dict) for value in rest.values() for one in _listed(value)):
        return None
    return verb, _with_query(path, rest)


def _binding_of(method: Method, request: Mapping[str, Any]) -> tuple[str, str, str]:
    bindings = list(paths_of(method))
    if not bindings:
        raise BadCall(f"{method.name}: it has no HTTP path, use --grpc HOST:PORT")
    for verb, template, body in bindings:
        names = _VARIABLE.findall(template)
        if all(request.get(name) not in (None, "") for name in names):
            return verb, template, body
    needed = " or ".join(
        " and ".join(f"--{n}" for n in _VARIABLE.findall(t)) for _, t, _ in bindings
    )
    raise BadCall(f"{method.name}: give {needed}")


def _filled(template: str, request: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The path, and the fields that are not in it."""
    names = _VARIABLE.findall(template)
    path = _VARIABLE.sub(lambda match: quote(str(request[match[1]]), safe=""), template)
    return path, {name: value for name, value in request.items() if name not in names}


def _with_query(path: str, fields: Mapping[str, Any]) -> str:
    pairs = [(name, _text(one)) for name, value in fields.items() for one in _listed(value)]
    return f"{path}?{urlencode(pairs)}" if pairs else path


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
