from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


def test_the_version_is_the_installed_one() -> None:
    ran = run_python("-m", "mlmesh.cli.main", "--version")

    assert ran.stdout == f"mlmesh {version('mlmesh')}\n"
    assert ran.returncode == 0


def test_the_base_install_says_what_to_install() -> None:
    block = "import sys; sys.modules['typer'] = None"
    ran = run_python("-c", f"{block}; from mlmesh.cli.main import main; main()")

    assert "pip install 'mlmesh[server]'" in ran.stderr
    assert ran.returncode == 2


def test_the_command_starts_without_heavy_imports() -> None:
    ran = run_python("-X", "importtime", "-m", "mlmesh.cli.main", "--version")

    imported = {line.rsplit("|", 1)[-1].strip() for line in ran.stderr.splitlines()}
    assert not {"grpc", "pydantic", "onnxruntime", "numpy"} & imported
