"""Compile the contracts beside this file into generated/.

Hatchling runs this for every wheel and editable install. After editing a .proto, run `make protos`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from google.api import annotations_pb2
from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
)
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2
from grpc_tools import protoc
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from protovalidate._gen.buf.validate import validate_pb

PROTOS = Path(__file__).parent
GENERATED = PROTOS.parent / "generated"
DESCRIPTORS = "mlmesh/v1/mlmesh.binpb"
SCOPE = "mlmesh.v1.scope"
RULES = "buf/validate/validate.proto"


class CompileProtos(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        compile_protos(PROTOS, GENERATED)


def compile_protos(source: Path, target: Path, descriptors: str = DESCRIPTORS) -> None:
    """Write stubs, type stubs and one descriptor set (with comments) of every contract in `source`.

    Raises SystemExit when protoc rejects a contract, or a method lacks a scope.
    """
    # A renamed contract must not leave its old stubs behind.
    for package in ("mlmesh", "buf"):
        shutil.rmtree(target / package, ignore_errors=True)
    contracts = sorted(path.relative_to(source).as_posix() for path in source.rglob("*.proto"))
    descriptor_set = target / descriptors
    descriptor_set.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        imports = Path(folder) / "imports.binpb"
        imports.write_bytes(_imports().SerializeToString())
        # The rules come without their source, so they compile from the descriptors alone.
        _protoc(
            f"--descriptor_set_in={imports}",
            f"--python_out={target}",
            f"--mypy_out=quiet:{target}",
            RULES,
        )
        _protoc(
            f"--proto_path={source}",
            f"--descriptor_set_in={imports}",
            f"--python_out={target}",
            f"--grpc_python_out={target}",
            f"--mypy_out=quiet:{target}",
            f"--mypy_grpc_out=quiet:{target}",
            # Keeps the comments, for buf, for grpcurl and for the OpenAPI page.
            f"--descriptor_set_out={descriptor_set}",
            "--include_imports",
            "--include_source_info",
            *contracts,
        )
    _require_scopes(descriptor_set, contracts)
    for home in {(target / contract).parent for contract in [*contracts, RULES]}:
        (home / "py.typed").touch()


def _imports() -> descriptor_pb2.FileDescriptorSet:
    """The contracts that ours import, out of installed packages; wheels hold no .proto of them."""
    found: dict[str, descriptor_pb2.FileDescriptorProto] = {}

    def add(files: Iterable[FileDescriptor]) -> None:
        for file in files:
            if file.name not in found:
                add(file.dependencies)
                found[file.name] = descriptor_pb2.FileDescriptorProto()
                file.CopyToProto(found[file.name])

    add(
        module.DESCRIPTOR
        for module in (
            any_pb2, descriptor_pb2, duration_pb2, field_mask_pb2, struct_pb2, timestamp_pb2,
            annotations_pb2, status_pb2, error_details_pb2,
        )
    )  # fmt: skip
    rules = descriptor_pb2.FileDescriptorProto.FromString(validate_pb.desc().proto.to_binary())
    return descriptor_pb2.FileDescriptorSet(file=[*found.values(), rules])


def _require_scopes(descriptor_set: Path, contracts: list[str]) -> None:
    """Refuse a method that does not say who may call it."""
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptor_set.read_bytes()).file:
        pool.Add(file)
    options = GetMessageClass(pool.FindMessageTypeByName("google.protobuf.MethodOptions"))
    scope = pool.FindExtensionByName(SCOPE)
    for contract in contracts:
        for service in pool.FindFileByName(contract).services_by_name.values():
            for method in service.methods:
                # Read through this pool: the build's own classes do not know our extension.
                stated = options.FromString(method.GetOptions().SerializeToString())
                if not stated.Extensions[scope]:  # type: ignore[index]
                    raise SystemExit(
                        f"{contract}: {method.full_name} does not say who may call it: "
                        f'add `option ({SCOPE}) = "...";`'
                    )


def _protoc(*arguments: str) -> None:
    if protoc.main(["protoc", f"-I{_folder_of('grpc_tools') / '_proto'}", *arguments]):
        raise SystemExit("protoc rejected the contracts, its messages are above")


def _folder_of(module: str) -> Path:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{module} is not installed, run `make install`")
    return Path(spec.origin).parent


if __name__ == "__main__":
    compile_protos(PROTOS, GENERATED)
