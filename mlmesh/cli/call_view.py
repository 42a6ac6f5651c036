"""An answer for a person: what matters first, numbers short, names in colour."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mlmesh.cli.call_bytes import described
from mlmesh.cli.call_highlight import highlighted, marked_parts
from mlmesh.cli.call_picture import picture

ORIGIN = ("model", "model_version", "inference_time_ms", "decode_time_ms", "request_id")
"""What every answer ends with; it is said in one line."""
QUIET = {*ORIGIN, "model_digest", "language"}
GOOD = {"positive": "green", "negative": "red"}
BAR = 24
FEW = 8
"""Numbers of a list that are shown."""
CELLS = (str, int, float, bool, bytes)


def show_answer(console: Console, answer: Mapping[str, Any], request: Mapping[str, Any]) -> None:
    """answer, request: in ProtoJSON, but with bytes for base64.

    What the answer marks in the request's text is coloured; pictures are shown where they can be.
    """
    for part in _parts(answer, request):
        console.print(part, soft_wrap=isinstance(part, Text))
    for content in _contents(answer):
        if shown := picture(console, content):
            console.print(shown, soft_wrap=True)
    origin = [
        " ".join(str(answer[one]) for one in ("model", "model_version") if answer.get(one)),
        f"{answer['inference_time_ms']:.3g} ms" if "inference_time_ms" in answer else "",
        f"decoded in {answer['decode_time_ms']:.3g} ms" if answer.get("decode_time_ms") else "",
        f"request {answer['request_id']}" if answer.get("request_id") else "",
    ]
    if said := ", ".join(filter(None, origin)):
        console.print(Text(safe(said), "dim"), soft_wrap=True)


def _contents(value: Any) -> Iterator[bytes]:
    """All bytes in an answer."""
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _contents(inner)


def safe(text: str) -> str:
    """The same without what would command a terminal or turn the line around, as long as it was."""
    return "".join(one if one == "\n" or not _commands(one) else "?" for one in text)


def _commands(character: str) -> bool:
    if unicodedata.category(character) in ("Cc", "Cs"):
        return True
    return unicodedata.bidirectional(character) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI",
                                                    "FSI", "PDI")  # fmt: skip


def _parts(answer: Mapping[str, Any], request: Mapping[str, Any]) -> Iterator[RenderableType]:
    shown = {name: value for name, value in answer.items() if name not in QUIET and _says(value)}
    text = request.get("text")
    for name in list(shown):
        if isinstance(text, str) and (marks := marked_parts(shown[name])):
            yield highlighted(safe(text), marks)
    results = shown.pop("results", None)
    if isinstance(results, list):
        yield from _results(results, request)
    yield from _pairs(shown)


def _results(results: Sequence[Any], request: Mapping[str, Any]) -> Iterator[RenderableType]:
    """One after another, each with the item that it is about."""
    items = next((one for one in request.values() if isinstance(one, list)), [])
    for index, result in enumerate(results):
        item = items[index] if index < len(items) else None
        about = {"text": item} if isinstance(item, str) else {}
        yield Text.assemble((f"[{index}] ", "dim"), safe(_short(item)))
        status = result.get("status") or {}
        if status.get("code"):
            yield Padding(Text(safe(status.get("message", "failed")), "red"), (0, 0, 0, 4))
            continue
        rest = {name: value for name, value in result.items() if name != "status"}
        yield Padding(Group(*_parts(rest, about)), (0, 0, 0, 4))


def _pairs(shown: Mapping[str, Any]) -> Iterator[RenderableType]:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in shown.items():
        table.add_row(name, _cell(value))
    if shown:
        yield table


def _cell(value: Any) -> RenderableType:
    if isinstance(value, Mapping):
        if value and all(_is_share(one) for one in value.values()):
            return _bars(value)
        inner = {name: one for name, one in value.items() if _says(one)}
        return Group(*_pairs(inner))
    if isinstance(value, list):
        return _list(value)
    text = safe(_short(value, 2000))
    return Text(text, GOOD.get(text, ""))


def _list(values: Sequence[Any]) -> RenderableType:
    if values and all(isinstance(one, Mapping) for one in values):
        return _table(values)
    shown = ", ".join(_short(one) for one in values[:FEW])
    return Text(safe(f"{shown}, ... {len(values)} in all" if len(values) > FEW else shown))


def _table(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Messages as rows; what does not fit into a cell is left to --json."""
    rows = [_flat(row) for row in rows]
    names = [
        name
        for name in dict.fromkeys(name for row in rows for name in row)
        if all(isinstance(row.get(name, ""), CELLS) for row in rows)
    ]
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        cells = [safe(_short(row.get(name, ""))) for name in names]
        table.add_row(*(Text(cell, GOOD.get(cell, "")) for cell in cells))
    return table


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """The same with the fields of its messages as fields of its own, where names allow it."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        inner = value if isinstance(value, Mapping) else {}
        fits = inner and all(isinstance(one, CELLS) for one in inner.values())
        flat |= inner if fits and not (inner.keys() & (row.keys() | flat.keys())) else {name: value}
    return flat


def _bars(shares: Mapping[str, float]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, share in shares.items():
        bar = "\u2588" * round(share * BAR)
        table.add_row(safe(name), f"{share:.4f}", Text(bar, GOOD.get(name, "cyan")))
    return table


def _is_share(value: Any) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool) and 0 <= value <= 1


def _says(value: Any) -> bool:
    return value is not None and value not in ("", b"", [], {})


def _short(value: Any, most: int = 120) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e6 else f"{value:g}"
    if isinstance(value, bytes):
        return described(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_short(one, 40)}" for name, one in value.items())[:most]
    text = "" if value is None else str(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."
