from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from mlmesh.inference.batcher import QueueLimits
from mlmesh.inference.device import Device
from mlmesh.inference.options import TrialLimits, VersionOptions
from mlmesh.inference.trial import Candidate, try_versions
from mlmesh.registry.manifest import Tensor, read_manifest, sha256_of, write_manifest
from mlmesh.registry.store import versions_in
from tests.tiny_models import write_classifier, write_version


def reasons(root: Path, **limits: Any) -> dict[str, str]:
    """What a trial says of every model below a folder."""
    stored = list(versions_in(root))
    options = VersionOptions(queue=QueueLimits(max_batch=4))
    candidates = [Candidate(version.folder, options) for version in stored]
    found = asyncio.run(try_versions(candidates, TrialLimits(**limits)))
    return {version.model: reason for version, reason in zip(stored, found, strict=True)}


def children() -> list[int]:
    """Processes that this one has started."""
    tasks = Path("/proc/self/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text().split()]


def write_graph(root: Path, name: str, nodes: list[onnx.NodeProto]) -> None:
    """A model from `features` to `y` with some graph between them."""
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 2])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])
    write_version(
        root,
        helper.make_graph(nodes, name, [features], [output]),
        name=name,
        version="v1.0",
        task="regression",
        inputs=(Tensor(name="features", dtype="float32", shape=(None, 2)),),
        outputs=(Tensor(name="y", dtype="float32", shape=(None, 2)),),
    )


def write_endless(root: Path) -> None:
    """A loop of 2^62 rounds."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Sin", ["x"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2]),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, ["n", 2]),
        ],
    )
    rounds = helper.make_tensor("rounds", TensorProto.INT64, [], [2**62])
    nodes = [
        helper.make_node("Constant", [], ["rounds"], value=rounds),
        helper.make_node("Loop", ["rounds", "", "features"], ["y"], body=body),
    ]
    write_graph(root, "endless", nodes)


def write_greedy(root: Path) -> None:
    """Asks for 16 GB in the middle."""
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [2_000_000_000, 2])
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [0])
    nodes = [
        helper.make_node("Constant", [], ["shape"], value=shape),
        helper.make_node("Constant", [], ["axes"], value=axes),
        helper.make_node("ConstantOfShape", ["shape"], ["huge"]),
        helper.make_node("ReduceMax", ["huge", "axes"], ["small"], keepdims=1),
        helper.make_node("Add", ["features", "small"], ["y"]),
    ]
    write_graph(root, "greedy", nodes)


def test_good_versions_pass(tmp_path: Path) -> None:
    write_classifier(tmp_path, "one")
    write_classifier(tmp_path, "two")

    assert reasons(tmp_path) == {"one": "", "two": ""}


def test_a_version_that_never_ends_is_given_up_and_the_next_is_tried(tmp_path: Path) -> None:
    write_classifier(tmp_path, "before")
    write_endless(tmp_path)
    write_classifier(tmp_path, "later")

    started = time.monotonic()
    found = reasons(tmp_path, seconds=5)

    assert found["before"] == found["later"] == ""
    assert found["endless"] == "loading and warm-up took more than 5 s of CPU time"
    assert time.monotonic() - started < 60


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has an idle policy")
def test_a_trial_gives_way_to_everything_else(tmp_path: Path) -> None:
    write_endless(tmp_path)

    with ThreadPoolExecutor() as pool:
        trial = pool.submit(reasons, tmp_path, seconds=2)
        policies = set()
        while not trial.done():
            policies |= {os.sched_getscheduler(pid) for pid in children()}
            time.sleep(0.05)

    assert os.SCHED_IDLE in policies


def test_a_version_that_wants_all_memory_is_refused(tmp_path: Path) -> None:
    write_greedy(tmp_path)
    write_classifier(tmp_path, "modest")

    found = reasons(tmp_path, memory_bytes=4 * 2**30)

    assert found["greedy"]
    assert found["modest"] == ""


def test_a_graph_of_a_future_opset_is_refused_with_its_reason(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path, "future")
    model = onnx.load(folder / "model.onnx")
    model.opset_import[0].version = 99
    onnx.save(model, folder / "model.onnx")
    said = read_manifest(folder)
    files = {"model.onnx": sha256_of(folder / "model.onnx")}
    write_manifest(folder, said.model_copy(update={"files": files}))

    assert "opset" in reasons(tmp_path)["future"]


def test_a_version_for_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path)
    candidates = [Candidate(folder, VersionOptions(devices=(Device("cuda", 99),)))]

    [reason] = asyncio.run(try_versions(candidates, TrialLimits()))

    assert reason


def test_what_libraries_print_does_not_pass_for_an_answer() -> None:
    code = """
import os
from mlmesh.inference import trial

def reason_against(candidate):
    print("printed")
    os.write(1, b"written")
    return "bad"

trial._reason_against = reason_against
trial.main()
"""
    options = asdict(VersionOptions())
    candidates = [{"folder": ".", "options": options}] * 2
    order = {"candidates": candidates, "seconds": 60, "memory_bytes": None}

    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=PIPE, stdout=PIPE, stderr=DEVNULL
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        # Left open, for the child ends with it.
        child.stdin.write(json.dumps(order).encode() + b"\n")
        child.stdin.flush()

        assert child.stdout.read() == b'"bad"\n"bad"\n'
