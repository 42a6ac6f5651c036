from __future__ import annotations

import logging

import onnxruntime as ort
import pytest

from mlmesh.inference.device import CPU, CUDA, Device
from mlmesh.inference.provider import device_for
from mlmesh.runtime.program import BadConfiguration


def no_driver(name: str) -> None:
    raise OSError(f"{name}: cannot open shared object file")


@pytest.fixture
def built_with_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ONNX Runtime that lists CUDA, as the gpu package does on machines without a GPU, too."""
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA, CPU])


def test_the_cpu_is_used_where_it_is_asked_for() -> None:
    assert device_for("cpu") == Device()


@pytest.mark.usefixtures("built_with_cuda")
def test_without_a_driver_the_cpu_is_used_and_one_line_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ctypes.CDLL", no_driver)

    with caplog.at_level(logging.INFO):
        device = device_for("auto")

    assert device == Device()
    [record] = caplog.records
    assert vars(record)["reason"] == "no CUDA, this machine has no CUDA driver"


@pytest.mark.usefixtures("built_with_cuda")
def test_cuda_that_is_asked_for_and_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", no_driver)

    with pytest.raises(BadConfiguration, match=r"^MLMESH_PROVIDER: CUDA was asked for, but"):
        device_for("cuda")


@pytest.mark.usefixtures("built_with_cuda")
def test_with_a_driver_cuda_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    monkeypatch.setattr(ort, "preload_dlls", lambda: None, raising=False)

    assert device_for("auto") == Device("cuda")
