"""Contracts written in a test, compiled as users of mlmesh compile theirs."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path

from grpc_tools import protoc

from mlmesh.runtime.contracts import Contracts, bundled_descriptors, load_contracts

HEAD = """
syntax = "proto3";
package NAME.v1;
import "buf/validate/validate.proto";
import "google/api/annotations.proto";
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "google/rpc/status.proto";
import "mlmesh/v1/options.proto";
"""


def contracts_of(source: str) -> Contracts:
    """mlmesh's own contracts and one more, in the package zoo.v1; `source` is what follows HEAD."""
    with tempfile.TemporaryDirectory() as name:
        return load_contracts([compiled(source, Path(name))])


def compiled(source: str, folder: Path, name: str = "zoo") -> Path:
    """The descriptor set of such a contract, written into a folder.

    name: of its package; the validator of a process knows one contract of each name.
    """
    (folder / "imports.binpb").write_bytes(bundled_descriptors())
    (folder / f"{name}.proto").write_text(HEAD.replace("NAME", name) + source)
    status = protoc.main(
        [
            "protoc",
            f"-I{_google()}",
            f"-I{folder}",
            f"--descriptor_set_in={folder / 'imports.binpb'}",
            f"--descriptor_set_out={folder / name}.binpb",
            "--include_imports",
            "--include_source_info",
            f"{name}.proto",
        ]
    )
    assert status == 0, "protoc rejected the contract"
    return folder / f"{name}.binpb"


def service_of(*rules: str, fields: str = "string name = 1;") -> str:
    """A service with one method for each google.api.http rule: Call0, Call1 and so on."""
    methods = "\n".join(
        f"rpc Call{number}(Request) returns (Response) {{ option (google.api.http) = {{{rule}}}; }}"
        for number, rule in enumerate(rules)
    )
    return f"""
        service Zoo {{ {methods} }}
        message Request {{ {fields} }}
        message Response {{ string name = 1; repeated string names = 2; }}
        message Shelf {{ string theme = 1; Shelf below = 2; repeated int32 sizes = 3; }}
        enum Kind {{ KIND_UNSPECIFIED = 0; KIND_BIG = 1; }}
    """


def _google() -> Path:
    spec = find_spec("grpc_tools")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "_proto"
