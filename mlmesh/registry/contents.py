"""What may be in a version: data. Programs, pickles and archives may not."""

from __future__ import annotations

import re
from typing import BinaryIO

_RUNS = re.compile(
    r"\.(so(\.[0-9.]+)?|dylib|dll|pyd|exe|py|pyc|pyz|whl|jar|class|sh|bat|ps1|cmd)$", re.IGNORECASE
)
_PICKLED = re.compile(r"\.(pkl|pickle|p|joblib|dill|pt|pth|ckpt|npz|npy|skops)$", re.IGNORECASE)
_ARCHIVED = re.compile(r"\.(zip|tar|tgz|gz|bz2|xz|zst|7z|rar|mar)$", re.IGNORECASE)
_MACH_O = tuple(
    bytes.fromhex(magic)
    for magic in ("feedface", "feedfacf", "cefaedfe", "cffaedfe", "cafebabe", "bebafeca")
)
_PE_OFFSET = slice(0x3C, 0x40)
HEAD_BYTES = 4096


def refused_name(name: str) -> str:
    """Why a file of this name has no place in a version; empty when it may have."""
    if _RUNS.search(name):
        return (
            "a program or native library; a version holds data only, and custom-op libraries "
            "are not loaded"
        )
    if _PICKLED.search(name):
        return "a pickle runs code when it is read; export the model as ONNX"
    if _ARCHIVED.search(name):
        return "an archive; put the files themselves into the version"
    return ""


def refused_content(file: BinaryIO) -> str:
    """The same, by what an open file holds; leaves its position at the start."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    size = file.seek(0, 2)
    file.seek(max(size - 1, 0))
    last = file.read(1)
    file.seek(0)
    if head.startswith(b"\x7fELF") or head.startswith(_MACH_O) or _is_pe(head):
        return (
            "a native library by its content, whatever its name; custom-op libraries are not loaded"
        )
    if (
        head.startswith(b"\x80")
        and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
        and last == b"."
    ):
        return "a pickle by its content, whatever its name; it runs code when it is read"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "a zip archive by its content (torch.save and numpy.savez write those)"
    if head.startswith(b"\x93NUMPY"):
        return "a numpy file by its content, which may hold a pickle"
    return ""


def _is_pe(head: bytes) -> bool:
    offset = int.from_bytes(head[_PE_OFFSET], "little")
    return head.startswith(b"MZ") and head[offset : offset + 4] == b"PE\0\0"
