from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mlmesh.runtime.contracts import Method, bundled_descriptors, load_contracts

ROOT = Path(__file__).parents[2]
RELEASED = ROOT / "tests" / "contracts" / "released.binpb"
METHODS = list(load_contracts().methods())


def named(method: Method) -> str:
    return method.path


@pytest.mark.parametrize("method", METHODS, ids=named)
def test_every_method_says_who_may_call_it_and_for_how_long(method: Method) -> None:
    assert method.scope
    assert method.timeout > 0


@pytest.mark.parametrize("method", METHODS, ids=named)
def test_every_method_has_a_rest_surface_unless_it_is_internal(method: Method) -> None:
    internal = method.service == "mlmesh.v1.MeshService"
    # The protocol's own dialect of HTTP, not written in its contract.
    given = method.service == "inference.GRPCInferenceService"

    assert (method.http is None) == (internal or given)


@pytest.fixture
def descriptors(tmp_path: Path) -> Path:
    path = tmp_path / "now.binpb"
    path.write_bytes(bundled_descriptors())
    return path


def buf(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["buf", *map(str, arguments), "--config", str(ROOT / "buf.yaml")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_contracts_pass_buf_lint(descriptors: Path) -> None:
    done = buf("lint", descriptors)

    assert (done.returncode, done.stdout) == (0, "")


def test_nothing_that_was_released_is_broken(descriptors: Path) -> None:
    done = buf("breaking", descriptors, "--against", RELEASED)

    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture
def compile_protos() -> Any:
    spec = importlib.util.spec_from_file_location("compile", ROOT / "protos" / "compile.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.compile_protos


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of the contracts, to change."""
    return Path(shutil.copytree(ROOT / "protos" / "mlmesh", tmp_path / "protos" / "mlmesh")).parent


def changed(sources: Path, name: str, old: str, new: str) -> None:
    path = sources / "mlmesh" / "v1" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_method_without_a_scope_does_not_build(
    compile_protos: Any, sources: Path, tmp_path: Path
) -> None:
    changed(sources, "gateway.proto", 'option (scope) = "process";', "")

    with pytest.raises(SystemExit, match=r"GatewayService\.Process does not say who may call it"):
        compile_protos(sources, tmp_path / "generated")


def test_a_change_that_breaks_callers_is_found(
    compile_protos: Any, sources: Path, tmp_path: Path
) -> None:
    changed(sources, "predictor.proto", "string label = 2;", "string name = 2;")
    compile_protos(sources, tmp_path / "generated")

    done = buf("breaking", tmp_path / "generated/mlmesh/v1/mlmesh.binpb", "--against", RELEASED)

    assert done.returncode != 0
    assert 'name from "label" to "name"' in done.stdout


def test_a_field_without_a_comment_is_found(
    compile_protos: Any, sources: Path, tmp_path: Path
) -> None:
    changed(sources, "gateway.proto", '  // "Input logged successfully".\n', "")
    compile_protos(sources, tmp_path / "generated")

    done = buf("lint", tmp_path / "generated/mlmesh/v1/mlmesh.binpb")

    assert "should have a non-empty comment" in done.stdout


def test_a_renamed_contract_leaves_no_stub_behind(
    compile_protos: Any, sources: Path, tmp_path: Path
) -> None:
    compile_protos(sources, tmp_path / "generated")
    stubs = tmp_path / "generated" / "mlmesh" / "v1"
    (stubs / "old_pb2.py").touch()

    compile_protos(sources, tmp_path / "generated")

    assert not (stubs / "old_pb2.py").exists()
    assert (stubs / "predictor_pb2.pyi").exists()
    assert (stubs / "mlmesh.binpb").stat().st_size > 100_000
