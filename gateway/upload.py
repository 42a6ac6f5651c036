"""Requests whose bytes come as they are: as the whole body, or as a part of a form."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.body import reader_of
from gateway.field_path import fields_along
from gateway.form import FormLimits, Part, boundary_of, parts_of
from gateway.query import add_path_fields, query_fields, query_values, shown
from gateway.request import Request
from gateway.routes import Match
from gateway.varint import varint
from mlmesh.runtime.errors import InvalidInput, TooLarge, UnsupportedMediaType
from mlmesh.runtime.upload import Upload

OCTETS = "application/octet-stream"
"""Says that there are bytes, and nothing of what they are."""

_LENGTH_DELIMITED = 2
_AS_IT_IS = ("", "binary", "8bit", "7bit")
_TEXT = ("", "text/plain")
_UTF8 = ("", "utf-8", "utf8", "us-ascii")

Pairs = list[tuple[str, str]]


def serialised_raw(
    match: Match, request: Request, upload: Upload, media_type: str, body: Sequence[bytes]
) -> bytes:
    """The request message of a body that is the upload; the query gives the other fields.

    media_type: in lower case, without parameters. Raises InvalidInput.
    """
    return _serialised(match, upload, _query(request), media_type, [body])


def serialised_form(
    match: Match, request: Request, upload: Upload, limits: FormLimits, body: bytes
) -> bytes:
    """The request message of a form with the upload as one of its parts.

    The other fields are parts of their names, written as in a query, or stand in the query.
    Raises InvalidInput, TooLarge.
    """
    pairs = _query(request)
    files: list[Part] = []
    for part in parts_of(body, boundary_of(request.header(b"content-type")), limits):
        if part.headers.get("content-transfer-encoding", "").lower() not in _AS_IT_IS:
            problem = "send the bytes as they are, without Content-Transfer-Encoding"
            raise UnsupportedMediaType(shown(part.name), problem)
        if not _is_upload(match, upload, part.name):
            pairs.append((part.name, _text_of(part, limits)))
        elif files and not upload.many:
            raise InvalidInput(part.name, "send it once")
        else:
            files.append(_checked(part, upload))
    said = {file.media_type for file in files}
    media_type = said.pop() if len(said) == 1 else ""
    return _serialised(match, upload, pairs, media_type, [[file.content] for file in files])


def _checked(part: Part, upload: Upload) -> Part:
    if part.media_type not in ("", OCTETS) and not upload.takes(part.media_type):
        raise UnsupportedMediaType(part.name, f"send {' or '.join((*upload.media_types, OCTETS))}")
    return part


def _is_upload(match: Match, upload: Upload, name: str) -> bool:
    """Raises InvalidInput when there is no field of that name."""
    fields = fields_along(match.binding.method.descriptor.input_type, name)
    if not fields:
        raise InvalidInput(shown(name), f"no such part; the file is sent as {upload.field}")
    return len(fields) == 1 and fields[0].number == upload.number


def _text_of(part: Part, limits: FormLimits) -> str:
    if len(part.content) > limits.text_bytes:
        size = limits.text_bytes
        raise TooLarge(
            f"{part.name}: larger than {size} bytes, the most for a part that is no file"
        )
    if part.media_type not in _TEXT or part.charset not in _UTF8:
        raise UnsupportedMediaType(part.name, "send it as text/plain in UTF-8")
    try:
        return str(part.content, "utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(part.name, f"is no UTF-8, see byte {error.start}") from None


def _query(request: Request) -> Pairs:
    return query_values(request.query) if request.query else []


def _serialised(
    match: Match,
    upload: Upload,
    pairs: Pairs,
    media_type: str,
    contents: Sequence[Sequence[bytes | memoryview]],
) -> bytes:
    """The message; each content, in pieces, is put behind the other fields and copied only once."""
    method = match.binding.method
    fields = method.descriptor.input_type
    tree = query_fields(fields, pairs, {*match.variables, upload.field})
    if upload.media_type_field not in ("", *match.variables) and _says_something(media_type):
        tree.setdefault(upload.media_type_field, media_type)
    if match.variables:
        add_path_fields(tree, match.variables, fields)
    message = method.request()
    reader_of(method.request).fill(message, tree)
    written: list[bytes | memoryview] = [message.SerializeToString()]
    key = varint(upload.number << 3 | _LENGTH_DELIMITED)
    for content in contents:
        written += (key, varint(sum(map(len, content))), *content)
    return b"".join(written)


def _says_something(media_type: str) -> bool:
    return media_type not in ("", OCTETS) and not media_type.endswith("/*")
