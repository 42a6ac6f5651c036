from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mlmesh.registration.card import Said
from mlmesh.registration.register import Order, Registered, register
from mlmesh.registry.keys import development_key

Register = Callable[..., Awaitable[Registered]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def registering(tmp_path: Path, root: Path) -> Register:
    """Registers a graph as `tiny`; what is said of it and how it is done by keyword."""

    async def run(graph: Path, said: Said | None = None, **order: Any) -> Registered:
        return await register(
            Order(
                graph=graph,
                model=order.pop("model", "tiny"),
                repository=root,
                key=development_key(tmp_path / "keys"),
                said=said or Said(),
                **order,
            )
        )

    return run
