from __future__ import annotations

from pathlib import Path

import pytest

from mlmesh.inference.options import TrialLimits
from mlmesh.registration.apart import measured_apart
from mlmesh.registration.measuring import Plan, measure
from mlmesh.registration.refusal import Refused
from mlmesh.registration.rows import Making
from tests.registration import graphs


async def test_a_process_apart_finds_the_same(tmp_path: Path) -> None:
    plan = Plan(graph=graphs.network(tmp_path / "net.onnx"))

    assert await measured_apart(plan, TrialLimits()) == measure(plan)


async def test_what_it_refuses_is_said(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="golden: y is another every time"):
        await measured_apart(
            Plan(graph=graphs.unary(tmp_path / "random.onnx", "RandomNormalLike")), TrialLimits()
        )
    with pytest.raises(Refused, match="trial: ONNX Runtime does not take the graph"):
        await measured_apart(Plan(graph=tmp_path / "nothing.onnx"), TrialLimits())


async def test_a_graph_that_never_ends_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="trial: the graph ran for more than 3 s"):
        await measured_apart(
            Plan(graph=graphs.endless(tmp_path / "endless.onnx")), TrialLimits(seconds=3)
        )


async def test_a_graph_that_takes_all_memory_harms_nobody(tmp_path: Path) -> None:
    making = Making(ranges={"shape": (2**34, 2**34)})

    with pytest.raises(Refused, match="trial: "):
        await measured_apart(
            Plan(graph=graphs.large(tmp_path / "large.onnx"), making=making),
            TrialLimits(seconds=60, memory_bytes=2 * 2**30),
        )
