from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from mlmesh.cli.process import LINE_LIMIT, LineSplitter, running_process


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([b"one\ntwo\n"], [b"one", b"two"]),
        ([b"on", b"e\r\n", b"\n", b"two"], [b"one", b"", b"two"]),
        ([b"x" * LINE_LIMIT + b"\n"], [b"x" * LINE_LIMIT]),
        ([b"x" * LINE_LIMIT, b"y" * 7, b"\n"], [b"x" * LINE_LIMIT + b" ... 7 more bytes"]),
        ([b"x" * (LINE_LIMIT + 7), b"\nz"], [b"x" * LINE_LIMIT + b" ... 7 more bytes", b"z"]),
    ],
)
def test_a_stream_is_cut_into_lines(chunks: list[bytes], lines: list[bytes]) -> None:
    splitter = LineSplitter()

    found = [line for chunk in chunks for line in splitter.feed(chunk)]

    assert found + list(splitter.finish()) == lines


async def test_output_arrives_in_order_with_the_end_of_the_process(tmp_path: Path) -> None:
    lines: list[bytes] = []
    source = "import sys; print(1, flush=True); print(2, file=sys.stderr, flush=True); print(3)"
    command = (sys.executable, "-c", source)

    async with running_process(command, os.environ, tmp_path, lines.append) as process:
        code = await process.wait()

    assert lines == [b"1", b"2", b"3"]
    assert code == 0


async def test_a_process_does_not_outlive_its_block(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "import time; time.sleep(60)")

    async with running_process(command, os.environ, tmp_path, lambda line: None) as process:
        assert process.returncode is None

    assert process.returncode == -9
