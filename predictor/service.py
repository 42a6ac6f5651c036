"""Answers mlmesh.v1.PredictorService calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from google.protobuf.struct_pb2 import Value
from google.rpc import status_pb2

from mlmesh.inference.batch_run import Answer
from mlmesh.inference.host import Host
from mlmesh.registry.manifest import Feature
from mlmesh.runtime.call import Call
from mlmesh.runtime.chain import Service
from mlmesh.runtime.done import Done, GiveUp, then
from mlmesh.runtime.errors import InvalidInput, Precondition, ServingError
from mlmesh.v1 import predictor_pb2 as pb
from predictor.explain import explain
from predictor.model import Prediction, Scored, TabularModel, tabular
from predictor.rows import Encoded

CONTRACT = pb.DESCRIPTOR.services_by_name["PredictorService"]


class PredictorService:
    """max_rows: rows of a BatchPredict that run together. max_explained: features, likewise."""

    def __init__(self, host: Host, *, max_rows: int = 256, max_explained: int = 256) -> None:
        self._host = host
        self._max_rows = max_rows
        self._max_explained = max_explained

    def Predict(
        self, request: pb.PredictRequest, call: Call, done: Done[pb.PredictResponse]
    ) -> GiveUp:
        with self._host.using(request.model, request.model_version) as version:
            model = version.view(tabular)
            row, warnings = model.rows.read(request.features, request.named_features)

            def response(answer: Answer) -> pb.PredictResponse:
                return _response(model, model.scored(answer), warnings, call)

            return model.begin(row, call, then(response, done))

    async def BatchPredict(
        self, request: pb.BatchPredictRequest, call: Call
    ) -> pb.BatchPredictResponse:
        with self._host.using(request.model, request.model_version) as version:
            return await self._batch(version.view(tabular), request, call)

    async def _batch(
        self, model: TabularModel, request: pb.BatchPredictRequest, call: Call
    ) -> pb.BatchPredictResponse:
        response = pb.BatchPredictResponse(
            labels=model.manifest.labels,
            model=model.manifest.name,
            model_version=model.manifest.version,
            model_digest=model.manifest.digest,
            request_id=call.request_id,
        )
        slowest = 0.0
        for start in range(0, len(request.rows), self._max_rows):
            results, seconds = await self._results(model, request, start, call)
            response.results.extend(results)
            slowest = max(slowest, seconds)
            # Thousands of rows must not keep the loop from the other callers.
            await asyncio.sleep(0)
        response.inference_time_ms = _milliseconds(slowest)
        return response

    async def Explain(self, request: pb.ExplainRequest, call: Call) -> pb.ExplainResponse:
        with self._host.using(request.model, request.model_version) as version:
            return await self._explained(version.view(tabular), request, call)

    async def _explained(
        self, model: TabularModel, request: pb.ExplainRequest, call: Call
    ) -> pb.ExplainResponse:
        features = model.manifest.features
        if len(features) > self._max_explained:
            raise Precondition(
                f"model: {len(features)} features are too many to explain, "
                f"the limit is {self._max_explained}"
            )
        row, _ = model.rows.read(request.features, request.named_features)
        found = await explain(model, row, call)
        baseline = model.rows.baseline()
        return pb.ExplainResponse(
            label=found.label,
            score=found.score,
            baseline_score=found.baseline_score,
            contributions=[
                pb.Contribution(
                    feature=feature.name,
                    value=_value(feature, row[index]),
                    baseline=_value(feature, baseline[index]),
                    contribution=found.contributions[index],
                )
                for index, feature in enumerate(features)
            ],
            method="occlusion",
            model=model.manifest.name,
            model_version=model.manifest.version,
            model_digest=model.manifest.digest,
            inference_time_ms=_milliseconds(found.seconds),
            request_id=call.request_id,
        )

    async def _results(
        self, model: TabularModel, request: pb.BatchPredictRequest, start: int, call: Call
    ) -> tuple[list[pb.RowResult], float]:
        """Results of the rows from `start` on that run together, and the seconds it took."""
        results = [pb.RowResult(status=status_pb2.Status()) for _ in self._slice(request, start)]
        good: list[tuple[pb.RowResult, Encoded]] = []
        for offset, (result, row) in enumerate(
            zip(results, self._slice(request, start), strict=True)
        ):
            at = f"rows[{start + offset}]"
            try:
                encoded, warnings = model.rows.read(row.features, row.named_features)
            except InvalidInput as error:
                result.status.CopyFrom(error.below(at).status())
            else:
                for warning in warnings:
                    warning.field = f"{at}.{warning.field}"
                result.warnings.extend(warnings)
                good.append((result, encoded))
        if not good:
            return results, 0.0
        try:
            scores, seconds = await model.scores([encoded for _, encoded in good], call)
        except ServingError as error:
            for result, _ in good:
                result.Clear()
                result.status.CopyFrom(error.status())
            return results, 0.0
        for (result, _), row_scores in zip(good, scores, strict=True):
            _put(result, model.prediction(row_scores))
        return results, seconds

    def _slice(self, request: pb.BatchPredictRequest, start: int) -> Iterator[pb.Row]:
        return iter(request.rows[start : start + self._max_rows])


def predictor_service(host: Host, *, max_rows: int = 256, max_explained: int = 256) -> Service:
    """PredictorService for the models of `host`."""
    servicer = PredictorService(host, max_rows=max_rows, max_explained=max_explained)
    return Service(CONTRACT, servicer, {"StreamPredict": "Predict"})


def _response(
    model: TabularModel, scored: Scored, warnings: Sequence[pb.Warning], call: Call
) -> pb.PredictResponse:
    response = pb.PredictResponse()
    # Filled in once for the model: a third of what all fields cost.
    response.CopyFrom(model.response)
    scores, seconds = scored
    _put(response, model.prediction(scores[0]))
    if warnings:
        response.warnings.extend(warnings)
    response.inference_time_ms = _milliseconds(seconds)
    response.request_id = call.request_id
    return response


def _put(result: pb.RowResult | pb.PredictResponse, found: Prediction) -> None:
    result.prediction.CopyFrom(found.prediction)
    result.label = found.label
    result.confidence = found.confidence
    result.probabilities.extend(found.probabilities)


def _value(feature: Feature, encoded: float) -> Value:
    if feature.kind == "categorical":
        return Value(string_value=feature.categories[int(encoded)])
    return Value(number_value=encoded)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
