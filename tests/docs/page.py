"""A page of the documentation as its reader uses it: files are written, commands are run."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.end_to_end.conftest import ROOT, RunningMesh

VARYING = {"decode_time_ms", "inference_time_ms", "request_id", "details"}
COMMAND_SECONDS = 120
_FENCED = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
_FILE = re.compile(r"`([\w.-]+\.\w+)`[^`]*:\s*\Z", re.DOTALL)
_DIGEST = re.compile(r"\b(?:sha256:)?(?:[0-9a-f]{64}|[0-9a-f]{16})\b")


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between two fences."""

    language: str
    text: str
    file: str = ""
    """Its name, where the page says that it is a file."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something to run, and what the page says that it prints."""

    command: Block
    expected: Block | None


def sections_of(path: str) -> dict[str, list[Block]]:
    """The blocks of a page by the headings of its second level."""
    page = (ROOT / path).read_text()
    parts = re.split(r"^## (.*)$", page, flags=re.MULTILINE)
    return {
        title: list(_blocks(text)) for title, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def _blocks(text: str) -> Iterator[Block]:
    before = 0
    for found in _FENCED.finditer(text):
        name = _FILE.search(text[before : found.start()].split("\n\n")[-2])
        yield Block(found[1], found[2], name[1] if name else "")
        before = found.end()


class Reader:
    """Follows a page in a folder, beside a running mesh."""

    def __init__(self, folder: Path, mesh: RunningMesh) -> None:
        self.folder = folder
        self.mesh = mesh

    def write(self, blocks: list[Block]) -> None:
        for block in blocks:
            if block.file:
                (self.folder / block.file).write_text(self.mesh.here(block.text))

    def run(self, block: Block) -> str:
        """What the block prints, with what it complains of."""
        text = self.mesh.here(block.text)
        command = ["bash", "-c", text] if block.language == "sh" else [sys.executable, "-c", text]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        complaints = [line for line in done.stderr.splitlines() if line.startswith("mlmesh: ")]
        assert not done.returncode or complaints or done.stdout, done.stderr
        printed = "\n".join([done.stdout, *complaints])
        return printed.replace(self.mesh.url, "http://127.0.0.1:8080")

    def _environment(self) -> Mapping[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        # Two processes that each take every core wait for one another most of the time.
        return {
            **os.environ,
            "PATH": path,
            "MLMESH_GATEWAY": self.mesh.url,
            "OMP_NUM_THREADS": "1",
        }


def steps_of(blocks: list[Block]) -> Iterator[Step]:
    """What a section runs; files that it only shows are left out."""
    for place, block in enumerate(blocks):
        if block.language in ("sh", "python") and not block.file:
            after = blocks[place + 1] if place + 1 < len(blocks) else None
            answers = after if after and after.language in ("text", "json") else None
            yield Step(block, answers if answers and not answers.file else None)


def same(printed: str, expected: Block) -> bool:
    """Whether something printed what the page says, but for numbers that machines differ in."""
    if expected.language == "json":
        return _same_values(json.loads(printed), json.loads(expected.text))
    one, other = (_DIGEST.sub("", text).split() for text in (printed, expected.text))
    return len(one) == len(other) and all(map(_same_words, one, other))


def _same_values(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        names = (one.keys() | other.keys()) - VARYING
        return all(_same_values(one.get(name), other.get(name)) for name in names)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same_values, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=0.02, abs_tol=0.01)
    return bool(_same_words(one, other) if isinstance(one, str) else one == other)


def _same_words(one: str, other: str) -> bool:
    one, other = (_DIGEST.sub("", text) for text in (one, other))
    try:
        return one == other or math.isclose(float(one), float(other), rel_tol=0.2, abs_tol=0.002)
    except (TypeError, ValueError):
        return False
