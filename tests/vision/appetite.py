"""How much memory reading images takes, measured in a process that does nothing else."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from mlmesh.runtime.errors import InvalidInput
from tests.vision.zoo import FILES
from vision.framing import Letterbox
from vision.image_reader import frame
from vision.images import EncodedImage, ImageLimits

STATUS = Path("/proc/self/status")


def growth(folder: str, pixels: int) -> int:
    """Bytes by which the peak rises when every file of a folder is read. pixels: the limit."""
    limits = ImageLimits(pixels=pixels)
    contents = [file.read_bytes() for file in sorted(Path(folder).iterdir())]
    for content in FILES.values():
        _read(content, limits)
    before = _peak()
    for content in contents:
        _read(content, limits)
    return _peak() - before


def _read(content: bytes, limits: ImageLimits) -> None:
    with suppress(InvalidInput):
        frame(limits.checked(EncodedImage("image", content)), Letterbox(192))


def _peak() -> int:
    """Bytes, of this process alone: getrusage also knows what its parent had."""
    [line] = [line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024
