"""Triton by pytriton with the penguins: `python pytriton_server.py HTTP GRPC METRICS GRAPH`.

Its best settings for a model of microseconds: batches of what waits, without a delay.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import onnxruntime as ort
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig


def main() -> None:
    http, grpc, metrics = map(int, sys.argv[1:4])
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(sys.argv[4], options)

    @batch
    def infer(features: Any) -> dict[str, Any]:
        return {"probabilities": session.run(None, {"features": features})[0]}

    config = TritonConfig(http_port=http, grpc_port=grpc, metrics_port=metrics, log_verbose=0)
    with Triton(config=config) as triton:
        triton.bind(
            model_name="penguins",
            infer_func=infer,
            inputs=[Tensor(name="features", dtype=np.float32, shape=(4,))],
            outputs=[Tensor(name="probabilities", dtype=np.float32, shape=(3,))],
            config=ModelConfig(
                max_batch_size=64, batcher=DynamicBatcher(max_queue_delay_microseconds=0)
            ),
        )
        triton.serve()


if __name__ == "__main__":
    main()
