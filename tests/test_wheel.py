"""What a client installs: the wheel, in an environment that has nothing else."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BASE_INSTALL = {
    "googleapis-common-protos",
    "grpcio",
    "protobuf",
    "protobuf-py",
    "protobuf-py-ext",
    "protobuf-py-pure",
    "protovalidate",
    "typing_extensions",
}

FIVE_LINES = """
import grpc
from mlmesh.v1 import predictor_pb2 as pb, predictor_pb2_grpc as rpc
stub = rpc.PredictorServiceStub(grpc.insecure_channel("127.0.0.1:{port}"))
answer = stub.Predict(pb.PredictRequest(features=[1, 2]))
print(answer.label)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "-q",
        "-w",
        str(folder),
        str(ROOT),
    ]
    subprocess.run(command, check=True)
    [built] = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_library_and_its_stubs_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    rooms = {name.split("/")[0] for name in names}
    assert {room for room in rooms if not room.endswith(".dist-info")} == {"mlmesh", "buf"}
    assert "mlmesh/v1/predictor_pb2.py" in names
    assert "mlmesh/v1/predictor_pb2.pyi" in names
    assert "mlmesh/v1/mlmesh.binpb" in names
    assert "mlmesh/v1/py.typed" in names
    assert "buf/validate/validate_pb2.py" in names


@pytest.fixture(scope="module")
def clean_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel and what it asks for, in the versions that are locked."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder)
    python = folder / "bin" / "python"
    constraints = folder / "constraints.txt"
    constraints.write_text(_pins())
    subprocess.run(pip(python, "install", "-q", "-c", str(constraints), str(wheel)), check=True)
    return python


def pip(python: Path, *arguments: str) -> list[str]:
    """Our own pip on another environment: to install one there first would take as long again."""
    return [sys.executable, "-m", "pip", "--python", str(python), *arguments]


def _pins() -> str:
    """The locked versions without their hashes, which pip would ask of the wheel, too."""
    lines = (ROOT / "requirements" / "run.txt").read_text().splitlines()
    pins = [line.split(";")[0].rstrip(" \\") for line in lines if "==" in line]
    return "\n".join(pins)


async def test_five_lines_call_a_running_mesh_from_a_clean_environment(
    clean_python: Path, predictor_port: int
) -> None:
    process = await asyncio.create_subprocess_exec(
        clean_python,
        "-c",
        FIVE_LINES.format(port=predictor_port),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), 60)

    assert (output.strip(), errors) == (b"a", b"")


def test_the_base_install_is_light(clean_python: Path) -> None:
    command = pip(clean_python, "list", "--format=freeze")
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    names = {line.split("==")[0].lower() for line in listed.splitlines()}

    assert names - {"mlmesh"} <= BASE_INSTALL
