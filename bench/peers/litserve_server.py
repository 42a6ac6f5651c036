"""LitServe with the penguins: `python litserve_server.py PORT GRAPH`, in an environment of its own.

Its best settings for a model of microseconds: one worker, no batching window, its fast queue
(ZeroMQ in the place of a manager process).
"""

from __future__ import annotations

import sys
from typing import Any

import litserve
import numpy as np
import onnxruntime as ort

LABELS = ("Adelie", "Chinstrap", "Gentoo")


class Penguins(litserve.LitAPI):
    def setup(self, device: str) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(sys.argv[2], options)

    # LitServe evaluates an annotation of `request`, which is a string here.
    def decode_request(self, request):  # type: ignore[no-untyped-def]
        return np.array([request["features"]], np.float32)

    def predict(self, row: Any) -> list[float]:
        scores: list[float] = self.session.run(None, {"features": row})[0][0].tolist()
        return scores

    def encode_response(self, scores: list[float]) -> dict[str, Any]:
        best = scores.index(max(scores))
        return {
            "prediction": LABELS[best],
            "confidence": scores[best],
            "probabilities": scores,
            "labels": LABELS,
        }


if __name__ == "__main__":
    server = litserve.LitServer(
        Penguins(), accelerator="cpu", workers_per_device=1, fast_queue=True
    )
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning"
    )
