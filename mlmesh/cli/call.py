"""`mlmesh call`: ask a running mesh anything that its contracts offer."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from mlmesh.cli.call_arguments import Arguments, BadCall, arguments_of, text_of
from mlmesh.cli.call_bytes import with_bytes
from mlmesh.cli.call_fields import request_of, requests_of
from mlmesh.cli.call_methods import callable_methods, find_method, show_fields, show_methods
from mlmesh.cli.call_save import save
from mlmesh.cli.call_transport import CallFailed, call_by_grpc, call_by_http
from mlmesh.cli.call_view import safe, show_answer
from mlmesh.cli.model_options import DEFAULT_GATEWAY
from mlmesh.cli.model_repository import open_console
from mlmesh.runtime.contracts import Contracts, Method, load_contracts

FAILED = 1
USAGE = 2


def call(tokens: Sequence[str]) -> int:
    """Do what the command line says; gives the exit code."""
    try:
        return _call(arguments_of(tokens))
    except BadCall as problem:
        return _complain(str(problem), USAGE)
    except CallFailed as failure:
        return _complain(str(failure), FAILED)


def _call(arguments: Arguments) -> int:
    contracts = load_contracts()
    methods = callable_methods(contracts)
    if not arguments.method:
        show_methods(open_console(), methods, contracts)
        return 0
    method = find_method(methods, arguments.method)
    if "help" in arguments.switches:
        show_fields(open_console(), method, contracts)
        return 0
    requests = _requests(arguments, method, contracts)
    answers = _answers(arguments, method, requests, contracts)
    _print(arguments, method, requests, answers, contracts)
    return 0


def _requests(arguments: Arguments, method: Method, contracts: Contracts) -> list[Message]:
    body = arguments.options.get("body")
    if body is None:
        return [request_of(method.request, arguments.fields, contracts.pool)]
    if arguments.fields:
        raise BadCall(f"--{arguments.fields[0][0]}: send either fields or a --body, not both")
    requests = requests_of(method.request, text_of("body", body), contracts.pool)
    if not requests or (method.unary and len(requests) > 1):
        raise BadCall(f"--body: {method.name} takes one request, got {len(requests)}")
    return requests


def _answers(
    arguments: Arguments, method: Method, requests: Sequence[Message], contracts: Contracts
) -> Iterator[dict[str, Any]]:
    seconds = _seconds(arguments, method)
    if target := arguments.options.get("grpc"):
        return call_by_grpc(target, method, requests, contracts.pool, seconds)
    gateway = arguments.options.get("gateway") or os.environ.get("MLMESH_GATEWAY")
    return call_by_http(gateway or DEFAULT_GATEWAY, method, requests, contracts.pool, seconds)


def _seconds(arguments: Arguments, method: Method) -> float:
    said = arguments.options.get("timeout")
    try:
        seconds = method.timeout if said is None else float(said)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise BadCall(f"--timeout: expected seconds above 0, got {said}")
    return seconds


def _print(
    arguments: Arguments,
    method: Method,
    requests: Sequence[Message],
    answers: Iterator[dict[str, Any]],
    contracts: Contracts,
) -> None:
    console = open_console()
    as_json = "json" in arguments.switches or not console.is_terminal
    asked = with_bytes(
        json_format.MessageToDict(
            requests[0], preserving_proto_field_name=True, descriptor_pool=contracts.pool
        ),
        method.request.DESCRIPTOR,
    )
    kept: list[dict[str, Any]] = []
    for answer in answers:
        if arguments.saves:
            kept.append(answer)
        if as_json:
            print(json.dumps(answer, indent=2 if method.unary else None, ensure_ascii=False))
        else:
            show_answer(console, with_bytes(answer, method.response.DESCRIPTOR), asked)
    save(arguments.saves, method, kept)


def _complain(message: str, code: int) -> int:
    print(f"mlmesh: {safe(message)}", file=sys.stderr)
    return code
