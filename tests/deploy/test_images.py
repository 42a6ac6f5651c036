"""The images cannot be built here; what goes into them is put together and run without them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from gateway.settings import GatewaySettings
from nlp.settings import NlpSettings
from predictor.settings import PredictorSettings
from tests.deploy.tools import tool
from tests.ports import free_ports
from vision.settings import VisionSettings

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
HEALTHCHECK = ROOT / "deploy" / "docker" / "healthcheck.py"
LOCKS = ROOT / "requirements" / "images"
PROGRAMS = ("gateway", "predictor", "nlp", "vision")
START_SECONDS, STOP_SECONDS = 60.0, 30.0


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps a path out; the last line that fits decides."""
    out = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.strip()
        if pattern and not pattern.startswith("#"):
            keeps = pattern.startswith("!")
            if _fits(path, pattern.removeprefix("!")):
                out = not keeps
    return out


def _fits(path: str, pattern: str) -> bool:
    """A pattern fits a path and all that lies below it."""
    parts = path.split("/")
    if pattern.startswith("**/"):
        return any(fnmatch(part, pattern[3:]) for part in parts)
    depth = pattern.count("/") + 1
    return len(parts) >= depth and all(
        fnmatch(part, piece) for part, piece in zip(parts, pattern.split("/"), strict=False)
    )


def tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return listed.stdout.splitlines()


def copied() -> Iterator[str]:
    """What the Dockerfile copies from the tree."""
    for line in DOCKERFILE.read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            yield from line.split()[1:-1]


def test_hadolint_finds_nothing() -> None:
    found = tool("hadolint", DOCKERFILE)

    assert found.returncode == 0, found.stdout


def test_whatever_is_copied_is_there_and_not_ignored() -> None:
    for source in copied():
        for name in PROGRAMS if "${PROGRAM}" in source else ("",):
            path = source.replace("${PROGRAM}", name)
            below = [one for one in tracked() if one == path or one.startswith(f"{path}/")]
            assert below, path
            assert any(not ignored(one) for one in below), path


def test_what_is_no_part_of_serving_stays_out() -> None:
    kept = [path for path in tracked() if not ignored(path)]

    assert not [path for path in kept if "/training/" in path or path.endswith("/export.py")]
    assert not [path for path in kept if path.startswith(("tests/", "docs/", "bench/", ".git"))]
    assert [path for path in kept if path.endswith("model.onnx")]


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_image_has_only_the_packages_that_its_program_needs(program: str) -> None:
    names = re.findall(r"^([\w.-]+)==[^;\n]+(;.*'never')?", locked(program), re.MULTILINE)
    installed = {name for name, never in names if not never}

    assert "grpcio" in installed
    assert not installed & {"torch", "pytest", "onnxruntime-gpu", "nvidia-cudnn-cu13"}
    assert ("onnxruntime" in installed) == (program != "gateway")
    assert ("numpy" in installed) == (program != "gateway")
    assert ("tokenizers" in installed) == (program == "nlp")
    assert ("pillow" in installed) == (program == "vision")


@pytest.mark.parametrize("program", PROGRAMS[1:])
def test_an_image_for_cuda_has_its_libraries(program: str) -> None:
    text = locked(f"{program}-cuda")

    assert re.search(r"^onnxruntime-gpu==", text, re.MULTILINE)
    assert re.search(r"^nvidia-cudnn-cu\d+==", text, re.MULTILINE)


def locked(name: str) -> str:
    return (LOCKS / f"{name}.txt").read_text()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_runs_from_what_its_image_holds_and_leaves_on_sigterm(
    program: str, tmp_path: Path
) -> None:
    for path in tracked():
        if path.startswith(f"{program}/") and not ignored(path):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, tmp_path / path)
    shutil.copy(HEALTHCHECK, tmp_path)
    environment = os.environ | environment_of(program)
    # As the image starts it: a shell that becomes the program.
    process = subprocess.Popen(
        ["/bin/sh", "-c", f'exec "{sys.executable}" -m {program}'],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until_healthy(tmp_path / HEALTHCHECK.name, environment, process)
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=STOP_SECONDS)

    assert process.returncode == 0, errors


def environment_of(program: str) -> dict[str, str]:
    serving, health, metrics = (f"127.0.0.1:{port}" for port in free_ports(3))
    common = {
        "MLMESH_LAME_DUCK_SECONDS": "0",
        "MLMESH_PROFILE": "production",
        "MLMESH_REPOSITORY": "/nonexistent/models",
        "MLMESH_KEYS": "/nonexistent/keys",
    }
    if program == "gateway":
        return common | {"MLMESH_HTTP_ADDRESS": serving, "MLMESH_OPS_ADDRESS": health}
    return common | {
        "MLMESH_GRPC_ADDRESS": serving,
        "MLMESH_HEALTH_ADDRESS": health,
        "MLMESH_METRICS_ADDRESS": metrics,
    }


def wait_until_healthy(
    healthcheck: Path, environment: dict[str, str], process: subprocess.Popen[str]
) -> None:
    """Asks as the image's HEALTHCHECK does."""
    deadline = time.monotonic() + START_SECONDS
    check = [sys.executable, str(healthcheck)]
    said = ""
    while time.monotonic() < deadline and process.poll() is None:
        asked = subprocess.run(check, env=environment, capture_output=True, text=True)
        if asked.returncode == 0:
            return
        said = asked.stderr
        time.sleep(0.2)
    pytest.fail(f"never healthy: {said}")


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_health_check_asks_where_a_program_listens_without_settings(program: str) -> None:
    fields = {
        "gateway": GatewaySettings.model_fields,
        "predictor": PredictorSettings.model_fields,
        "nlp": NlpSettings.model_fields,
        "vision": VisionSettings.model_fields,
    }[program]
    address = fields["ops_address" if program == "gateway" else "health_address"].default

    assert f'"{program}": "{address}"' in HEALTHCHECK.read_text()


def test_a_program_that_is_not_there_is_not_healthy(tmp_path: Path) -> None:
    for program in ("gateway", "predictor"):
        (tmp_path / program / program).mkdir(parents=True)
        shutil.copy(HEALTHCHECK, tmp_path / program)
        asked = subprocess.run(
            [sys.executable, str(tmp_path / program / HEALTHCHECK.name)],
            env=os.environ | environment_of(program),
            capture_output=True,
            text=True,
        )
        assert asked.returncode == 1
        assert "not alive" in asked.stderr
