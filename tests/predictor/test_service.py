from __future__ import annotations

import asyncio
from typing import Any

import grpc
import numpy as np
import onnxruntime as ort
import pytest
from google.protobuf.struct_pb2 import Value
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from mlmesh.inference.host import Host
from mlmesh.v1 import predictor_pb2 as pb, predictor_pb2_grpc as rpc


def named(**values: float | str) -> dict[str, Value]:
    return {
        name: Value(string_value=value) if isinstance(value, str) else Value(number_value=value)
        for name, value in values.items()
    }


async def test_an_answer_says_what_was_predicted_how_surely_and_by_what(
    predictor: rpc.PredictorServiceAsyncStub,
) -> None:
    reply = await predictor.Predict(
        pb.PredictRequest(features=[1, 2], model_version="v1.0"),
        metadata=(("x-request-id", "order-7"),),
    )

    assert reply.label == reply.prediction.string_value == "b"
    assert reply.labels == ["a", "b", "c"]
    assert reply.confidence == max(reply.probabilities)
    assert sum(reply.probabilities) == pytest.approx(1)
    assert (reply.model, reply.model_version) == ("tiny", "v1.0")
    assert reply.model_digest.startswith("sha256:")
    assert reply.request_id == "order-7"
    assert reply.inference_time_ms > 0


async def test_probabilities_are_those_of_onnxruntime_bit_by_bit(
    predictor: rpc.PredictorServiceAsyncStub, model_root: Any
) -> None:
    row = [3.25, 0.1]
    session = ort.InferenceSession(model_root / "tiny" / "v1.0" / "model.onnx")
    [expected] = session.run(None, {"features": np.array([row], np.float32)})

    reply = await predictor.Predict(pb.PredictRequest(features=row, model_version="v1.0"))

    assert np.array(reply.probabilities, np.float32).tobytes() == expected[0].tobytes()


async def test_a_caller_chooses_the_version_and_gets_the_newest_otherwise(
    predictor: rpc.PredictorServiceAsyncStub,
) -> None:
    first = await predictor.Predict(pb.PredictRequest(features=[1, 2], model_version="v1.0"))
    newest = await predictor.Predict(pb.PredictRequest(features=[1, 2]))

    assert (first.label, first.model_version) == ("b", "v1.0")
    assert (newest.label, newest.model_version) == ("a", "v2.0")


async def test_features_by_name_are_the_same_row(predictor: rpc.PredictorServiceAsyncStub) -> None:
    listed = await predictor.Predict(pb.PredictRequest(features=[1, 2]))
    by_name = await predictor.Predict(pb.PredictRequest(named_features=named(y=2, x=1)))

    assert by_name.probabilities == listed.probabilities


async def test_a_regressor_answers_with_a_number(predictor: rpc.PredictorServiceAsyncStub) -> None:
    reply = await predictor.Predict(pb.PredictRequest(model="sum", features=[1.5, 2]))

    assert reply.prediction.number_value == 3.5
    assert (reply.label, reply.confidence, list(reply.probabilities)) == ("", 0, [])


async def test_a_value_that_training_never_saw_is_answered_with_a_warning(
    predictor: rpc.PredictorServiceAsyncStub,
) -> None:
    reply = await predictor.Predict(pb.PredictRequest(features=[1, 11]))

    [warning] = reply.warnings
    assert warning.field == "features[1]"
    assert warning.reason == "OUT_OF_TRAINING_RANGE"
    assert warning.description == "y is 11 mm, training saw 0 to 10"
    assert reply.label


