"""Answers mlmesh.v1.GatewayService calls: keeps inputs, and sends them on to fitting models."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf.struct_pb2 import Value

from gateway.analysis import Analyses
from gateway.body import reader_of
from gateway.mesh import Mesh
from gateway.records import InputLog
from gateway.reply import writer_of
from gateway.routes import Routes
from gateway.transcode import json_of, message_of
from mlmesh.runtime.call import Call
from mlmesh.runtime.chain import Service
from mlmesh.runtime.errors import InvalidInput, NotFound, Unavailable
from mlmesh.v1 import gateway_pb2 as pb

TABULAR_PATH = "/predict"
TEXT_PATH = "/analyze/sentiment"
LOGGED = "Input logged successfully"

_read_value = reader_of(Value)
_write_value = writer_of(Value)


class GatewayService:
    """log: where inputs are kept. `mesh` and `routes` send them on as any HTTP request.

    max_bytes: the most that an input may take, serialised.
    """

    def __init__(self, log: InputLog, mesh: Mesh, routes: Routes, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._log = log
        self._mesh = mesh
        self._routes = routes
        self._analyses = Analyses(mesh)

    async def Analyze(  # noqa: N802 the contract's name
        self, request: pb.AnalyzeRequest, call: Call
    ) -> pb.AnalyzeResponse:
        return await self._analyses.answer(request, call)

    async def Process(  # noqa: N802 the contract's name
        self, request: pb.ProcessRequest, call: Call
    ) -> pb.ProcessResponse:
        if not request.HasField("data"):
            raise InvalidInput("data", "send a number, text, a list or an object")
        size = request.data.ByteSize()
        if size > self._max_bytes:
            raise InvalidInput("data", f"larger than the {self._max_bytes} bytes that are kept")
        received = _write_value(request.data)
        await self._log.append(
            {
                "time": datetime.now(UTC).isoformat(),
                "request_id": call.request_id,
                "data": received,
                "forward_to_model": request.forward_to_model,
            }
        )
        response = pb.ProcessResponse(status=LOGGED)
        if request.forward_to_model:
            prediction = await self._forward(received, call)
            _read_value.fill(response.model_prediction, prediction)
        return response

    async def _forward(self, data: object, call: Call) -> Any:
        path, body = _destination(data)
        try:
            match = self._routes.find("POST", path)
        except NotFound:
            gone = f"the input was logged, but no service of this mesh answers {path}"
            raise Unavailable(gone) from None
        try:
            message = message_of(match, [], body)
            method = match.binding.method
            answer = await self._mesh.answer(method, message.SerializeToString(), call)
        except Unavailable as error:
            raise Unavailable(f"the input was logged, but {error.message}") from None
        return json_of(match.binding, answer)


def gateway_service(log: InputLog, mesh: Mesh, routes: Routes, max_bytes: int) -> Service:
    """GatewayService on `log`, sending on through `mesh`."""
    servicer = GatewayService(log, mesh, routes, max_bytes)
    return Service(pb.DESCRIPTOR.services_by_name["GatewayService"], servicer)


def _destination(data: object) -> tuple[str, Mapping[str, object]]:
    """The route that an input goes to, and the body for it. Raises InvalidInput."""
    if isinstance(data, dict):
        return TABULAR_PATH, {"named_features": data}
    if isinstance(data, str):
        numbers = _numbers(data)
        return (TABULAR_PATH, {"features": numbers}) if numbers else (TEXT_PATH, {"text": data})
    values = data if isinstance(data, list) else [data]
    for index, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, int | float):
            field = f"data[{index}]" if isinstance(data, list) else "data"
            raise InvalidInput(field, "must be a number to go to a model")
    return TABULAR_PATH, {"features": values}


def _numbers(text: str) -> list[float]:
    """The numbers of a comma-separated list; empty when it is anything else."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        return []
    # "nan" and "infinity" are words here.
    return numbers if all(map(math.isfinite, numbers)) else []
