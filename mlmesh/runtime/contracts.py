"""What the contracts say of every method, read from their descriptors.

A server reads the descriptors that its stubs registered; the gateway reads descriptor sets, so it
knows contracts that it has no stubs of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import (
    FileDescriptorProto,
    FileDescriptorSet,
    MethodOptions,
    ServiceOptions,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2

from mlmesh.runtime.upload import Upload, upload_of
from mlmesh.v1 import options_pb2

DESCRIPTORS = "mlmesh.binpb"
DEFAULT_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a contract."""

    path: str
    """The gRPC path, for example "/mlmesh.v1.PredictorService/Predict"."""
    descriptor: MethodDescriptor
    request: type[Message]
    response: type[Message]
    scope: str
    timeout: float
    """Seconds that a call may take at most."""
    cost: int
    repeatable: bool
    """Whether doing it twice is as good as doing it once."""
    http: http_pb2.HttpRule | None
    """Its REST surface; None when it has none."""
    upload: Upload | None
    """The field that comes as it is over HTTP; None when there is none, and for streams."""

    @property
    def name(self) -> str:
        return str(self.descriptor.name)

    @property
    def service(self) -> str:
        """Name of its service on the wire."""
        return self.path[1:].rpartition("/")[0]

    @property
    def unary(self) -> bool:
        return not (self.descriptor.client_streaming or self.descriptor.server_streaming)


def methods_of(service: ServiceDescriptor) -> Iterator[Method]:
    """Every method of one service, in the contract's order."""
    name = wire_name(service)
    for descriptor in service.methods:
        yield _method(descriptor, name)


def wire_name(service: ServiceDescriptor) -> str:
    """The name under which a service is called: its own, unless its contract says another."""
    options = ServiceOptions.FromString(service.GetOptions().SerializeToString())
    extensions: Any = options.Extensions
    return extensions[options_pb2.wire_name] or str(service.full_name)


def bundled_descriptors() -> bytes:
    """The descriptor set of mlmesh's own contracts, comments included."""
    return files("mlmesh.v1").joinpath(DESCRIPTORS).read_bytes()


@dataclass(frozen=True, slots=True)
class Contracts:
    """Every service of some descriptor sets, in a pool of their own."""

    pool: DescriptorPool
    files: Sequence[FileDescriptor]
    comments: Mapping[str, str]
    """What stands above every service, method, message, field, enum and value, by full name."""

    def services(self) -> Iterator[ServiceDescriptor]:
        for file in self.files:
            yield from file.services_by_name.values()

    def methods(self) -> Iterator[Method]:
        for service in self.services():
            yield from methods_of(service)


def load_contracts(paths: Sequence[Path] = ()) -> Contracts:
    """mlmesh's own contracts, and those of further descriptor sets (written by protoc)."""
    pool = DescriptorPool()
    names: list[str] = []
    comments: dict[str, str] = {}
    contents = [bundled_descriptors(), *(path.read_bytes() for path in paths)]
    for descriptors in [*map(FileDescriptorSet.FromString, contents), _details()]:
        for file in descriptors.file:
            if file.name not in names:
                pool.Add(file)
                names.append(file.name)
                comments.update(_comments(file))
    return Contracts(pool, [pool.FindFileByName(name) for name in names], comments)


def _details() -> FileDescriptorSet:
    """What statuses hold: no contract imports it, but it has to be found by name."""
    details = FileDescriptorProto()
    error_details_pb2.DESCRIPTOR.CopyToProto(details)
    return FileDescriptorSet(file=[details])


def _comments(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """Comments by full name; a pool does not keep them, so they are read from the file itself."""
    for location in file.source_code_info.location:
        if location.leading_comments and (name := _name_at(file, location.path)):
            yield name, location.leading_comments


def _name_at(file: FileDescriptorProto, path: Sequence[int]) -> str | None:
    """Full name of what a source location is about; None when it is about no definition.

    A value of an enum is named below its enum, unlike in protobuf, where it is a sibling.
    """
    node: Any = file
    names = [file.package] if file.package else []
    if len(path) % 2:
        return None
    for number, index in zip(path[::2], path[1::2], strict=True):
        field = node.DESCRIPTOR.fields_by_number.get(number)
        if field is None or not (field.is_repeated and field.message_type):
            return None
        node = getattr(node, field.name)[index]
        names.append(getattr(node, "name", ""))
    return ".".join(names)


def _method(descriptor: MethodDescriptor, service: str) -> Method:
    # Descriptors of another pool have options classes of their own, which lack our extensions.
    options = MethodOptions.FromString(descriptor.GetOptions().SerializeToString())
    extensions: Any = options.Extensions
    timeout = extensions[options_pb2.default_timeout]
    idempotency = options.idempotency_level
    http = extensions[annotations_pb2.http]
    streams = descriptor.client_streaming or descriptor.server_streaming
    return Method(
        path=f"/{service}/{descriptor.name}",
        descriptor=descriptor,
        request=GetMessageClass(descriptor.input_type),
        response=GetMessageClass(descriptor.output_type),
        scope=extensions[options_pb2.scope],
        timeout=(timeout.seconds + timeout.nanos / 1e9) or DEFAULT_TIMEOUT_SECONDS,
        cost=extensions[options_pb2.cost] or 1,
        repeatable=idempotency != MethodOptions.IDEMPOTENCY_UNKNOWN,
        http=http if http.WhichOneof("pattern") else None,
        upload=None if streams else upload_of(descriptor.input_type),
    )