NAN = float("nan")
REFUSALS = [
    ({"features": [1]}, "INVALID_ARGUMENT", "features: expected 2 (x, y), got 1"),
    ({"features": [1, 2, 3]}, "INVALID_ARGUMENT", "features: expected 2 (x, y), got 3"),
    ({}, "INVALID_ARGUMENT", "features: expected 2 (x, y), got 0"),
    ({"features": [1, NAN]}, "INVALID_ARGUMENT", "features[1]: must be finite"),
    (
        {"features": [1e39, 0]},
        "INVALID_ARGUMENT",
        "features[0]: must be a finite number that fits 32 bits",
    ),
    (
        {"features": [1, 2], "named_features": named(x=1)},
        "INVALID_ARGUMENT",
        "features: send either features or named_features, not both",
    ),
    (
        {"named_features": named(x=1, z=2)},
        "INVALID_ARGUMENT",
        'named_features["z"]: the model has no such feature, it takes 2 (x, y)',
    ),
    ({"named_features": named(x=1)}, "INVALID_ARGUMENT", 'named_features["y"]: missing'),
    (
        {"named_features": named(x=1, y="2")},
        "INVALID_ARGUMENT",
        'named_features["y"]: must be a number',
    ),
    (
        {"named_features": named(x=1, y=NAN)},
        "INVALID_ARGUMENT",
        'named_features["y"]: must be a finite number that fits 32 bits',
    ),
    (
        {"model": "kinds", "features": [1, 2, 0]},
        "INVALID_ARGUMENT",
        "features: kind is a category, so send named_features instead",
    ),
    (
        {"model": "kinds", "named_features": named(x=1, y=2, kind="stripy")},
        "INVALID_ARGUMENT",
        "named_features[\"kind\"]: no category 'stripy', did you mean 'striped'?",
    ),
    (
        {"model": "kinds", "named_features": named(x=1, y=2, kind=1)},
        "INVALID_ARGUMENT",
        'named_features["kind"]: must be the name of a category',
    ),
    (
        {"model": "tini", "features": [1, 2]},
        "NOT_FOUND",
        "model: there is nothing named 'tini', did you mean 'tiny'?",
    ),
    (
        {"model_version": "v9", "features": [1, 2]},
        "NOT_FOUND",
        "model_version: tiny has nothing named 'v9', choose from v1.0, v2.0",
    ),
    ({"model": "x" * 65}, "INVALID_ARGUMENT", "model: must be at most 64 characters"),
]


