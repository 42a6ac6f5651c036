"""One call on its way through a process: who asks, under which id, and how long they wait."""

from __future__ import annotations

import math
import os
import random
import re
import time
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlmesh.runtime.tracing import CallSpan

CURRENT: ContextVar[Call | None] = ContextVar("mlmesh_call", default=None)
"""The call that the current task works for; logs and spans read it."""

_REQUEST_ID_SHAPE = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_TRACEPARENT_SHAPE = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
MOST_TRACESTATE = 512
"""Characters; a longer one is not sent on."""
_ODD = frozenset("13579bdf")
"""Last digits of the flags of a trace that is recorded."""

_ONES = 1 << 64 | 1
# Ids must differ, not resist guessing, and a system call for each would cost more than the id.
_random = random.Random(os.urandom(32))


@dataclass(slots=True)
class Call:
    """What travels beside a request message; nobody changes one.

    Not frozen, for that makes it three times as dear.
    """

    request_id: str
    deadline: float = math.inf
    """When the caller stops waiting, in seconds of time.monotonic()."""
    traceparent: str = ""
    priority: int = 0
    """1 is served first, larger numbers later; 0 means no preference."""
    principal: str = ""
    routing: tuple[tuple[str, str], ...] = ()
    """Headers that decide who answers, where the mesh routes by headers."""
    tracestate: str = ""
    """What other tracers say beside the traceparent."""
    root: bool = False
    """Whether the trace began here: the caller sent no traceparent."""
    attempt: int = 0
    """How often it was tried before, by gRPC."""
    span: CallSpan | None = field(default=None, compare=False)
    """Set where the call is traced."""

    @property
    def remaining(self) -> float:
        """Seconds until the deadline; negative when it has passed."""
        return self.deadline - time.monotonic()

    def within(self, seconds: float) -> Call:
        """The same call with no more than `seconds` left."""
        limit = time.monotonic() + seconds
        return self if self.deadline <= limit else replace(self, deadline=limit)


def request_id_of(offered: str) -> str:
    """The caller's id when it is fit for headers and logs, else a new one."""
    if offered and _REQUEST_ID_SHAPE.fullmatch(offered):
        return offered
    return f"{_random.getrandbits(96):024x}"


def traceparent_of(offered: str) -> str:
    """The caller's W3C trace context when it is well-formed, else a new unsampled one."""
    if offered and _TRACEPARENT_SHAPE.fullmatch(offered):
        return offered
    # Neither id may be 0.
    ids = f"{_random.getrandbits(192) | _ONES:048x}"
    return f"00-{ids[:32]}-{ids[32:]}-00"


def sampled_trace_id(traceparent: str) -> str:
    """The id of the trace when its caller records it, else ""; whatever the text is."""
    if traceparent[-1:] in _ODD and _TRACEPARENT_SHAPE.fullmatch(traceparent):
        return traceparent[3:35]
    return ""


def tracestate_of(offered: str) -> str:
    """The caller's W3C tracestate when it is fit to be sent on, else nothing."""
    fit = len(offered) <= MOST_TRACESTATE and offered.isascii() and offered.isprintable()
    return offered if fit else ""


def deadline_after(seconds: float | None) -> float:
    """The deadline of a caller that waits `seconds` from now; None waits for ever."""
    return math.inf if seconds is None else time.monotonic() + seconds
