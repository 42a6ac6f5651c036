"""What became of several things of one request, some of which may have failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

from mlmesh.runtime.errors import InvalidInput, ServingError

Found = TypeVar("Found")
More = TypeVar("More")
Outcome: TypeAlias = Found | ServingError
"""What was made of one of them, or why nothing was."""


def each(outcomes: Sequence[Outcome[Found]], act: Callable[[Found], More]) -> list[Outcome[More]]:
    """What `act` makes of each; what failed before stays failed, InvalidInput fails its own."""
    return [one if isinstance(one, ServingError) else _outcome(one, act) for one in outcomes]


def _outcome(found: Found, act: Callable[[Found], More]) -> Outcome[More]:
    try:
        return act(found)
    except InvalidInput as error:
        return error
