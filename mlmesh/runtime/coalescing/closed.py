"""What calls are told that their caller's own end of the connection closes on."""

from __future__ import annotations

from mlmesh.runtime.errors import Unavailable


class Closed(Unavailable):
    def __init__(self) -> None:
        super().__init__("the connection is being closed")
