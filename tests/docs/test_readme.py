"""The README's commands are run as written and answer what it says."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.end_to_end.conftest import ROOT, RunningMesh

PAGE = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
# Each block with the one that follows it, which is its answer.
PAIRS = list(itertools.pairwise(BLOCKS))
VARYING = {
    "decode_time_ms",
    "inference_time_ms",
    "inferenceTimeMs",
    "request_id",
    "requestId",
    "details",
}


def curls() -> list[tuple[str, str]]:
    return [
        (command, answer)
        for (language, command), (kind, answer) in PAIRS
        if language == "sh" and command.startswith("curl") and kind == "json"
    ]


def settled(value: Any) -> Any:
    """A JSON value without what differs from run to run."""
    if isinstance(value, dict):
        return {key: settled(item) for key, item in value.items() if key not in VARYING}
    return value


@pytest.mark.parametrize(("command", "answer"), curls())
def test_a_curl_line_answers_what_the_page_says(
    mesh: RunningMesh, command: str, answer: str
) -> None:
    output = subprocess.check_output(mesh.here(command), shell=True)

    assert settled(json.loads(output)) == settled(json.loads(answer))


def test_every_grpcurl_line_has_a_twin_that_answers_the_same(mesh: RunningMesh) -> None:
    [block] = [text for language, text in BLOCKS if language == "sh" and "grpcurl" in text]
    grpcurl, twin = block.split("buf curl")
    sent, twin_sent = (re.search(r"-d '(.*?)'", text) for text in (grpcurl, twin))
    assert sent
    assert twin_sent

    output = json.loads(subprocess.check_output(mesh.here("buf curl" + twin), shell=True))

    assert sent[1] == twin_sent[1]
    assert "mlmesh.v1.PredictorService/Predict" in grpcurl
    assert output["label"] == json.loads(curls()[0][1])["label"]
    assert output["probabilities"] == json.loads(curls()[0][1])["probabilities"]


def test_the_python_example_prints_what_the_page_says(mesh: RunningMesh) -> None:
    [(code, printed)] = [
        (text, answer) for (language, text), (_, answer) in PAIRS if language == "python"
    ]

    output = subprocess.check_output([sys.executable, "-c", mesh.here(code)], text=True)

    assert output == printed


def test_every_file_that_the_page_points_to_exists() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", PAGE)

    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []
