"""Compiles contracts that only a test has, against mlmesh's own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grpc_tools import protoc

from mlmesh.runtime.contracts import bundled_descriptors

DESCRIPTORS = "contracts.binpb"


@contextmanager
def compiled_contracts(source: Path, target: Path) -> Iterator[Path]:
    """Stubs of every .proto below `source`, importable inside the block.

    Yields the path of their descriptor set.
    """
    imports = target / "imports.binpb"
    imports.write_bytes(bundled_descriptors())
    contracts = [path.relative_to(source).as_posix() for path in source.rglob("*.proto")]
    failed = protoc.main(
        [
            "protoc",
            f"--proto_path={source}",
            f"--descriptor_set_in={imports}",
            f"--python_out={target}",
            f"--grpc_python_out={target}",
            f"--descriptor_set_out={target / DESCRIPTORS}",
            "--include_imports",
            "--include_source_info",
            *contracts,
        ]
    )
    assert not failed
    sys.path.append(str(target))
    importlib.invalidate_caches()
    try:
        yield target / DESCRIPTORS
    finally:
        sys.path.remove(str(target))
