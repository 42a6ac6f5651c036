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
    bindings = list(paths_of(method))
    if not bindings:
        raise BadCall(f"{method.name}: it has no HTTP path, use --grpc HOST:PORT")
    for verb, template, body in bindings:
        names = _VARIABLE.findall(template)
        if all(request.get(name) not in (None, "") for name in names):
            return _filled(verb, template, body, request)
    needed = " or ".join(
        " and ".join(f"--{n}" for n in _VARIABLE.findall(t)) for _, t, _ in bindings
    )
    raise BadCall(f"{method.name}: give {needed}")


def _filled(
    verb: str, template: str, body: str, request: Mapping[str, Any]
) -> tuple[str, str, Any]:
    names = set(_VARIABLE.findall(template))
    path = _VARIABLE.sub(lambda match: quote(str(request[match[1]]), safe=""), template)
    rest = {name: value for name, value in request.items() if name not in names}
    if body == "*":
        return verb, path, rest
    sent = rest.pop(body, None) if body else None
    query = urlencode(rest, doseq=True)
    return verb, f"{path}?{query}" if query else path, sent
