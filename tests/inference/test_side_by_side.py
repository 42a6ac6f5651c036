"""Changes of several models at once, and repositories that are away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from mlmesh.inference.host import open_host
from mlmesh.inference.metrics import InferenceMetrics
from mlmesh.inference.options import TrialLimits
from mlmesh.runtime.errors import Precondition
from tests.inference.test_trial import write_endless
from tests.tiny_models import host_options, write_classifier


async def test_a_model_that_never_ends_its_trial_holds_up_no_other(
    tmp_path: Path, registry: CollectorRegistry
) -> None:
    write_classifier(tmp_path)
    options = host_options(tmp_path, trial=TrialLimits(seconds=120))
    async with open_host(options, InferenceMetrics(registry)) as host:
        write_endless(tmp_path)
        write_classifier(tmp_path, "other")
        endless = asyncio.create_task(host.load("endless"))
        await asyncio.sleep(0.2)

        async with asyncio.timeout(60):
            await host.load("other")
            await host.set_label("tiny", "stable", "v1.0")

        assert list(host.models["other"].versions) == ["v1.0"]
        assert not endless.done()
        endless.cancel()
        await asyncio.wait([endless])


async def test_one_bad_version_keeps_no_other_from_being_loaded_for_good(
    tmp_path: Path, registry: CollectorRegistry
) -> None:
    write_classifier(tmp_path)
    write_classifier(tmp_path, version="v2.0")
    async with open_host(host_options(tmp_path, trial=None), InferenceMetrics(registry)) as host:
        await host.unload("tiny")
        bad = write_classifier(tmp_path, version="v3.0")
        (bad / "model.onnx").write_bytes(b"")
        with pytest.raises(Precondition, match=r"tiny v3\.0"):
            await host.load("tiny")

    metrics = InferenceMetrics(CollectorRegistry())
    async with open_host(host_options(tmp_path, trial=None), metrics) as restarted:
        assert list(restarted.models["tiny"].versions) == ["v1.0", "v2.0"]


async def test_a_repository_that_is_away_takes_nothing_with_it(
    tmp_path: Path, registry: CollectorRegistry
) -> None:
    root = tmp_path / "models"
    write_classifier(root)
    async with open_host(host_options(root, trial=None), InferenceMetrics(registry)) as host:
        await host.follow()
        root.rename(tmp_path / "away")
        await host.follow()
        assert list(host.models["tiny"].versions) == ["v1.0"]

        (tmp_path / "away").rename(root)
        (root / "tiny").rename(tmp_path / "removed")
        await host.follow()
        assert host.models == {}
