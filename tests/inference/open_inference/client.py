"""Asks a server in the protocol's own words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from mlmesh.inference.open_inference.service import CONTRACT
from mlmesh.openinference.v2 import inference_pb2 as pb
from mlmesh.runtime.contracts import methods_of


class Client:
    """Calls the methods by the names that they have on the wire."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self._methods = {method.name: method for method in methods_of(CONTRACT)}

    async def ask(self, name: str, request: Any, **options: Any) -> Any:
        answer = await self.raw(name, request.SerializeToString(), **options)
        return self._methods[name].response.FromString(answer)

    async def raw(self, name: str, request: bytes, **options: Any) -> bytes:
        call: Any = self._channel.unary_unary(f"/inference.GRPCInferenceService/{name}")
        answer: bytes = await call(request, **options)
        return answer

    async def infer(self, request: pb.ModelInferRequest, **options: Any) -> pb.ModelInferResponse:
        answer: pb.ModelInferResponse = await self.ask("ModelInfer", request, **options)
        return answer

    async def refusal(
        self, request: Any, name: str = "ModelInfer", **options: Any
    ) -> tuple[grpc.StatusCode, str]:
        """Code and message of a call that fails."""
        try:
            answer = await self.ask(name, request, **options)
        except grpc.aio.AioRpcError as error:
            return error.code(), str(error.details())
        raise AssertionError(f"was answered: {answer}")

    def stream(
        self, requests: Iterator[pb.ModelInferRequest] | AsyncIterator[pb.ModelInferRequest]
    ) -> Any:
        call: Any = self._channel.stream_stream(
            "/inference.GRPCInferenceService/ModelStreamInfer",
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=pb.ModelStreamInferResponse.FromString,
        )
        return call(requests)


def raw_request(
    model: str = "tiny",
    *,
    name: str = "features",
    array: NDArray[Any] | None = None,
    datatype: str = "FP32",
    **fields: Any,
) -> pb.ModelInferRequest:
    """One input with its elements in raw_input_contents; one row of (1, 2) by default."""
    if array is None:
        array = np.array([[1, 2]], np.float32)
    request = pb.ModelInferRequest(model_name=model, **fields)
    request.inputs.add(name=name, datatype=datatype, shape=array.shape)
    request.raw_input_contents.append(array.tobytes())
    return request


def typed_request(model: str = "tiny", **fields: Any) -> pb.ModelInferRequest:
    """The row (1, 2) in typed contents."""
    request = pb.ModelInferRequest(model_name=model, **fields)
    sent = request.inputs.add(name="features", datatype="FP32", shape=[1, 2])
    sent.contents.fp32_contents.extend([1, 2])
    return request
