"""An ONNX file as it comes from its maker: checked, and copied with its external data."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from mlmesh.registration.refusal import Refused
from mlmesh.registry.contents import refused_content, refused_name
from mlmesh.registry.manifest import MANIFEST_FILE, MODEL_FILE
from mlmesh.registry.signature import SIGNATURE_FILE

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,254}")
_OPERATORS = frozenset(
    ["", "ai.onnx", "ai.onnx.ml", "ai.onnx.preview", "com.microsoft", "com.microsoft.nchwc"]
)
"""Domains whose operators ONNX Runtime brings itself."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a graph says of itself before it is opened."""

    axes: dict[str, tuple[str, ...]]
    """Names of the axes of every input; empty where an axis has a size or no name."""
    external: tuple[str, ...]
    """Names of the files of external data, which lie beside the graph."""


def copy_source(path: Path, folder: Path) -> Source:
    """Check a graph and copy it, with its external data, into `folder`; raises Refused."""
    if reason := refused_name(path.name):
        raise Refused(f"{path.name}: {reason}")
    try:
        if path.exists() and not path.is_file():
            raise Refused(f"{path}: not a regular file")
        with path.open("rb") as file:
            if reason := refused_content(file):
                raise Refused(f"{path.name}: {reason}")
        shutil.copyfile(path, folder / MODEL_FILE)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from None
    model = _parsed(folder / MODEL_FILE, path.name)
    _refuse_custom_operators(model)
    external = tuple(sorted(set(_locations(model))))
    for name in external:
        _copy_external(path.parent, name, folder)
    _check(folder / MODEL_FILE)
    return Source(_axes(model), external)


def _parsed(path: Path, called: str) -> Any:
    try:
        return onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's and onnx's errors share no base
        raise Refused(f"{called}: not an ONNX model ({first_line(error)})") from None


def _check(path: Path) -> None:
    try:
        onnx.checker.check_model(path)
    except Exception as error:  # as above
        raise Refused(f"onnx checker: {first_line(error)}") from None


def _refuse_custom_operators(model: Any) -> None:
    own = {function.domain for function in model.functions}
    used = {node.domain for node in _nodes(model)}
    if unknown := sorted(used - own - _OPERATORS):
        raise Refused(
            f"operators: {', '.join(unknown)} needs a library of custom operators, which servers "
            "do not load; export the model with standard operators"
        )


def _copy_external(origin: Path, name: str, folder: Path) -> None:
    if not _PLAIN_NAME.fullmatch(name) or name in (MODEL_FILE, MANIFEST_FILE, SIGNATURE_FILE):
        raise Refused(
            f"external data: {name!r} is not the plain name of a file beside the model; save it "
            "anew with onnx.save(model, path, save_as_external_data=True, location='weights.bin')"
        )
    if reason := refused_name(name):
        raise Refused(f"external data: {name}: {reason}")
    path = origin / name
    if path.is_symlink():
        raise Refused(
            f"external data: {name} is a link; copy the files themselves first: cp -rL FROM TO"
        )
    if not path.is_file():
        raise Refused(f"external data: {name} does not lie beside the model")
    shutil.copyfile(path, folder / name)


def axes_of(graph: Path) -> dict[str, tuple[str, ...]]:
    """Names of the axes of every input of a graph that was checked before."""
    return _axes(onnx.load(graph, load_external_data=False))


def _axes(model: Any) -> dict[str, tuple[str, ...]]:
    return {
        value.name: tuple(axis.dim_param for axis in value.type.tensor_type.shape.dim)
        for value in model.graph.input
    }


def _locations(model: Any) -> Iterator[str]:
    for tensor in _tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            said = {entry.key: entry.value for entry in tensor.external_data}
            yield said.get("location", "")


def _tensors(model: Any) -> Iterator[Any]:
    """Every tensor that the file holds or names, those of subgraphs included."""
    for graph in _graphs(model):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for node in _nodes(model):
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)


def _graphs(model: Any) -> Iterator[Any]:
    yield model.graph
    for node in _nodes(model):
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield attribute.g
            yield from attribute.graphs


def _nodes(model: Any) -> Iterator[Any]:
    waiting = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    while waiting:
        node = waiting.pop()
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                waiting.extend(graph.node)


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
