"""The paths of the protocol: what each asks for, and of which model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from gateway.pattern import Pattern, pattern_of, segments_of
from gateway.routes import RouteNotFound, WrongVerb

_HOME = "/v2"
_READ = ("GET", "HEAD")
_WRITE = ("POST",)
_ANY = ("GET", "HEAD", "POST")


class Act(Enum):
    """What a path asks for."""

    INFER = auto()
    SERVER_METADATA = auto()
    SERVER_LIVE = auto()
    SERVER_READY = auto()
    MODEL_METADATA = auto()
    MODEL_READY = auto()
    MODEL_CONFIG = auto()
    MODEL_STATISTICS = auto()
    ALL_STATISTICS = auto()
    INDEX = auto()
    LOAD = auto()
    UNLOAD = auto()
    NOT_SERVED = auto()


@dataclass(frozen=True, slots=True)
class Target:
    """What one request asks for."""

    act: Act
    template: str
    model: str = ""
    version: str = ""
    """Version or label; empty: the default one."""


@dataclass(frozen=True, slots=True)
class Route:
    pattern: Pattern
    verbs: tuple[str, ...]
    act: Act


def is_open_inference(path: str) -> bool:
    """Whether errors on this path are answered in the protocol's way."""
    return path.startswith(_HOME) and path[3:4] in ("", "/")


def target_of(verb: str, raw_path: str) -> Target:
    """Raises RouteNotFound, WrongVerb, or InvalidInput when a name in the path is malformed."""
    # Clients that know the protocol's root by a base URL ask for it with a slash behind it.
    segments = segments_of(_HOME if raw_path == f"{_HOME}/" else raw_path)
    # No name has a colon; behind one stands the custom verb of a contract's route.
    if segments is None or ":" in segments[-1]:
        raise RouteNotFound
    for route in _BY_LENGTH.get(len(segments), ()):
        if route.pattern.fits(segments):
            if verb not in route.verbs:
                raise WrongVerb(route.verbs)
            names = route.pattern.values(segments)
            template = route.pattern.template
            return Target(route.act, template, names.get("model", ""), names.get("version", ""))
    raise RouteNotFound


def _routes() -> Iterator[Route]:
    """Those that fit the same path stand in the order in which they are asked."""

    def route(path: str, verbs: tuple[str, ...], act: Act) -> Route:
        return Route(pattern_of(_HOME + path), verbs, act)

    for model in ("/models/{model}", "/models/{model}/versions/{version}"):
        yield route(f"{model}/infer", _WRITE, Act.INFER)
        yield route(f"{model}/ready", _READ, Act.MODEL_READY)
        yield route(f"{model}/config", _READ, Act.MODEL_CONFIG)
        yield route(f"{model}/stats", _READ, Act.MODEL_STATISTICS)
        yield route(f"{model}/generate", _WRITE, Act.NOT_SERVED)
        yield route(f"{model}/generate_stream", _WRITE, Act.NOT_SERVED)
        yield route(f"{model}/trace/setting", _ANY, Act.NOT_SERVED)
    yield route("/models/stats", _READ, Act.ALL_STATISTICS)
    yield route("/models/{model}", _READ, Act.MODEL_METADATA)
    yield route("/models/{model}/versions/{version}", _READ, Act.MODEL_METADATA)
    yield route("", _READ, Act.SERVER_METADATA)
    yield route("/health/live", _READ, Act.SERVER_LIVE)
    yield route("/health/ready", _READ, Act.SERVER_READY)
    yield route("/repository/index", _WRITE, Act.INDEX)
    yield route("/repository/models/{model}/load", _WRITE, Act.LOAD)
    yield route("/repository/models/{model}/unload", _WRITE, Act.UNLOAD)
    yield route("/trace/setting", _ANY, Act.NOT_SERVED)
    yield route("/logging", _ANY, Act.NOT_SERVED)
    for kind in ("systemsharedmemory", "cudasharedmemory"):
        for region in ("", "/region/{region}"):
            yield route(f"/{kind}{region}/status", _READ, Act.NOT_SERVED)
            yield route(f"/{kind}{region}/register", _WRITE, Act.NOT_SERVED)
            yield route(f"/{kind}{region}/unregister", _WRITE, Act.NOT_SERVED)


ROUTES = tuple(_routes())

_LONGEST = 7
_BY_LENGTH = {
    length: tuple(route for route in ROUTES if route.pattern.least == length)
    for length in range(1, _LONGEST + 1)
}
