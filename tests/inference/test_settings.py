from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest
from pydantic import ValidationError

from mlmesh.inference.device import CPU, CUDA, Device
from mlmesh.inference.options import HostOptions
from mlmesh.inference.settings import ModelServiceSettings, host_options
from mlmesh.registry.keys import development_key, make_key
from mlmesh.registry.pins import PINS_FILE
from mlmesh.runtime.program import BadConfiguration

SERVICES = frozenset({"", "mlmesh.v1.PredictorService"})


def settings_of(folder: Path, **said: Any) -> ModelServiceSettings:
    return ModelServiceSettings(models=folder / "models", keys=folder / "keys", **said)


def options_of(folder: Path, **said: Any) -> HostOptions:
    return host_options(settings_of(folder, provider="cpu", **said), SERVICES)


@pytest.fixture
def no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime for CUDA, on a machine without a GPU."""

    def fail(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr("ctypes.CDLL", fail)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same on a machine that has one."""
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    monkeypatch.setattr(ort, "preload_dlls", lambda: None, raising=False)


def test_everything_that_is_set_arrives(tmp_path: Path) -> None:
    options = options_of(
        tmp_path,
        repository=tmp_path / "more",
        default_model="penguins",
        threads=3,
        inter_op_threads=2,
        arena=False,
        optimisation="basic",
        cuda_graphs=True,
        instances=("cpu x2",),
        max_batch=8,
        batches_ahead=2,
        batch_buckets=(1, 4, 8),
        max_waiting=100,
        max_waiting_bytes=1000,
        trial_seconds=7,
        trial_memory_bytes=2**31,
        max_model_bytes=5,
        unload_seconds=3,
    )

    assert options.roots == (tmp_path / "models", tmp_path / "more")
    assert options.default_model == "penguins"
    assert options.services == SERVICES
    session = options.versions.session
    assert (session.threads, session.inter_op_threads) == (3, 2)
    assert (session.arena, session.optimisation, session.cuda_graphs) == (False, "basic", True)
    assert options.versions.devices == (Device(), Device())
    queue = options.versions.queue
    assert (queue.max_batch, queue.max_waiting, queue.max_waiting_bytes) == (8, 100, 1000)
    assert options.versions.ahead == 2
    assert options.versions.buckets == (1, 4, 8)
    assert options.trial is not None
    assert (options.trial.seconds, options.trial.memory_bytes) == (7, 2**31)
    assert (options.max_bytes, options.drain_seconds) == (5, 3)
    assert options.models == {}


def test_one_model_differs_in_what_is_said_of_it_and_in_nothing_else(tmp_path: Path) -> None:
    special = {"penguins": {"threads": 4, "max_batch": 2, "instances": ["cpu x3"], "arena": False}}
    options = options_of(tmp_path, max_waiting=77, optimisation="none", model_options=special)

    penguins, others = options.of("penguins"), options.of("adult-income")

    assert (penguins.session.threads, others.session.threads) == (4, 1)
    assert (penguins.session.arena, others.session.arena) == (False, True)
    assert (penguins.queue.max_batch, others.queue.max_batch) == (2, 32)
    assert (len(penguins.devices), len(others.devices)) == (3, 1)
    for either in (penguins, others):
        assert either.queue.max_waiting == 77
        assert either.session.optimisation == "none"


def test_one_model_may_have_the_usual_device_where_all_others_are_told(tmp_path: Path) -> None:
    options = options_of(
        tmp_path, instances=("cpu x2",), model_options={"penguins": {"instances": []}}
    )

    assert options.of("penguins").devices == (Device(),)


def test_one_model_may_be_told_no_buckets(tmp_path: Path) -> None:
    options = options_of(
        tmp_path, batch_buckets=(1, 8), model_options={"penguins": {"batch_buckets": []}}
    )

    assert options.of("penguins").buckets == ()
    assert options.of("adult-income").buckets == (1, 8)


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"batch_buckets": (4, 1)}, "batch_buckets", "above 0 and ascend"),
    ({"batch_buckets": (0, 1)}, "batch_buckets", "above 0 and ascend"),
    ({"batch_buckets": (1, 1)}, "batch_buckets", "above 0 and ascend"),
    ({"instances": ("tpu",)}, "instances", "'tpu' is no instance"),
    ({"instances": ("cpu x65",)}, "instances", "at most 64"),
    ({"threads": 0}, "threads", "greater than or equal to 1"),
    ({"threads": 257}, "threads", "less than or equal to 256"),
    ({"max_batch": 0}, "max_batch", "greater than or equal to 1"),
    ({"max_waiting": 0}, "max_waiting", "greater than or equal to 1"),
    ({"max_waiting_bytes": 0}, "max_waiting_bytes", "greater than or equal to 1"),
    ({"optimisation": "most"}, "optimisation", "'none', 'basic', 'extended' or 'all'"),
    ({"profile": "staging"}, "profile", "'development' or 'production'"),
    ({"provider": "rocm"}, "provider", "'auto', 'cuda' or 'cpu'"),
    ({"trial_seconds": 0}, "trial_seconds", "greater than 0"),
    ({"watch_seconds": float("inf")}, "watch_seconds", "finite"),
    ({"unload_seconds": -1}, "unload_seconds", "greater than or equal to 0"),
    ({"model_options": {"a": {"threads": 0}}}, "model_options.a.threads", "greater than or"),
    ({"model_options": {"a": {"instances": ["x"]}}}, "model_options.a.instances", "no instance"),
    ({"model_options": {"a": {"batch_buckets": [2, 1]}}}, "model_options.a.batch_buckets", "asc"),
    ({"model_options": {"a": {"max_batchs": 2}}}, "model_options.a.max_batchs", "not permitted"),
]


