"""Copies arrays to a CUDA device by way of page-locked memory, where ONNX Runtime offers it.

From there the device fetches them by itself, which is faster than from memory that may be paged.

Not run on CUDA: only a stand-in for the device was tested.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from mlmesh.inference.device import Device

logger = logging.getLogger(__name__)

MOST_BYTES = 256 * 2**20
"""Page-locked memory of one session, which the system has no other use for; what does not fit into
it is copied from where it lies."""


class PinnedInputs:
    """Buffers in page-locked memory, one for every input and shape, used again and again.

    One thread at a time, and not before the run that was given the last inputs has ended.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._left = MOST_BYTES
        self._buffers: dict[tuple[Any, ...], Any] = {}
        self._memory = _pinned_memory(device)
        if self._memory is not None:
            self._try()

    def on_device(self, name: str, array: NDArray[Any]) -> Any:
        """A new OrtValue on the device that holds what the array of the input `name` holds."""
        value = empty_on(self._device, array)
        self.copy(name, array, value)
        return value

    def copy(self, name: str, array: NDArray[Any], value: Any) -> None:
        """Make `value`, of the array's shape and dtype, hold what the array holds."""
        buffer = self._buffer(name, array)
        if buffer is None:
            value.update_inplace(array)
            return
        np.copyto(buffer.numpy(), array)
        value.update_inplace(buffer)

    def _buffer(self, name: str, array: NDArray[Any]) -> Any | None:
        key = (name, array.shape, array.dtype)
        if key in self._buffers or self._memory is None or array.nbytes > self._left:
            return self._buffers.get(key)
        self._left -= array.nbytes
        self._buffers[key] = ort.OrtValue.ortvalue_from_shape_and_type(
            array.shape, array.dtype, memory_info=self._memory
        )
        return self._buffers[key]

    def _try(self) -> None:
        """Send one number there and back: what is offered may still not work."""
        number = np.array([0.5], np.float32)
        try:
            arrived = self.on_device("", number).numpy()
        except Exception as error:  # ONNX Runtime's exceptions share no base of their own.
            self._give_up(str(error))
            return
        if arrived != number:
            self._give_up(f"{arrived[0]} arrived instead of {number[0]}")

    def _give_up(self, reason: str) -> None:
        self._memory = None
        self._buffers.clear()
        _log_pageable(self._device, reason)


def empty_on(device: Device, array: NDArray[Any]) -> Any:
    """An OrtValue on a CUDA device, of the array's shape and dtype."""
    return ort.OrtValue.ortvalue_from_shape_and_type(array.shape, array.dtype, "cuda", device.index)


def _pinned_memory(device: Device) -> Any | None:
    """ONNX Runtime's name for memory that both sides reach; None where it offers none."""
    host_accessible = ort.OrtDeviceMemoryType.HOST_ACCESSIBLE
    for offered in ort.get_ep_devices():
        if offered.ep_name != device.provider:
            continue
        memory = offered.memory_info(host_accessible)
        if memory is not None and memory.device_id == device.index:
            return memory
    _log_pageable(device, "ONNX Runtime offers none")
    return None


def _log_pageable(device: Device, reason: str) -> None:
    logger.info("no page-locked memory", extra={"device": str(device), "reason": reason})
