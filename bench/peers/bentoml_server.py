"""BentoML with the penguins: `bentoml serve bentoml_server:Penguins`, in its own environment.

Its best settings for a model of microseconds: one worker, an asynchronous method, no batching.
"""

from __future__ import annotations

import os
from typing import Any

import bentoml
import numpy as np
import onnxruntime as ort

LABELS = ("Adelie", "Chinstrap", "Gentoo")


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Penguins:
    def __init__(self) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(os.environ["BENCH_GRAPH"], options)

    @bentoml.api
    async def predict(self, features: list[float]) -> dict[str, Any]:
        row = np.array([features], np.float32)
        scores = self._session.run(None, {"features": row})[0][0].tolist()
        best = scores.index(max(scores))
        return {
            "prediction": LABELS[best],
            "confidence": scores[best],
            "probabilities": scores,
            "labels": LABELS,
        }
