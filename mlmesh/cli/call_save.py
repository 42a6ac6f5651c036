"""What `mlmesh call --save` keeps of an answer."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlmesh.cli.call_arguments import BadCall
from mlmesh.cli.call_bytes import decoded
from mlmesh.runtime.contracts import Method

_FIELD = re.compile(r"[a-z][a-z0-9_]*")


def save(said: Iterable[str], method: Method, answers: Sequence[Mapping[str, Any]]) -> None:
    """Write each `FILE` or `field=FILE`.

    A file gets the answer's bytes if it has one field of them, else the answer as JSON, which it
    also gets when its name ends with .json. Raises BadCall.
    """
    for one in said:
        file, content = _kept(one, method, answers)
        try:
            file.write_bytes(content)
        except OSError as error:
            raise BadCall(f"--save: {file}: {error.strerror}") from None
        print(f"{file}: {len(content)} bytes", file=sys.stderr)


def _kept(said: str, method: Method, answers: Sequence[Mapping[str, Any]]) -> tuple[Path, bytes]:
    fields = [one.name for one in method.response.DESCRIPTOR.fields if one.type == one.TYPE_BYTES]
    answer = answers[0] if method.unary and answers else {}
    name, equals, path = said.partition("=")
    if equals and _FIELD.fullmatch(name):
        return Path(path), _named(name, fields, answer)
    found = [name for name in fields if answer.get(name)]
    if said.endswith(".json") or not found:
        return Path(said), _as_json(method, answers)
    if len(found) > 1:
        raise BadCall(f"--save: say what to keep, {' or '.join(f'{one}={said}' for one in found)}")
    return Path(said), decoded(answer[found[0]])


def _named(name: str, fields: Sequence[str], answer: Mapping[str, Any]) -> bytes:
    if name not in fields:
        known = f"it has {', '.join(fields)}" if fields else "it has none"
        raise BadCall(f"--save: the answer has no bytes named {name}, {known}")
    if not answer.get(name):
        raise BadCall(f"--save: {name} is empty in this answer; does the request ask for it?")
    return decoded(answer[name])


def _as_json(method: Method, answers: Sequence[Mapping[str, Any]]) -> bytes:
    indent = 2 if method.unary else None
    lines = [json.dumps(one, indent=indent, ensure_ascii=False) for one in answers]
    return "".join(f"{line}\n" for line in lines).encode()
