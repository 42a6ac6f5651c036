"""multipart/form-data, taken apart (RFC 7578)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from mlmesh.runtime.errors import InvalidInput, TooLarge

FORM = "multipart/form-data"
MAX_PART_HEADERS = 8
MAX_NAME_BYTES = 256

# It would log a line for every broken form that somebody sends.
_SILENT = logging.Logger("python_multipart")
_SILENT.disabled = True


@dataclass(frozen=True, slots=True)
class FormLimits:
    """Of one form; its size is that of the body."""

    parts: int = 64
    header_bytes: int = 4096
    """Of each header of a part."""
    text_bytes: int = 65_536
    """Of each part that is no file."""


@dataclass(slots=True)
class Part:
    """One part; its content is a view of the body, not a copy."""

    headers: dict[str, str] = field(default_factory=dict)
    """By name in lower case."""
    name: str = ""
    content: memoryview = field(default_factory=lambda: memoryview(b""))

    @property
    def media_type(self) -> str:
        """In lower case, without parameters; empty when the part does not say."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str:
        """In lower case; empty when the part does not say."""
        said = parse_options_header(self.headers.get("content-type"))[1]
        return said.get(b"charset", b"").decode("latin-1").lower()


def parts_of(body: bytes, boundary: bytes, limits: FormLimits) -> Sequence[Part]:
    """The parts of a form, in order, under names that may repeat.

    Nobody looks at the names of files. Raises InvalidInput for a malformed form or one that is
    broken off, TooLarge beyond a limit.
    """
    _check_delimiters(body, boundary, limits)
    reading = _Reading(limits)
    try:
        parser = MultipartParser(
            boundary,
            reading.callbacks(),  # type: ignore[arg-type]
            max_header_count=MAX_PART_HEADERS,
            max_header_size=limits.header_bytes,
        )
        parser.logger = _SILENT
        parser.write(body)
    except FormParserError as error:
        raise _malformed(error, limits) from None
    if not reading.ended:
        raise InvalidInput("body", "the form is broken off: its last boundary is missing")
    return reading.parts


def boundary_of(content_type: str) -> bytes:
    """Raises InvalidInput when the header has none that can be used."""
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70 or b"\r" in boundary or b"\n" in boundary:
        raise InvalidInput("Content-Type", f"{FORM} needs a boundary of 1 to 70 characters")
    return boundary


def _check_delimiters(body: bytes, boundary: bytes, limits: FormLimits) -> None:
    """Raise for more of them than parts, and for such as end no part.

    The parser goes through those byte by byte; a body of nothing else would keep it for seconds.
    """
    delimiter = b"\r\n--" + boundary
    place = body.find(delimiter)
    found = 0
    while place >= 0:
        found += 1
        if found > limits.parts + 1:
            raise _too_many(limits)
        end = place + len(delimiter)
        behind = body[end : end + 2]
        if behind == b"--":
            return
        if behind != b"\r\n":
            raise InvalidInput(
                "body", f"neither a part nor the end follows the boundary at {place}"
            )
        place = body.find(delimiter, end)


class _Reading:
    """What the parser calls; it tells pieces of headers, and where each content lies."""

    def __init__(self, limits: FormLimits) -> None:
        self.parts: list[Part] = []
        self.ended = False
        self._limits = limits
        self._header = b""
        self._value = b""

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_header_begin": self._begin_header,
            "on_header_field": self._add_to_header,
            "on_header_value": self._add_to_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._name_part,
            "on_part_data": self._add_content,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.parts) == self._limits.parts:
            raise _too_many(self._limits)
        self.parts.append(Part())

    def _begin_header(self) -> None:
        self._header = self._value = b""

    def _add_to_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        name = self._header.decode("latin-1").lower()
        headers = self.parts[-1].headers
        if name in headers:
            raise InvalidInput("body", f"part {len(self.parts)} has two headers {_shown(name)}")
        headers[name] = self._value.decode("latin-1").strip()

    def _name_part(self) -> None:
        part = self.parts[-1]
        kind, parameters = parse_options_header(part.headers.get("content-disposition"))
        raw = parameters.get(b"name", b"")
        if kind != b"form-data" or not 1 <= len(raw) <= MAX_NAME_BYTES:
            problem = f'part {len(self.parts)} needs Content-Disposition: form-data; name="..."'
            raise InvalidInput("body", problem)
        try:
            part.name = raw.decode()
        except UnicodeDecodeError:
            problem = f"the name of part {len(self.parts)} is no UTF-8"
            raise InvalidInput("body", problem) from None

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        # The parser got the body in one piece, so it tells each content in one.
        self.parts[-1].content = memoryview(data)[start:end]

    def _end(self) -> None:
        self.ended = True


def _malformed(error: FormParserError, limits: FormLimits) -> InvalidInput | TooLarge:
    match str(error):
        case "Maximum header size exceeded":
            size = limits.header_bytes
            return TooLarge(f"body: a part has a header of more than {size} bytes, the most taken")
        case "Maximum header count exceeded":
            return TooLarge(
                f"body: a part has more than {MAX_PART_HEADERS} headers, the most taken"
            )
    place = getattr(error, "offset", -1)
    return InvalidInput(
        "body", f"no {FORM} with the boundary of its Content-Type, see byte {place}"
    )


def _too_many(limits: FormLimits) -> TooLarge:
    return TooLarge(f"body: more than {limits.parts} parts, the most that are taken")


def _shown(name: str) -> str:
    return name[:64]
