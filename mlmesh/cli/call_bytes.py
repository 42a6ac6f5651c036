"""Bytes in requests and answers, which ProtoJSON has as base64, and what they are for a person."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

_BEGINNINGS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"BM": "BMP",
    b"GIF8": "GIF",
}
_PNG_SIZE = slice(16, 24)


def with_bytes(said: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    """The same ProtoJSON with bytes for base64; kind: the descriptor of the message."""
    fields = kind.fields_by_name
    return {name: _value(value, fields.get(name)) for name, value in said.items()}


def described(content: bytes) -> str:
    """For example "PNG, 640 x 480, 12,345 bytes"."""
    name = kind_of(content)
    parts = [name] if name else []
    if name == "PNG" and len(content) >= _PNG_SIZE.stop:
        width, height = content[16:20], content[20:24]
        parts.append(f"{int.from_bytes(width)} x {int.from_bytes(height)}")
    return ", ".join([*parts, f"{len(content):,} byte{'s' * (len(content) != 1)}"])


def kind_of(content: bytes) -> str:
    """The format of an image by its first bytes; empty for anything else."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WebP"
    found = (name for start, name in _BEGINNINGS.items() if content.startswith(start))
    return next(found, "")


def decoded(text: str) -> bytes:
    """Base64 in either alphabet, padded or not; raises ValueError."""
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except ValueError:
        raise ValueError("expected @file or base64") from None


def _value(value: Any, field: FieldDescriptor | None) -> Any:
    if field is None:
        return value
    if isinstance(value, list):
        return [_one(one, field) for one in value]
    return _one(value, field)


def _one(value: Any, field: FieldDescriptor) -> Any:
    if field.type == FieldDescriptor.TYPE_BYTES and isinstance(value, str):
        return decoded(value)
    # Well-known types and maps are written in ways of their own.
    if isinstance(value, dict) and field.message_type is not None:
        kind = field.message_type
        is_plain = not kind.full_name.startswith("google.") and not kind.GetOptions().map_entry
        return with_bytes(value, kind) if is_plain else value
    return value
