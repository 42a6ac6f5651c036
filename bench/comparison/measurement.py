"""Ways in measured in turns, and what the turns say together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.comparison.load import Seen
from bench.comparison.payloads import Payload
from bench.comparison.ways import Way

WARM_UP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Turn:
    """One way in for some seconds."""

    seen: Seen
    cpu_us: float
    """CPU time that all its servers took for each request."""


@dataclass(frozen=True, slots=True)
class Result:
    """Medians of the turns."""

    payload: str
    callers: int
    way: str
    per_second: float
    ratio: float
    """To the first way, turn by turn."""
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_us: float
    wire_bytes: float
    failed: int
    """In all turns."""


def measured(
    ways: Mapping[str, Way],
    payload: Payload,
    callers: int,
    seconds: float,
    rounds: int,
    progress: Callable[[], None] = lambda: None,
) -> list[Result]:
    """Every round takes the ways in another order, so that a noisy moment meets all."""
    for way in ways.values():
        way.load(payload, callers, min(WARM_UP_SECONDS, seconds))
    names = list(ways)
    turns: dict[str, list[Turn]] = {name: [] for name in names}
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            turns[name].append(_turn(ways[name], payload, callers, seconds))
            progress()
    first = turns[names[0]]
    return [_result(ways[name].title, payload, callers, turns[name], first) for name in names]


def _turn(way: Way, payload: Payload, callers: int, seconds: float) -> Turn:
    before = sum(server.cpu_seconds for server in way.servers)
    seen = way.load(payload, callers, seconds)
    after = sum(server.cpu_seconds for server in way.servers)
    return Turn(seen, 1e6 * (after - before) / seen.requests)


def _result(
    title: str, payload: Payload, callers: int, turns: Sequence[Turn], first: Sequence[Turn]
) -> Result:
    seen = [turn.seen for turn in turns]
    return Result(
        payload=payload.name,
        callers=callers,
        way=title,
        per_second=median(one.per_second for one in seen),
        ratio=median(
            turn.seen.per_second / other.seen.per_second
            for turn, other in zip(turns, first, strict=True)
        ),
        p50_ms=median(one.p50_ms for one in seen),
        p95_ms=median(one.p95_ms for one in seen),
        p99_ms=median(one.p99_ms for one in seen),
        cpu_us=median(turn.cpu_us for turn in turns),
        wire_bytes=median(one.wire_bytes for one in seen),
        failed=sum(one.failed for one in seen),
    )
