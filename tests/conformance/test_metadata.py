from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.client import GRPC, Client

DATATYPES = {
    "bool": ("BOOL", "TYPE_BOOL"),
    "int8": ("INT8", "TYPE_INT8"),
    "int16": ("INT16", "TYPE_INT16"),
    "int32": ("INT32", "TYPE_INT32"),
    "int64": ("INT64", "TYPE_INT64"),
    "uint8": ("UINT8", "TYPE_UINT8"),
    "uint16": ("UINT16", "TYPE_UINT16"),
    "uint32": ("UINT32", "TYPE_UINT32"),
    "uint64": ("UINT64", "TYPE_UINT64"),
    "float16": ("FP16", "TYPE_FP16"),
    "bfloat16": ("BF16", "TYPE_BF16"),
    "float32": ("FP32", "TYPE_FP32"),
    "float64": ("FP64", "TYPE_FP64"),
    "string": ("BYTES", "TYPE_STRING"),
}


def described(tensor: dict[str, Any]) -> tuple[str, str, list[int]]:
    # JSON that was made of a message has int64 as text.
    return tensor["name"], tensor["datatype"], [int(size) for size in tensor["shape"]]


def config_of(client: Client, *names: str) -> dict[str, Any]:
    """gRPC wraps the configuration in a message, HTTP does not."""
    found: dict[str, Any] = client.plain("get_model_config", *names)
    return found["config"] if client.is_grpc else found


def test_the_server_says_what_it_is(client: Client) -> None:
    metadata = client.plain("get_server_metadata")

    assert metadata["name"]
    assert metadata["version"]
    assert "model_repository" in metadata["extensions"]


def test_extensions_name_only_what_is_served(client: Client, beyond: Callable[[str], None]) -> None:
    beyond("other servers have other extensions")

    extensions = set(client.plain("get_server_metadata")["extensions"])

    assert extensions == {
        "binary_tensor_data",
        "classification",
        "model_configuration",
        "model_repository",
        "model_repository(unload_dependents)",
        "schedule_policy",
        "statistics",
    }


def test_a_model_says_what_it_takes_and_gives(client: Client) -> None:
    metadata = client.plain("get_model_metadata", "arithmetic")

    assert metadata["name"] == "arithmetic"
    assert metadata["versions"] == ["1"]
    assert metadata["platform"]
    assert [described(one) for one in metadata["inputs"]] == [
        ("a", "FP32", [-1, 2]),
        ("b", "FP32", [-1, 2]),
    ]
    assert sorted(described(one) for one in metadata["outputs"]) == [
        ("count", "INT64", [-1, 1]),
        ("difference", "FP32", [-1, 2]),
        ("total", "FP32", [-1, 2]),
    ]


@pytest.mark.parametrize("dtype", DATATYPES)
def test_a_type_is_named_as_the_protocol_does(client: Client, dtype: str) -> None:
    name, config_name = DATATYPES[dtype]

    metadata = client.plain("get_model_metadata", f"echo-{dtype}")
    config = config_of(client, f"echo-{dtype}")

    assert described(metadata["inputs"][0]) == ("x", name, [-1, -1])
    assert described(metadata["outputs"][0]) == ("x_out", name, [-1, -1])
    assert config["input"][0]["data_type"] == config_name


def test_a_fixed_size_is_told(client: Client) -> None:
    metadata = client.plain("get_model_metadata", "fixed")

    assert described(metadata["inputs"][0]) == ("x", "FP32", [2, 3])


def test_all_versions_are_told_whichever_is_asked(
    client: Client, beyond: Callable[[str], None]
) -> None:
    beyond("other servers may load the newest version only")

    newest = client.plain("get_model_metadata", "classifier")
    oldest = client.plain("get_model_metadata", "classifier", "1")

    assert newest["versions"] == oldest["versions"] == ["1", "2"]


def test_the_configuration_says_how_a_model_runs(
    client: Client, beyond: Callable[[str], None]
) -> None:
    beyond("other servers choose otherwise")

    batched = config_of(client, "classifier")
    fixed = config_of(client, "fixed", "1")

    assert batched["name"] == "classifier"
    assert batched["max_batch_size"] == 32
    assert [int(size) for size in batched["input"][0]["dims"]] == [2]
    assert "dynamic_batching" in batched
    assert fixed.get("max_batch_size", 0) == 0
    assert [int(size) for size in fixed["input"][0]["dims"]] == [2, 3]
    assert fixed.get("dynamic_batching") is None


@GRPC
def test_messages_say_the_same_as_json(client: Client) -> None:
    metadata = client.get_model_metadata("classifier")
    config = client.get_model_config("classifier").config

    as_json = client.plain("get_model_metadata", "classifier")
    assert metadata.name == as_json["name"] == config.name
    assert list(metadata.versions) == as_json["versions"]
    assert [one.name for one in metadata.inputs] == [one["name"] for one in as_json["inputs"]]


@pytest.mark.parametrize("method", ["get_model_metadata", "get_model_config"])
@pytest.mark.parametrize("names", [("nobody",), ("classifier", "9")])
def test_what_is_not_there_is_not_found(
    client: Client, method: str, names: tuple[str, ...]
) -> None:
    client.refuses("NOT_FOUND", names[-1], method, *names)