@pytest.mark.parametrize(("fields", "code", "message"), REFUSALS)
async def test_refusals_name_the_field_and_the_remedy(
    predictor: rpc.PredictorServiceAsyncStub, fields: dict[str, Any], code: str, message: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await predictor.Predict(pb.PredictRequest(**fields))

    assert (refused.value.code().name, refused.value.details()) == (code, message)


async def test_a_refusal_carries_the_field_for_programs(
    predictor: rpc.PredictorServiceAsyncStub,
) -> None:
    call = predictor.Predict(pb.PredictRequest(features=[1]))
    with pytest.raises(grpc.aio.AioRpcError):
        await call

    status = await rpc_status.aio.from_call(call)
    request, info = error_details_pb2.BadRequest(), error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(request)
    assert (info.reason, info.domain) == ("INVALID_INPUT", "mlmesh")
    assert [violation.field for violation in request.field_violations] == ["features"]


async def test_a_wrong_row_of_a_batch_fails_alone(predictor: rpc.PredictorServiceAsyncStub) -> None:
    rows = [pb.Row(features=row) for row in ([1, 2], [1], [3, 11], [NAN, 0])]

    reply = await predictor.BatchPredict(pb.BatchPredictRequest(rows=rows))

    assert [result.status.code for result in reply.results] == [0, 3, 0, 3]
    assert [result.label for result in reply.results] == ["a", "", "a", ""]
    assert [warning.field for warning in reply.results[2].warnings] == ["rows[2].features[1]"]
    assert reply.results[1].status.message == "rows[1].features: expected 2 (x, y), got 1"
    assert reply.results[3].status.message.startswith("rows[3].features[0]: must be a finite")
    assert (reply.model, reply.model_version, reply.labels[0]) == ("tiny", "v2.0", "a")


async def test_a_batch_larger_than_one_run_is_answered_in_order(
    predictor: rpc.PredictorServiceAsyncStub,
) -> None:
    rows = [pb.Row(features=[index % 10, 5]) for index in range(1000)]

    reply = await predictor.BatchPredict(pb.BatchPredictRequest(model="sum", rows=rows))

    predictions = [result.prediction.number_value for result in reply.results]
    assert predictions == [index % 10 + 5 for index in range(1000)]


async def test_a_batch_without_rows_is_refused(predictor: rpc.PredictorServiceAsyncStub) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await predictor.BatchPredict(pb.BatchPredictRequest())

    assert refused.value.details() == "rows: must contain at least 1 item(s)"


async def test_a_stream_answers_each_request_by_its_id(
    predictor: rpc.PredictorServiceAsyncStub,
) -> None:
    rows = {"good": [1, 2], "short": [1], "high": [1, 99]}
    requests = [
        pb.StreamPredictRequest(id=name, request=pb.PredictRequest(features=row))
        for name, row in rows.items()
    ]

    answers = {answer.id: answer async for answer in predictor.StreamPredict(iter(requests))}

    assert {name: answer.status.code for name, answer in answers.items()} == {
        "good": 0,
        "short": 3,
        "high": 0,
    }
    assert answers["good"].response.label == "a"
    assert not answers["short"].HasField("response")
    assert answers["high"].response.warnings[0].field == "features[1]"


async def test_a_stream_whose_caller_does_not_read_does_not_grow(
    predictor: rpc.PredictorServiceAsyncStub,
) -> None:
    sent = 0

    async def requests() -> Any:
        nonlocal sent
        for sent in range(20_000):
            yield pb.StreamPredictRequest(
                id=str(sent) * 500, request=pb.PredictRequest(features=[1, 2])
            )

    stream = predictor.StreamPredict(requests())
    await stream.read()
    await asyncio.sleep(1)
    stream.cancel()

    # What HTTP/2's windows hold, and the items under way; not the whole stream.
    assert sent < 10_000


async def test_bytes_that_are_no_message_end_a_stream_after_what_came_before(
    channel: grpc.aio.Channel,
) -> None:
    good = pb.StreamPredictRequest(id="good", request=pb.PredictRequest(features=[1, 2]))
    start: Any = channel.stream_stream("/mlmesh.v1.PredictorService/StreamPredict")
    stream = start(iter([good.SerializeToString(), b"\xff\xff"]))

    first = pb.StreamPredictResponse.FromString(await stream.read())
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stream.read()

    assert (first.id, first.status.code) == ("good", 0)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_explanation_says_what_each_feature_does(
    predictor: rpc.PredictorServiceAsyncStub, host: Host
) -> None:
    request = pb.ExplainRequest(
        model="kinds", named_features=named(x=6, y=5, kind="striped"), model_version="v1.0"
    )

    reply = await predictor.Explain(request)

    assert (reply.label, reply.method) == ("a", "occlusion")
    assert [one.feature for one in reply.contributions] == ["x", "y", "kind"]
    x, y, kind = reply.contributions
    assert (x.value.number_value, x.baseline.number_value) == (6, 5)
    assert (kind.value.string_value, kind.baseline.string_value) == ("striped", "plain")
    assert x.contribution > 0
    assert y.contribution == 0
    without_x = await predictor.Predict(
        pb.PredictRequest(model="kinds", named_features=named(x=5, y=5, kind="striped"))
    )
    assert x.contribution == pytest.approx(reply.score - without_x.probabilities[0], abs=1e-6)


async def test_neighbours_in_a_batch_do_not_change_an_answer(
    predictor: rpc.PredictorServiceAsyncStub,
) -> None:
    row = pb.PredictRequest(features=[2.7, 1.3])
    alone = await predictor.Predict(row)

    crowd = await asyncio.gather(*(predictor.Predict(row) for _ in range(200)))

    assert {tuple(reply.probabilities) for reply in crowd} == {tuple(alone.probabilities)}
