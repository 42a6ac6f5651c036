"""What callers send, in the form that each way in takes."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import orjson
from google.protobuf.message import Message

from bench.comparison import tensor_model
from bench.comparison.load import HttpRequest
from bench.comparison.photo import made_photo
from mlmesh.openinference.v2 import inference_pb2 as oip
from mlmesh.v1 import nlp_pb2, predictor_pb2, vision_pb2

JSON = (("Content-Type", "application/json"),)
PROTOBUF = (("Content-Type", "application/x-protobuf"), ("Accept", "application/x-protobuf"))
JPEG = (("Content-Type", "image/jpeg"),)
RAW = (("Content-Type", "application/octet-stream"),)
ROW = (39.1, 18.7, 181, 3750)
TEXT = (
    "The staff were friendly and the food was wonderful, but the room was small and rather noisy."
)
"""About as long as sentences are."""


@dataclass(frozen=True, slots=True)
class Grpc:
    """The same by gRPC."""

    method: str
    """Full name."""
    message: Message
    answer: type[Message]
    stream: str
    """Full name of the method that takes many of them."""
    stream_request: type[Message]
    """Holds `message` as `request`, or is of its type; has an id."""
    stream_answer: type[Message]


@dataclass(frozen=True, slots=True)
class Payload:
    """One request, as it is put to everybody."""

    name: str
    program: str
    """The service that answers it."""
    rest: HttpRequest
    """To the service written by hand."""
    json: HttpRequest
    """To the gateway."""
    binary: HttpRequest
    """To the gateway."""
    grpc: Grpc
    raw_rest: HttpRequest | None = None
    """To the service written by hand, without JSON, where `rest` has JSON and need not."""


def tabular() -> Payload:
    pb = predictor_pb2
    message = pb.PredictRequest(model="penguins", features=ROW)
    return Payload(
        "tabular",
        "predictor",
        HttpRequest("/predict", JSON, orjson.dumps({"features": ROW})),
        HttpRequest("/predict", JSON, orjson.dumps({"model": "penguins", "features": ROW})),
        HttpRequest("/predict", PROTOBUF, message.SerializeToString()),
        Grpc(
            "/mlmesh.v1.PredictorService/Predict",
            message,
            pb.PredictResponse,
            "/mlmesh.v1.PredictorService/StreamPredict",
            pb.StreamPredictRequest,
            pb.StreamPredictResponse,
        ),
    )


def text() -> Payload:
    pb = nlp_pb2
    message = pb.AnalyzeSentimentRequest(text=TEXT)
    written = HttpRequest("/analyze/sentiment", JSON, orjson.dumps({"text": TEXT}))
    return Payload(
        "text",
        "nlp",
        written,
        written,
        HttpRequest("/analyze/sentiment", PROTOBUF, message.SerializeToString()),
        Grpc(
            "/mlmesh.v1.NlpService/AnalyzeSentiment",
            message,
            pb.AnalyzeSentimentResponse,
            "/mlmesh.v1.NlpService/StreamAnalyzeSentiment",
            pb.StreamAnalyzeSentimentRequest,
            pb.StreamAnalyzeSentimentResponse,
        ),
    )


def image() -> Payload:
    pb = vision_pb2
    photo = made_photo(0)
    raw = HttpRequest("/classify", JPEG, photo)
    in_json = orjson.dumps({"image": base64.b64encode(photo).decode()})
    return Payload(
        "image",
        "vision",
        raw,
        HttpRequest("/classify", JSON, in_json),
        raw,
        Grpc(
            "/mlmesh.v1.VisionService/Classify",
            pb.ClassifyRequest(image=photo),
            pb.ClassifyResponse,
            "/mlmesh.v1.VisionService/StreamClassify",
            pb.StreamClassifyRequest,
            pb.StreamClassifyResponse,
        ),
    )


def tensor(name: str, shape: tuple[int, int, int]) -> Payload:
    """float32 [channels, height, width]"""
    values = np.random.default_rng(0).standard_normal(shape, np.float32)
    sizes = [1, *shape]
    flat = orjson.Fragment(orjson.dumps(values.ravel(), option=orjson.OPT_SERIALIZE_NUMPY))
    described: dict[str, Any] = {"name": tensor_model.INPUT, "datatype": "FP32", "shape": sizes}
    head = orjson.dumps(
        {
            "inputs": [{**described, "parameters": {"binary_data_size": values.nbytes}}],
            "parameters": {"binary_data_output": True},
        }
    )
    message = oip.ModelInferRequest(
        model_name=tensor_model.NAME,
        inputs=[oip.ModelInferRequest.InferInputTensor(**described)],
        raw_input_contents=[values.tobytes()],
    )
    path = f"/v2/models/{tensor_model.NAME}/infer"
    joined = ",".join(map(str, sizes))
    return Payload(
        name,
        "predictor",
        HttpRequest("/means", JSON, orjson.dumps({"shape": sizes, "data": flat})),
        HttpRequest(path, JSON, orjson.dumps({"inputs": [{**described, "data": flat}]})),
        HttpRequest(
            path,
            (*RAW, ("Inference-Header-Content-Length", str(len(head)))),
            head + values.tobytes(),
        ),
        Grpc(
            "/inference.GRPCInferenceService/ModelInfer",
            message,
            oip.ModelInferResponse,
            "/inference.GRPCInferenceService/ModelStreamInfer",
            oip.ModelInferRequest,
            oip.ModelStreamInferResponse,
        ),
        HttpRequest(f"/means/raw?shape={joined}", RAW, values.tobytes()),
    )


SHAPES = {
    "tensor-1KB": (1, 16, 16),
    "tensor-16KB": (1, 64, 64),
    "tensor-3x224x224": (3, 224, 224),
    "tensor-4MB": (1, 1024, 1024),
}
PAYLOADS: Mapping[str, Callable[[], Payload]] = {
    "tabular": tabular,
    "text": text,
    "image": image,
    **{name: partial(tensor, name, shape) for name, shape in SHAPES.items()},
}
