from __future__ import annotations

import pytest

from mlmesh.inference.device import CPU, CUDA, MOST_INSTANCES, Device, instances_of

GOOD = [
    ([], []),
    (["cpu"], ["cpu"]),
    (["cpu x3"], ["cpu"] * 3),
    (["cuda"], ["cuda:0"]),
    (["cuda:0 x2"], ["cuda:0", "cuda:0"]),
    (["cuda:1x2", " cuda:0 "], ["cuda:1", "cuda:1", "cuda:0"]),
    (["cpu", "cuda:7  x  1"], ["cpu", "cuda:7"]),
    (["cpu x0", "cuda:2"], ["cuda:2"]),
    ([f"cpu x{MOST_INSTANCES}"], ["cpu"] * MOST_INSTANCES),
]


@pytest.mark.parametrize(("texts", "devices"), GOOD)
def test_instances_are_listed_one_by_one_in_their_order(
    texts: list[str], devices: list[str]
) -> None:
    assert [str(device) for device in instances_of(texts)] == devices


BAD = [
    "", "gpu", "CPU", "cuda:", "cuda:-1", "cuda:1000", "cuda:0 x", "cuda:0 x2 x2", "cuda:0, cuda:1",
    "cpu:1", "cpu:0", "cpu x-1", "cpu x1.5", "2 x cpu", "cuda:0x1000", "cuda 0",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_instance_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no instance, write for example cpu, cuda:0 or"):
        instances_of(["cpu", text])


@pytest.mark.parametrize("texts", [["cpu x65"], ["cpu x64", "cuda:0"], ["cpu"] * 65])
def test_more_instances_than_are_possible_are_refused(texts: list[str]) -> None:
    with pytest.raises(ValueError, match=r"^65 instances, at most 64 are possible$"):
        instances_of(texts)


def test_no_instance_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="no instance at all"):
        instances_of(["cpu x0"])


def test_the_cpu_is_asked_for_alone() -> None:
    assert Device().provider == CPU
    assert Device().providers(graphs=True) == [(CPU, {})]


@pytest.mark.parametrize(("graphs", "said"), [(False, "0"), (True, "1")])
def test_cuda_is_asked_for_with_its_number_and_the_cpu_behind_it(graphs: bool, said: str) -> None:
    [(first, options), (second, none)] = Device("cuda", 3).providers(graphs=graphs)

    assert (first, second, none) == (CUDA, CPU, {})
    assert options["device_id"] == "3"
    assert options["enable_cuda_graph"] == said
    assert options["arena_extend_strategy"] == "kSameAsRequested"


def test_a_device_reads_as_it_is_written() -> None:
    devices = (Device(), Device("cuda"), Device("cuda", 12))

    assert instances_of([str(device) for device in devices]) == devices
