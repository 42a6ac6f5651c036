from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from mlmesh.cli.up import _carry_folder


def test_it_is_for_this_user_alone_and_goes_with_the_mesh() -> None:
    with _carry_folder() as folder:
        assert Path(folder).stat().st_mode & 0o777 == 0o700
        (Path(folder) / "50051.carry").touch()

    assert not Path(folder).exists()


def test_one_that_is_gone_already_is_no_trouble() -> None:
    with _carry_folder() as folder:
        Path(folder).rmdir()


@pytest.mark.parametrize("where", ["missing", "x" * 90])
def test_without_a_place_for_it_calls_are_carried_by_grpc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    if where != "missing":
        (tmp_path / where).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / where))

    with _carry_folder() as folder:
        assert folder == ""
