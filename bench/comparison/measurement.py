"""Ways in measured in turns, and what the turns say together."""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from bench.comparison.counting_proxy import counting_proxy
from bench.comparison.load import LoadFailed, Seen
from bench.comparison.payloads import Payload
from bench.comparison.ways import Load, Way

WARM_UP_SECONDS = 1.0
MOST_SECONDS = 20.0
"""Longest turn; where a caller would wait longer for its first answer nothing is measured."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One way in for some seconds."""

    seen: Seen
    cpu_us: float
    """CPU time that all its servers took for each request."""
    caller_cpu_us: float
    """CPU time that the callers took for each request."""


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
    caller_cpu_us: float
    wire_bytes: float
    failed: int
    """In all turns."""


@dataclass(frozen=True, slots=True)
class Effort:
    seconds: float
    """Of a turn."""
    rounds: int


@dataclass(slots=True)
class Found:
    """What was measured, and what could not be."""

    results: list[Result]
    notes: list[str]


def measured(
    ways: Mapping[str, Way],
    payload: Payload,
    callers: int,
    effort: Effort,
    progress: Callable[[], None] = lambda: None,
) -> Found:
    """Every round takes the ways in another order, so that a noisy moment meets all."""
    found = Found([], [])
    loads: dict[str, Load] = {}
    for name, way in ways.items():
        if not way.carries(payload):
            continue
        try:
            loads[name] = _warm_load(way, payload, callers, effort.seconds)
        except LoadFailed as problem:
            found.notes.append(f"{payload.name}, {callers} callers, {way.title}: {problem}")
    if not loads:
        return found
    turns: dict[str, list[Turn]] = {name: [] for name in loads}
    names = list(loads)
    for number in range(effort.rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            turns[name].append(_turn(ways[name], loads[name]))
            progress()
    first = turns[names[0]]
    for name in names:
        wire = _wire_bytes(ways[name], loads[name], turns[name])
        found.results.append(_result(ways[name].title, loads[name], turns[name], first, wire))
    return found


def _warm_load(way: Way, payload: Payload, callers: int, seconds: float) -> Load:
    """The load of a turn, after the servers have had a shorter one."""
    asked = way.ask(way.address, payload)
    asked = min((asked, way.ask(way.address, payload)), key=lambda one: one.seconds)
    wait = asked.seconds * callers
    if wait > MOST_SECONDS:
        raise LoadFailed(f"each answer would take about {wait:.0f} s")
    load = Load(payload, callers, max(seconds, min(1.5 * wait, MOST_SECONDS)), asked)
    if wait < WARM_UP_SECONDS:
        way.put(way.address, replace(load, seconds=min(WARM_UP_SECONDS, seconds)))
    return load


def _turn(way: Way, load: Load) -> Turn:
    servers, callers = _cpu_seconds(way), _caller_cpu_seconds()
    seen = way.put(way.address, load)
    servers, callers = _cpu_seconds(way) - servers, _caller_cpu_seconds() - callers
    return Turn(seen, 1e6 * servers / seen.requests, 1e6 * callers / seen.requests)


def _cpu_seconds(way: Way) -> float:
    return sum(server.cpu_seconds for server in way.servers)


def _caller_cpu_seconds() -> float:
    """Of the children that have ended: the servers have not."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _wire_bytes(way: Way, load: Load, turns: Sequence[Turn]) -> float:
    counted = [turn.seen.wire_bytes for turn in turns if turn.seen.wire_bytes is not None]
    if counted:
        return median(counted)
    # One caller, for what is under way when a tool stops has passed and is not among the requests.
    alone = replace(load, callers=1, seconds=WARM_UP_SECONDS)
    with counting_proxy(way.address) as proxy:
        seen = way.put(proxy.address, alone)
        return proxy.passed_bytes / seen.requests


def _result(
    title: str, load: Load, turns: Sequence[Turn], first: Sequence[Turn], wire: float
) -> Result:
    seen = [turn.seen for turn in turns]
    return Result(
        payload=load.payload.name,
        callers=load.callers,
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
        caller_cpu_us=median(turn.caller_cpu_us for turn in turns),
        wire_bytes=wire,
        failed=sum(one.failed for one in seen),
    )
