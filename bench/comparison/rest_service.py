"""What a user would write by hand in the place of a mesh: FastAPI and ONNX Runtime, one process.

    uvicorn bench.comparison.rest_service:app --loop uvloop --http httptools --no-access-log

It is the same graphs and the same answers. What is done for speed, each tried against its
opposite: answers by orjson without a response model, `async def` where the model takes less time
than the way to a thread and back, one thread for each run, no access log.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import onnxruntime as ort
import orjson
from fastapi import FastAPI
from fastapi.responses import Response
from pydantic import BaseModel, Field, FiniteFloat

ROOT = Path(__file__).parents[2]
PENGUINS = ROOT / "predictor/models/penguins/v1.0/model.onnx"
LABELS = ("Adelie", "Chinstrap", "Gentoo")

app = FastAPI()


class PredictRequest(BaseModel):
    features: Annotated[list[FiniteFloat], Field(min_length=4, max_length=4)]


def session(graph: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


penguins = session(PENGUINS)


def answer(content: object) -> Response:
    return Response(
        orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json"
    )


@app.get("/ready")
async def ready() -> Response:
    return answer({"ready": True})


@app.post("/predict")
async def predict(request: PredictRequest) -> Response:
    row = np.array([request.features], np.float32)
    probabilities = penguins.run(None, {"features": row})[0][0]
    best = int(probabilities.argmax())
    return answer(
        {
            "prediction": LABELS[best],
            "confidence": probabilities[best],
            "probabilities": probabilities,
            "labels": LABELS,
            "model": "penguins",
            "model_version": "v1.0",
        }
    )
