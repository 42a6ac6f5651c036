"""Writes what model versions did as the protocol has it."""

from __future__ import annotations

from mlmesh.inference.statistics import BatchStatistics, Duration
from mlmesh.inference.version import LoadedVersion
from mlmesh.openinference.v2 import inference_pb2 as pb


def statistics_of(loaded: LoadedVersion) -> pb.ModelStatistics:
    """What a version did since it was loaded."""
    did = loaded.statistics
    return pb.ModelStatistics(
        name=loaded.manifest.name,
        version=loaded.manifest.version,
        last_inference=did.last_inference_ms,
        inference_count=did.inference_count,
        execution_count=did.execution_count,
        inference_stats=pb.InferStatistics(
            success=_duration(did.success),
            fail=_duration(did.fail),
            queue=_duration(did.queue),
            compute_input=_duration(did.compute_input),
            compute_infer=_duration(did.compute_infer),
            compute_output=_duration(did.compute_output),
            # Nothing is cached here; clients print these without asking whether they are there.
            cache_hit=pb.StatisticDuration(),
            cache_miss=pb.StatisticDuration(),
        ),
        batch_stats=[_batch(rows, did.batches[rows]) for rows in sorted(did.batches)],
    )


def _batch(rows: int, did: BatchStatistics) -> pb.InferBatchStatistics:
    return pb.InferBatchStatistics(
        batch_size=rows,
        compute_input=_duration(did.compute_input),
        compute_infer=_duration(did.compute_infer),
        compute_output=_duration(did.compute_output),
    )


def _duration(spent: Duration) -> pb.StatisticDuration:
    return pb.StatisticDuration(count=spent.count, ns=spent.ns)
