from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from tests.conformance.client import Client

MODEL = "counted"


def statistics_of(client: Client, *names: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.plain("get_inference_statistics", *names)["model_stats"]
    return found


def counted(client: Client) -> dict[str, int]:
    """What the model did so far; what a message does not hold is 0."""
    [said] = statistics_of(client, MODEL, "1")
    inference = said["inference_stats"]
    counts = {
        name: int(inference.get(name, {}).get("count", 0))
        for name in ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output")
    }
    counts["rows"] = int(said.get("inference_count", 0))
    counts["runs"] = int(said.get("execution_count", 0))
    counts["infer_ns"] = int(inference.get("compute_infer", {}).get("ns", 0))
    counts["last"] = int(said.get("last_inference", 0))
    return counts


def test_counts_move_by_what_was_done(client: Client) -> None:
    before = counted(client)
    started_ms = time.time_ns() // 1_000_000

    for rows in (1, 3):
        client.infer(MODEL, [client.input("features", np.ones((rows, 2), np.float32))])

    after = counted(client)
    moved = {name: after[name] - before[name] for name in after}
    assert moved.pop("infer_ns") > 0
    assert started_ms <= after["last"] <= time.time_ns() // 1_000_000
    del moved["last"]
    assert moved == {
        "success": 2, "fail": 0, "queue": 2, "compute_input": 2, "compute_infer": 2,
        "compute_output": 2, "rows": 4, "runs": 2,
    }  # fmt: skip


def test_batches_are_counted_by_size(client: Client) -> None:
    client.infer(MODEL, [client.input("features", np.ones((3, 2), np.float32))])

    [said] = statistics_of(client, MODEL, "1")

    [batch] = [one for one in said["batch_stats"] if int(one["batch_size"]) == 3]
    assert int(batch["compute_infer"]["count"]) >= 1


def test_all_versions_come_when_none_is_named(client: Client) -> None:
    said = statistics_of(client, "classifier")

    assert {(one["name"], one["version"]) for one in said} >= {("classifier", "2")}


def test_all_models_come_when_none_is_named(client: Client) -> None:
    said = statistics_of(client)

    assert {"classifier", "arithmetic", MODEL, "fixed"} <= {one["name"] for one in said}


@pytest.mark.parametrize("names", [("nobody",), (MODEL, "9")])
def test_what_is_not_there_is_not_found(client: Client, names: tuple[str, ...]) -> None:
    client.refuses("NOT_FOUND", names[-1], "get_inference_statistics", *names)
