"""Texts count in a queue's bytes as long as they are, not as the pointers that numpy sees."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from mlmesh.inference.batcher import QueueLimits
from mlmesh.inference.options import VersionOptions
from mlmesh.runtime.errors import Overloaded, TooLarge
from tests.inference.loaded import loaded
from tests.inference.open_inference.tensor_models import write_mirror

LITTLE = VersionOptions(queue=QueueLimits(max_waiting_bytes=1_000_000))


async def test_long_texts_are_refused_like_other_bytes(tmp_path: Path) -> None:
    async with loaded(
        write_mirror(tmp_path, "words", {"x": ("string", (None, None))}), LITTLE
    ) as version:
        many = np.full((2, 30_000), "x" * 16, object)
        long = np.array([["x" * 300_000]], object)

        with pytest.raises(TooLarge, match="bytes at once"):
            await version.run({"x": many})
        done = await asyncio.gather(
            *(version.run({"x": long}) for _ in range(8)), return_exceptions=True
        )

    refused = [one for one in done if isinstance(one, Overloaded)]
    assert 1 <= len(refused) < 8
    assert all(isinstance(one, Overloaded) or one.outputs for one in done)  # type: ignore[union-attr]
