"""A version of a model as callers have it: behind a channel to its service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import grpc
from google.rpc.code_pb2 import Code
from google.rpc.status_pb2 import Status

SECONDS = 120.0
"""How long one batched call may take; no contract gives one longer."""
# Not through a proxy: the mesh is on this machine or in this network.
OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
]


class NotEvaluated(Exception):
    """The evaluation came to no result; the message says why and what helps."""


class Result(Protocol):
    """The answer for one item of a batch."""

    @property
    def status(self) -> Status: ...


Found = TypeVar("Found", bound=Result)
Found_co = TypeVar("Found_co", bound=Result, covariant=True)


class Reply(Protocol[Found_co]):
    """The answer of a batched method, as all contracts of the mesh have it."""

    @property
    def model_digest(self) -> str: ...
    @property
    def results(self) -> Sequence[Found_co]: ...


@dataclass(frozen=True, slots=True)
class Served:
    """What an evaluation asks."""

    channel: grpc.Channel
    model: str
    version: str
    digest: str
    """Of the weights that the card belongs to."""

    def results(self, reply: Reply[Found]) -> list[Found]:
        """The results of a batch. Raises NotEvaluated when an item was refused, or when other
        weights answered than those of the card."""
        if reply.model_digest != self.digest:
            raise NotEvaluated(
                f"{self.model} {self.version}: the service answers with other weights "
                f"({reply.model_digest[:19]}) than those of the card ({self.digest[:19]}); "
                "evaluate against the service that has loaded this card's version"
            )
        for result in reply.results:
            if result.status.code:
                name = Code.Name(result.status.code) if result.status.code in Code.values() else "?"
                raise NotEvaluated(f"an item was refused: {name}: {result.status.message}")
        return list(reply.results)


@contextmanager
def asking(target: str) -> Iterator[grpc.Channel]:
    """A channel to `target`, host:port. Calls that fail in the block end it with NotEvaluated."""
    with grpc.insecure_channel(target, OPTIONS) as channel:
        try:
            yield channel
        except grpc.RpcError as error:
            failed: Any = error
            if failed.code() is grpc.StatusCode.UNAVAILABLE:
                raise NotEvaluated(
                    f"no service answers at {target} ({failed.details()}); start the mesh with "
                    "`mlmesh up`, or name another with --target"
                ) from None
            raise NotEvaluated(f"{target}: {failed.code().name}: {failed.details()}") from None
