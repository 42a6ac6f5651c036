"""Parameters of requests: which are known, which are reserved, what they ask for.

Those that nobody has reserved are free for models; no model here reads any, so they change nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from mlmesh.openinference.v2 import inference_pb2 as pb
from mlmesh.runtime.call import Call
from mlmesh.runtime.errors import InvalidInput, Unsupported

Parameters = Mapping[str, pb.InferParameter]

EMPTY_FINAL_RESPONSE = "triton_enable_empty_final_response"
FINAL_RESPONSE = "triton_final_response"
MAX_MICROSECONDS = 2**53
"""Some 285 years."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a request is answered."""

    deadline: float
    """In seconds of time.monotonic()."""
    priority: int
    """1 first, larger numbers later, 0 no preference."""
    seconds: float | None = None
    """The request's own timeout; None when it has none."""


def terms_of(parameters: Parameters, call: Call) -> Terms:
    """What the parameters of a request ask for, within what its call allows.

    Raises InvalidInput, or Unsupported for what is reserved for servers that do more.
    """
    if not parameters:
        return Terms(call.deadline, call.priority)
    for name in parameters:
        _refuse_reserved(name, parameters[name])
    priority = _whole(parameters, "priority", 2**64 - 1) or call.priority
    microseconds = _whole(parameters, "timeout", MAX_MICROSECONDS)
    if not microseconds:
        return Terms(call.deadline, priority)
    seconds = microseconds / 1e6
    return Terms(min(call.deadline, time.monotonic() + seconds), priority, seconds)


def refuse_shared_memory(parameters: Parameters, field: str) -> None:
    """Raise Unsupported when a tensor is to lie in memory that caller and server share."""
    for name in parameters:
        if name.startswith("shared_memory_"):
            raise Unsupported(
                f'{field}.parameters["{name[:64]}"]: shared memory is not served, '
                "send and take the elements in the messages"
            )


def classes_of(parameters: Parameters, field: str) -> int:
    """How many of the best classes an output's parameters ask for; 0: its elements as they are."""
    if not parameters:
        return 0
    refuse_shared_memory(parameters, field)
    return _whole(parameters, "classification", 2**31 - 1, f"{field}.")


def _refuse_reserved(name: str, value: pb.InferParameter) -> None:
    field = f'parameters["{name[:64]}"]'
    if name.startswith("sequence_"):
        # Clients send these in every request; only a sequence that is one is asked too much.
        if getattr(value, value.WhichOneof("parameter_choice") or "bool_param"):
            raise Unsupported(f"{field}: no model here remembers earlier requests")
    elif name == EMPTY_FINAL_RESPONSE:
        if value.WhichOneof("parameter_choice") != "bool_param":
            raise InvalidInput(field, "expected a bool_param")
    elif name.startswith("triton_"):
        raise InvalidInput(field, "names that begin with triton_ are reserved")
    elif name.startswith("shared_memory_"):
        raise Unsupported(f"{field}: shared memory is not served")


def _whole(parameters: Parameters, name: str, most: int, parent: str = "") -> int:
    """A whole number, sent with or without a sign; 0 when it is not there."""
    if name not in parameters:
        return 0
    value = parameters[name]
    choice = value.WhichOneof("parameter_choice")
    field = f'{parent}parameters["{name}"]'
    if choice not in ("int64_param", "uint64_param"):
        raise InvalidInput(field, "expected an int64_param or uint64_param")
    number: int = getattr(value, choice)
    if not 0 <= number <= most:
        raise InvalidInput(field, f"expected 0 to {most}, got {number}")
    return number
