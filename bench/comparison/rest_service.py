"""What a user would write by hand in the place of a mesh: FastAPI and ONNX Runtime, one process.

    uvicorn --factory bench.comparison.rest_service:application --loop uvloop --http httptools

It runs the same graphs with the same tokenizer and image decoder, and answers the same content.
Bodies are checked by pydantic. Answers are written by orjson
without a response model; `async def`, and a model that takes less time than the way to a
thread and back runs in it; the others run in as many threads as there are cores, one for each run;
large JSON is read by orjson.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import anyio.to_thread
import numpy as np
import onnxruntime as ort
import orjson
from fastapi import FastAPI, Request
from fastapi.responses import Response
from numpy.typing import NDArray
from pydantic import BaseModel, Field, FiniteFloat

from bench.comparison.shipped import unpack
from mlmesh.registry.manifest import MODEL_FILE
from nlp.tokenizer import TOKENIZER_FILE, TextTokenizer
from vision.framing import CentreSquare
from vision.image_reader import frame
from vision.images import EncodedImage, ImageLimits

SCRATCH = "BENCH_SCRATCH"
"""Variable that names a folder for this process alone."""
TENSOR_GRAPH = "BENCH_TENSOR_GRAPH"
"""Variable that names the graph for tensors."""
LONGEST = 126
TOP = 5

Argument = TypeVar("Argument")
Act = Callable[[Argument], object]


class PredictRequest(BaseModel):
    features: Annotated[list[FiniteFloat], Field(min_length=4, max_length=4)]


class SentimentRequest(BaseModel):
    text: Annotated[str, Field(min_length=1)]


class TensorRequest(BaseModel):
    shape: Annotated[list[int], Field(min_length=4, max_length=4)]
    data: list[float]


@dataclass(frozen=True, slots=True)
class Models:
    """The three services in one process, without what the mesh does around them."""

    penguins: ort.InferenceSession
    species: Sequence[str]
    sentiment: ort.InferenceSession
    tokenizer: TextTokenizer
    moods: Sequence[str]
    classifier: ort.InferenceSession
    framing: CentreSquare
    things: Sequence[str]
    tensors: ort.InferenceSession

    def predict(self, features: Sequence[float]) -> object:
        row = np.array([features], np.float32)
        scores = self.penguins.run(None, {"features": row})[0][0].tolist()
        best = scores.index(max(scores))
        return {
            "prediction": self.species[best],
            "confidence": scores[best],
            "probabilities": scores,
            "labels": self.species,
            "model": "penguins",
            "model_version": "v1.0",
        }

    def analyze(self, text: str) -> object:
        pieces = self.tokenizer.read(text).ids[:LONGEST].tolist()
        ids = np.array([[self.tokenizer.opening, *pieces, self.tokenizer.closing]], np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        scores = self.sentiment.run(None, inputs)[0][0].tolist()
        best = scores.index(max(scores))
        return {
            "label": self.moods[best],
            "confidence": scores[best],
            "probabilities": dict(zip(self.moods, scores, strict=True)),
            "model": "sentiment",
            "model_version": "v1.0",
        }

    def classify(self, image: bytes) -> object:
        pixels = frame(ImageLimits().checked(EncodedImage("image", image)), self.framing).pixels
        scores = self.classifier.run(None, {"image": pixels[np.newaxis]})[0][0]
        best = np.argsort(scores)[: -TOP - 1 : -1].tolist()
        return {
            "predictions": [
                {"class": self.things[one], "confidence": float(scores[one])} for one in best
            ],
            "model": "classifier",
            "model_version": "v1.0",
        }

    def means(self, tensor: NDArray[np.float32]) -> object:
        means = self.tensors.run(None, {"x": tensor})[0]
        return {"shape": means.shape, "data": means.ravel().tolist()}


def open_models(scratch: Path, tensor_graph: Path) -> Models:
    penguins = unpack("predictor", "penguins", scratch)
    sentiment = unpack("nlp", "sentiment", scratch)
    classifier = unpack("vision", "classifier", scratch)
    side = classifier.manifest.inputs[0].shape[1]
    if side is None:
        raise ValueError("the classifier reads images of one size")
    return Models(
        _session(penguins.folder / MODEL_FILE),
        penguins.manifest.labels,
        _session(sentiment.folder / MODEL_FILE),
        TextTokenizer(sentiment.folder / TOKENIZER_FILE),
        sentiment.manifest.labels,
        _session(classifier.folder / MODEL_FILE),
        CentreSquare(side),
        classifier.manifest.labels,
        _session(tensor_graph),
    )


def _session(graph: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def application() -> FastAPI:
    scratch = Path(os.environ[SCRATCH]) / str(os.getpid())
    return application_of(open_models(scratch, Path(os.environ[TENSOR_GRAPH])))


def application_of(models: Models) -> FastAPI:
    app = FastAPI()
    limiter = anyio.CapacityLimiter(os.cpu_count() or 1)

    async def beside(act: Act[Argument], argument: Argument) -> Response:
        """Run where it does not hold up the loop."""
        return _answer(await anyio.to_thread.run_sync(act, argument, limiter=limiter))

    @app.get("/ready")
    async def ready() -> Response:
        return _answer({"ready": True})

    @app.post("/predict")
    async def predict(request: PredictRequest) -> Response:
        return _answer(models.predict(request.features))

    @app.post("/analyze/sentiment")
    async def analyze(request: SentimentRequest) -> Response:
        return await beside(models.analyze, request.text)

    @app.post("/classify")
    async def classify(request: Request) -> Response:
        return await beside(models.classify, await request.body())

    @app.post("/means")
    async def means(request: Request) -> Response:
        checked = TensorRequest.model_validate(orjson.loads(await request.body()))
        tensor = np.array(checked.data, np.float32).reshape(checked.shape)
        return _answer(models.means(tensor))

    @app.post("/means/raw")
    async def raw_means(request: Request, shape: str) -> Response:
        """The same for who writes the float32 down as they are: `?shape=1,3,224,224`."""
        sizes = [int(size) for size in shape.split(",")]
        return _answer(models.means(np.frombuffer(await request.body(), "<f4").reshape(sizes)))

    return app


def _answer(content: Any) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
