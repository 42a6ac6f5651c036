"""The model that a request of a service's own contract asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from mlmesh.inference.host import Host
from mlmesh.inference.version import LoadedVersion
from mlmesh.runtime.errors import Unavailable

Model = TypeVar("Model")


class Asking(Protocol):
    """What such a request begins with."""

    model: str
    model_version: str


@contextmanager
def asked_model(
    host: Host, request: Asking, own: str, make: Callable[[LoadedVersion], Model]
) -> Iterator[Model]:
    """What `make` makes of the version that is asked for; it is not unloaded inside the block.

    own: the model of callers who name none; empty where nobody is. Raises ModelNotFound,
    Unavailable, and what `make` raises.
    """
    if not (request.model or own):
        raise Unavailable("model: this service has none of its own for this, name one")
    with host.using(request.model or own, request.model_version) as version:
        yield version.view(make)
