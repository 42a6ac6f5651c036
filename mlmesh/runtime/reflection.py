"""What a server's reflection shows: every service under the name by which it is called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from mlmesh.runtime.contracts import wire_name

# Statuses hold these; no contract imports them, but clients look them up by name.
_ALWAYS = (error_details_pb2.DESCRIPTOR, health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR)


def reflection_pool(contracts: Sequence[ServiceDescriptor]) -> DescriptorPool:
    """A pool of these contracts and all that they need.

    A contract with another name on the wire is there with the package of that name, and so are the
    messages beside it: registering that package in the process's own pool could clash with the
    stubs of others.
    """
    packages: dict[str, str] = {}
    for contract in contracts:
        if (wire := wire_name(contract)) != contract.full_name:
            packages[contract.file.package] = wire.rpartition(".")[0]
    pool = DescriptorPool()
    for file in _with_imports([*(contract.file for contract in contracts), *_ALWAYS]):
        pool.Add(_renamed(file, packages))
    return pool


def _with_imports(files: Iterable[FileDescriptor]) -> Iterable[FileDescriptor]:
    """The files and what they import, once each, imports first."""
    found: dict[str, FileDescriptor] = {}

    def add(file: FileDescriptor) -> None:
        if file.name not in found:
            for imported in file.dependencies:
                add(imported)
            found[file.name] = file

    for file in files:
        add(file)
    return found.values()


def _renamed(file: FileDescriptor, packages: Mapping[str, str]) -> FileDescriptorProto:
    proto = FileDescriptorProto()
    file.CopyToProto(proto)
    proto.package = packages.get(proto.package, proto.package)
    for old, new in packages.items():
        before, after = f".{old}.", f".{new}."
        for field in _fields(proto.message_type):
            if field.type_name.startswith(before):
                field.type_name = after + field.type_name.removeprefix(before)
        for service in proto.service:
            for method in service.method:
                if method.input_type.startswith(before):
                    method.input_type = after + method.input_type.removeprefix(before)
                if method.output_type.startswith(before):
                    method.output_type = after + method.output_type.removeprefix(before)
    return proto


def _fields(messages: Iterable[DescriptorProto]) -> Iterator[FieldDescriptorProto]:
    for message in messages:
        yield from message.field
        yield from _fields(message.nested_type)