@pytest.mark.parametrize(("said", "field", "problem"), WRONG)
def test_a_wrong_value_is_named_with_what_is_expected(
    tmp_path: Path, said: dict[str, Any], field: str, problem: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        settings_of(tmp_path, **said)

    [error] = refused.value.errors()
    assert ".".join(str(part) for part in error["loc"]) == field
    assert problem in error["msg"]


def test_settings_are_read_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLMESH_MODELS", str(tmp_path))
    monkeypatch.setenv("MLMESH_INSTANCES", '["cpu x2"]')
    monkeypatch.setenv("MLMESH_BATCH_BUCKETS", "[1, 16]")
    monkeypatch.setenv("MLMESH_MODEL_OPTIONS", '{"penguins": {"max_batch": 4}}')

    settings = ModelServiceSettings()  # type: ignore[call-arg]

    options = host_options(settings, SERVICES)
    assert len(options.versions.devices) == 2
    assert options.versions.buckets == (1, 16)
    assert options.of("penguins").queue.max_batch == 4


@pytest.mark.usefixtures("no_driver")
@pytest.mark.parametrize(
    ("said", "setting"),
    [
        ({"provider": "cuda"}, "MLMESH_PROVIDER: CUDA"),
        ({"instances": ("cpu", "cuda:1")}, "MLMESH_INSTANCES: cuda:1"),
        ({"model_options": {"a": {"instances": ["cuda"]}}}, "MLMESH_MODEL_OPTIONS: cuda:0"),
    ],
)
def test_cuda_that_is_asked_for_and_not_there_is_refused_naming_the_setting(
    tmp_path: Path, said: dict[str, Any], setting: str
) -> None:
    with pytest.raises(BadConfiguration, match=f"^{setting} was asked for, but this machine has"):
        host_options(settings_of(tmp_path, **said), SERVICES)


@pytest.mark.usefixtures("no_driver")
def test_without_a_gpu_and_without_asking_for_one_the_cpu_is_used(tmp_path: Path) -> None:
    options = host_options(settings_of(tmp_path), SERVICES)

    assert options.versions.devices == (Device(),)


@pytest.mark.usefixtures("driver")
def test_with_a_gpu_it_is_used_unless_a_model_is_kept_on_the_cpu(tmp_path: Path) -> None:
    special = {"small": {"instances": ["cpu"]}, "large": {"instances": ["cuda:0", "cuda:1"]}}
    options = host_options(settings_of(tmp_path, model_options=special), SERVICES)

    assert options.of("any").devices == (Device("cuda"),)
    assert options.of("small").devices == (Device(),)
    assert options.of("large").devices == (Device("cuda", 0), Device("cuda", 1))


@pytest.mark.parametrize(("profile", "counts"), [("development", True), ("production", False)])
def test_production_does_not_believe_development_keys(
    tmp_path: Path, profile: str, counts: bool
) -> None:
    development_key(tmp_path / "keys")
    make_key(tmp_path / "keys", "release")

    trust = options_of(tmp_path, profile=profile).trust

    assert trust.folder == tmp_path / "keys"
    assert trust.development is counts


def test_shipped_models_are_believed_by_the_pins_beside_their_folder(tmp_path: Path) -> None:
    assert options_of(tmp_path).trust.pinned == frozenset()
    digest = "0" * 64
    (tmp_path / PINS_FILE).write_text(json.dumps({"penguins/v1.0": digest}))

    assert options_of(tmp_path, profile="production").trust.pinned == {digest}


def test_pins_and_keys_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / PINS_FILE).write_text("rubbish\n")
    with pytest.raises(BadConfiguration, match=r"^MLMESH_MODELS: "):
        options_of(tmp_path)

    (tmp_path / PINS_FILE).unlink()
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "broken.pub").write_text("rubbish")
    with pytest.raises(BadConfiguration, match=r"^MLMESH_KEYS: .*broken\.pub"):
        options_of(tmp_path)
