"""Results as a table, for a terminal or for a page."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from bench.comparison.measurement import Result

COLUMNS = (
    *("payload", "callers", "way", "req/s", "ratio", "p50 ms", "p95 ms", "p99 ms"),
    *("CPU us", "caller us", "bytes", "failed"),
)


def rich_table(results: Sequence[Result]) -> Table:
    """A section for every payload and number of callers."""
    table = Table(*COLUMNS)
    for index, result in enumerate(results):
        following = results[index + 1 : index + 2]
        ends = any((one.payload, one.callers) != _group(result) for one in following)
        table.add_row(*_cells(result), end_section=ends)
    return table


def markdown_table(results: Sequence[Result]) -> str:
    rows = [COLUMNS, ("---",) * len(COLUMNS), *map(_cells, results)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _group(result: Result) -> tuple[str, int]:
    return result.payload, result.callers


def _cells(result: Result) -> tuple[str, ...]:
    return (
        result.payload,
        str(result.callers),
        result.way,
        f"{result.per_second:,.0f}",
        f"{result.ratio:.2f}",
        f"{result.p50_ms:.2f}",
        f"{result.p95_ms:.2f}",
        f"{result.p99_ms:.2f}",
        f"{result.cpu_us:,.0f}",
        f"{result.caller_cpu_us:,.0f}",
        f"{result.wire_bytes:,.0f}",
        str(result.failed),
    )
