"""The methods that `mlmesh call` knows, out of the contracts that come with mlmesh."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlmesh.cli.call_arguments import BadCall
from mlmesh.cli.call_routes import paths_of
from mlmesh.runtime.contracts import Contracts, Method

HIDDEN = "mlmesh.v1.MeshService"
"""It carries calls, and is no call of its own."""


def callable_methods(contracts: Contracts) -> list[Method]:
    """Every method that a person may call, in the order of the contracts."""
    return [method for method in contracts.methods() if method.service != HIDDEN]


def find_method(methods: Iterable[Method], wanted: str) -> Method:
    """The method of this name: `Embed`, `embed`, `NlpService.Embed` or its full name.

    Raises BadCall when there is none, or several.
    """
    by_name: dict[str, list[Method]] = {}
    for method in methods:
        for name in _names(method):
            by_name.setdefault(_plain(name), []).append(method)
    found = by_name.get(_plain(wanted), [])
    if len(found) == 1:
        return found[0]
    if found:
        which = ", ".join(method.path[1:] for method in found)
        raise BadCall(f"{wanted}: say which one, {which}")
    close = difflib.get_close_matches(_plain(wanted), by_name, n=1)
    hint = f"did you mean {by_name[close[0]][0].name}?" if close else "`mlmesh call` lists all"
    raise BadCall(f"{wanted}: there is no such method, {hint}")


def show_methods(console: Console, methods: Iterable[Method], contracts: Contracts) -> None:
    """All methods with what they do, by service."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("method", "HTTP", "what it does"):
        table.add_column(column, overflow="fold")
    last = ""
    for method in methods:
        if method.service != last:
            table.add_row(Text(method.service, "bold"), "", "")
            last = method.service
        path = next(iter(paths_of(method)), ("", "", ""))[1]
        table.add_row(f"  {method.name}", path, _first_sentence(contracts, method.descriptor))
    console.print(table)
    console.print("\nmlmesh call METHOD --help shows the fields of one.", style="dim")


def show_fields(console: Console, method: Method, contracts: Contracts) -> None:
    """What a method does and takes."""
    console.print(Text(method.path[1:], "bold"))
    console.print(_comment(contracts, method.descriptor))
    console.print()
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("field", "type", "meaning"):
        table.add_column(column, overflow="fold")
    for field in method.request.DESCRIPTOR.fields:
        table.add_row(f"--{field.name}", _type(field), _comment(contracts, field))
    console.print(table)
    console.print(f"\n{USAGE}", style="dim")


USAGE = """\
Values: text, @file, or @- for the standard input; a text that begins with @ is written with two.
Lists: the option again, numbers between commas, or the lines of @file. Messages: JSON.
  --body JSON|@file   the whole request; for a stream one on every line
  --save FILE         keep the answer: its bytes if it has one field of them, else JSON
  --save field=FILE   keep the bytes of this field; may be given again for another
  --json              print the answer as JSON, as it is when printed elsewhere than to a terminal
  --gateway URL       where the mesh answers HTTP (or MLMESH_GATEWAY)
  --grpc HOST:PORT    ask a service straight by gRPC instead
  --timeout SECONDS   how long to wait; the contract's own time when left out"""


def _names(method: Method) -> Iterable[str]:
    short = method.service.rpartition(".")[2]
    service = method.service
    return {
        method.name, f"{short}.{method.name}", f"{short}/{method.name}", f"{service}.{method.name}",
        f"{service}/{method.name}", method.path,
    }  # fmt: skip


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _comment(contracts: Contracts, described: Any) -> str:
    return " ".join(contracts.comments.get(described.full_name, "").split("\n\n")[0].split())


def _first_sentence(contracts: Contracts, described: Any) -> str:
    return _comment(contracts, described).partition(". ")[0]


def _type(field: Any) -> str:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return "name=value"
    if field.message_type is not None:
        name = "JSON" if not field.message_type.full_name.endswith(".Value") else "any"
    elif field.enum_type is not None:
        name = "|".join(_short_names(field.enum_type))
    else:
        name = _TYPES.get(field.cpp_type, "text")
        name = "bytes" if field.type == field.TYPE_BYTES else name
    return f"{name}, ..." if field.is_repeated else name


_TYPES = {1: "number", 2: "number", 3: "number", 4: "number", 5: "number", 6: "number", 7: "switch"}


def _short_names(enum: Any) -> list[str]:
    names = [value.name for value in enum.values]
    start = len(names[0]) - len(names[0].rpartition("_")[2])
    return [name[start:].lower() for name in names[1:] if name.startswith(names[0][:start])]
