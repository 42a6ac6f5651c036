"""Batched answers as an evaluation takes them."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from google.rpc.code_pb2 import Code
from google.rpc.status_pb2 import Status

from mlmesh.evaluation.served import NotEvaluated, Served
from mlmesh.v1 import predictor_pb2 as pb

DIGEST = f"sha256:{64 * '1'}"


@pytest.fixture
def served() -> Iterator[Served]:
    """Nobody answers there, and nobody is asked."""
    with grpc.insecure_channel("127.0.0.1:1") as channel:
        yield Served(channel, "tiny", "v1.0", DIGEST)


def test_results_come_as_they_are(served: Served) -> None:
    reply = pb.BatchPredictResponse(
        results=[pb.RowResult(label="a"), pb.RowResult(label="b")], model_digest=DIGEST
    )

    assert [one.label for one in served.results(reply)] == ["a", "b"]


def test_answers_of_other_weights_are_not_taken(served: Served) -> None:
    reply = pb.BatchPredictResponse(model_digest=f"sha256:{64 * '2'}")

    with pytest.raises(NotEvaluated, match=r"tiny v1.0: .*other weights \(sha256:222222222222\)"):
        served.results(reply)


def test_a_refused_item_is_not_passed_over(served: Served) -> None:
    status = Status(code=Code.INVALID_ARGUMENT, message="rows[0].features: expected 4, got 3")
    reply = pb.BatchPredictResponse(results=[pb.RowResult(status=status)], model_digest=DIGEST)

    with pytest.raises(NotEvaluated, match=r"INVALID_ARGUMENT: rows\[0\]\.features: expected 4"):
        served.results(reply)
