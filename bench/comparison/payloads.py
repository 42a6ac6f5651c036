"""What callers send, in the form that each way in takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson
from google.protobuf.message import Message

from bench.comparison.load import HttpRequest
from mlmesh.v1 import predictor_pb2 as pb

JSON = "application/json"
PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True, slots=True)
class Payload:
    """One request, as it is put to everybody."""

    name: str
    service: str
    """The program that answers it."""
    rest: HttpRequest
    """To the hand-written service."""
    json: HttpRequest
    """To the gateway."""
    method: str
    """The same by gRPC: full name of the method, and its message."""
    message: Message


def tabular() -> Payload:
    row = [39.1, 18.7, 181, 3750]
    by_hand = orjson.dumps({"features": row})
    ours = orjson.dumps({"model": "penguins", "features": row})
    return Payload(
        "tabular",
        "predictor",
        HttpRequest("/predict", JSON, by_hand),
        HttpRequest("/predict", JSON, ours),
        "/mlmesh.v1.PredictorService/Predict",
        pb.PredictRequest(model="penguins", features=row),
    )


PAYLOADS: Mapping[str, Callable[[], Payload]] = {"tabular": tabular}
