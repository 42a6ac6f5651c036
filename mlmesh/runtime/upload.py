"""The field of bytes that a request takes as it is over HTTP, where its contract names one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FieldOptions

from mlmesh.v1 import options_pb2

_MEDIA_RANGE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/([a-z0-9][a-z0-9!#$&^_.+-]*|\*)")


@dataclass(frozen=True, slots=True)
class Upload:
    """What a contract says of such a field with `(mlmesh.v1.upload)`."""

    field: str
    number: int
    many: bool
    """Whether there may be several, each a part of a form."""
    media_types: tuple[str, ...]
    """In lower case: "image/png", or "image/*" for all that begin so."""
    media_type_field: str
    """The field of text that gets the declared media type; empty: none does."""

    def takes(self, media_type: str) -> bool:
        """media_type: in lower case, without parameters."""
        if not _MEDIA_RANGE.fullmatch(media_type):
            return False
        family = media_type.partition("/")[0] + "/*"
        return media_type in self.media_types or family in self.media_types


def upload_of(message: Descriptor) -> Upload | None:
    """Raises ValueError, naming the field, when the contract is wrong."""
    found = [upload for field in message.fields if (upload := _upload(message, field))]
    if len(found) > 1:
        raise ValueError(f"{message.full_name}: only one field can be an upload")
    return found[0] if found else None


def _upload(message: Descriptor, field: FieldDescriptor) -> Upload | None:
    if not field.has_options:
        return None
    # Descriptors of another pool have options classes of their own, which lack our extensions.
    options = FieldOptions.FromString(field.GetOptions().SerializeToString())
    extensions: Any = options.Extensions
    if not options.HasExtension(options_pb2.upload):
        return None
    said = extensions[options_pb2.upload]
    if field.type != FieldDescriptor.TYPE_BYTES or _is_choice(field):
        raise ValueError(f"{field.full_name}: an upload is a field of bytes, in no oneof")
    for media_type in said.media_types:
        if not _MEDIA_RANGE.fullmatch(media_type):
            raise ValueError(f"{field.full_name}: {media_type} is no media type in lower case")
    if said.media_type_field and not _is_text(message, said.media_type_field):
        raise ValueError(f"{field.full_name}: {said.media_type_field} is no field of text")
    media_types = tuple(said.media_types)
    return Upload(field.name, field.number, field.is_repeated, media_types, said.media_type_field)


def _is_choice(field: FieldDescriptor) -> bool:
    # The oneof of an optional field has that field only.
    return field.containing_oneof is not None and len(field.containing_oneof.fields) > 1


def _is_text(message: Descriptor, name: str) -> bool:
    field = message.fields_by_name.get(name)
    return field is not None and field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated
