"""docs/add-a-model.md does what it says: its blocks are taken from the page and run, in order."""

from __future__ import annotations

import importlib.util
import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mlmesh.registry.manifest import Batching
from tests.docs.page import Block, Reader, same, sections_of, steps_of
from tests.end_to_end.conftest import RunningMesh, start_mesh

SECTIONS = sections_of("docs/add-a-model.md")
TORCH = "From PyTorch"
PRODUCTION = "Keys and production"
HOW_IT_RUNS = "How it runs"


class Story(Reader):
    """The page from its beginning; every section builds on those before it."""

    def __init__(self, mesh: RunningMesh) -> None:
        super().__init__(mesh.folder, mesh)
        self._told: dict[str, list[tuple[Block, str, Block | None]]] = {}

    def tell(self, title: str) -> list[tuple[Block, str, Block | None]]:
        """What every block of a section printed, and what it should have printed."""
        for one in list(SECTIONS)[: list(SECTIONS).index(title) + 1]:
            if one not in self._told and (one == title or one != TORCH):
                self._told[one] = list(self._tell(SECTIONS[one]))
        return self._told[title]

    def _tell(self, blocks: list[Block]) -> Iterator[tuple[Block, str, Block | None]]:
        self.write(blocks)
        for step in steps_of(blocks):
            if "mlmesh up" not in step.command.text:
                yield step.command, self.run(step.command), step.expected


@pytest.fixture(scope="module")
def story(mesh: RunningMesh) -> Story:
    return Story(mesh)


@pytest.mark.parametrize("title", SECTIONS)
def test_every_block_prints_what_the_page_says(story: Story, title: str) -> None:
    if title == TORCH and importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed, see `make test`")

    told = story.tell(title)

    for command, printed, expected in told:
        if expected is not None:
            assert same(printed, expected), f"{command.text}\nprinted\n{printed}"


def test_what_the_page_says_of_lengths_is_a_manifests_batching() -> None:
    [block] = [one for one in SECTIONS[HOW_IT_RUNS] if one.language == "json"]

    batching = Batching.model_validate(json.loads(block.text)["batching"])

    assert batching.lengths is not None
    assert batching.lengths.buckets == (16, 64, 256)


def test_production_answers_only_for_what_a_release_key_signed(
    story: Story, tmp_path: Path
) -> None:
    story.tell(PRODUCTION)
    [block] = [one for one in SECTIONS[PRODUCTION] if "mlmesh up" in one.text]
    settings = dict(word.split("=", 1) for word in shlex.split(block.text) if "=" in word)
    for name in ("var", "release"):
        (tmp_path / name).symlink_to(story.folder / name)

    production = start_mesh(tmp_path, {**settings, "MLMESH_LAME_DUCK_SECONDS": "0"})
    try:
        found = httpx.get(f"{production.url}/v1/models/iris").json()["model"]["versions"]
    finally:
        production.stop()

    versions = {one["version"]: one for one in found}
    assert versions["v1.0"]["state"] == "MODEL_STATE_FAILED"
    assert "not trusted here" in versions["v1.0"]["reason"]
    assert versions["v2.0"]["state"] == "MODEL_STATE_READY"
    assert (versions["v2.0"]["devices"], versions["v2.0"]["max_batch"]) == (["cpu", "cpu"], 8)
