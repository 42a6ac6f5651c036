from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from mlmesh.inference.batch import Joined, Shaping
from mlmesh.inference.session import Array, Arrays
from mlmesh.registry.manifest import Dtype, Lengths, Tensor
from mlmesh.runtime.errors import InvalidInput
from tests.inference.loaded import same

DTYPES: Sequence[Dtype] = (
    "bool", "uint8", "uint64", "int16", "int64", "float16", "bfloat16", "float32", "string",
)  # fmt: skip
BUCKETS = st.sets(st.integers(1, 24), max_size=4).map(lambda sizes: tuple(sorted(sizes)))
SEEDS = st.integers(0, 2**32 - 1)


def elements(chance: np.random.Generator, dtype: str, shape: tuple[int, ...]) -> Array:
    """Any values of a dtype, NaN with any payload among the floats."""
    if dtype == "string":
        texts = np.array(["", "a", "zwei", "drei\0", "\N{SNOWMAN}"], dtype=object)
        return np.asarray(texts[chance.integers(0, len(texts), shape)], dtype=object)
    if dtype == "bool":
        return chance.integers(0, 2, shape).astype(bool)
    kind = np.dtype("uint16" if dtype == "bfloat16" else dtype)
    count = int(np.prod(shape))
    return np.frombuffer(chance.bytes(count * kind.itemsize), kind).reshape(shape)


def graph(inputs: Arrays) -> dict[str, Array]:
    """Row by row, as any graph: the inputs backwards, and how often each was seen."""
    return {
        "x_back": inputs["x"][:, ::-1],
        "y_twice": np.stack([inputs["y"], inputs["y"]], axis=1),
    }


def in_turn(shaping: Shaping, items: Sequence[Arrays]) -> list[dict[str, Array]]:
    joined = shaping.join(items)
    return shaping.part(joined, graph(joined.inputs))


@settings(max_examples=300)
@given(st.sampled_from(DTYPES), st.lists(st.integers(1, 5), min_size=1, max_size=6), BUCKETS, SEEDS)
def test_every_item_gets_its_own_rows_back_bit_by_bit(
    dtype: Dtype, rows: list[int], buckets: tuple[int, ...], seed: int
) -> None:
    chance = np.random.default_rng(seed)
    inputs = (
        Tensor(name="x", dtype=dtype, shape=(None, 3)),
        Tensor(name="y", dtype="int64", shape=(None,)),
    )
    shaping = Shaping(inputs, batched=True, buckets=buckets)
    items = [
        {"x": elements(chance, dtype, (count, 3)), "y": elements(chance, "int64", (count,))}
        for count in rows
    ]

    joined = shaping.join(items)
    parts = shaping.part(joined, graph(joined.inputs))

    assert [shaping.rows_of(item) for item in items] == rows == list(joined.rows)
    for item, part in zip(items, parts, strict=True):
        assert same(part, graph(item))
    size = min((size for size in buckets if size >= sum(rows)), default=sum(rows))
    assert {len(array) for array in joined.inputs.values()} == {size}


def tokens(shape: Sequence[int | None] = (None, None)) -> tuple[Tensor, ...]:
    return tuple(Tensor(name=name, dtype="int64", shape=tuple(shape)) for name in ("ids", "mask"))


def masked(inputs: Arrays) -> dict[str, Array]:
    """What a text model does: a token counts where the mask says so."""
    counted = inputs["ids"] * inputs["mask"]
    return {"sum": counted.sum(axis=1), "each": counted}


LENGTHS = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 40)), min_size=1, max_size=6)


@settings(max_examples=300)
@given(LENGTHS, BUCKETS, BUCKETS, SEEDS)
def test_padding_changes_no_answer_and_is_cut_off_again(
    sizes: list[tuple[int, int]], buckets: tuple[int, ...], lengths: tuple[int, ...], seed: int
) -> None:
    chance = np.random.default_rng(seed)
    padding = Lengths(inputs={"ids": 99, "mask": 0}, outputs=("each",), buckets=lengths)
    shaping = Shaping(tokens(), batched=True, buckets=buckets, lengths=padding)
    items = [
        {"ids": chance.integers(-9, 9, size), "mask": chance.integers(0, 2, size)} for size in sizes
    ]

    for group in grouped(shaping, items):
        joined = shaping.join(group)
        parts = shaping.part(joined, masked(joined.inputs))

        for item, part in zip(group, parts, strict=True):
            assert same(part, masked(item))
        longest = max(item["ids"].shape[1] for item in group)
        padded = min((size for size in lengths if size >= longest), default=longest)
        assert joined.inputs["ids"].shape[1] == joined.inputs["mask"].shape[1] == padded


def grouped(shaping: Shaping, items: Sequence[dict[str, Array]]) -> list[list[dict[str, Array]]]:
    groups: dict[Any, list[dict[str, Array]]] = {}
    for item in items:
        groups.setdefault(shaping.key_of(item), []).append(item)
    return list(groups.values())


def lengths_of(*buckets: int) -> Shaping:
    padding = Lengths(inputs={"ids": 0, "mask": 0}, outputs=("each",), buckets=buckets)
    return Shaping(tokens(), batched=True, lengths=padding)


def text(length: int, rows: int = 1) -> dict[str, Array]:
    return {name: np.ones((rows, length), np.int64) for name in ("ids", "mask")}


def test_only_lengths_of_one_bucket_run_together_and_all_beyond_the_last_one() -> None:
    shaping = lengths_of(4, 8)

    keys = [shaping.key_of(text(length)) for length in (1, 4, 5, 8, 9, 500)]

    assert keys[0] == keys[1]
    assert keys[2] == keys[3]
    assert keys[4] == keys[5]
    assert len(set(keys)) == 3


def test_beyond_the_last_bucket_a_batch_is_as_long_as_its_longest_item() -> None:
    joined = lengths_of(4, 8).join([text(9), text(30), text(10)])

    assert joined.inputs["ids"].shape == (3, 30)
    assert list(joined.lengths) == [9, 30, 10]


def test_without_buckets_all_lengths_run_together() -> None:
    shaping = lengths_of()

    assert shaping.key_of(text(3)) == shaping.key_of(text(300))


def test_a_lone_item_is_padded_to_its_bucket_as_well() -> None:
    """One shape more or less decides how fast CUDA is, and what was warmed up."""
    joined = lengths_of(4, 8).join([text(5, rows=2)])

    assert joined.inputs["mask"].tolist() == [[1] * 5 + [0] * 3] * 2


def test_free_axes_that_are_not_padded_must_be_equal_to_run_together() -> None:
    shaping = Shaping((Tensor(name="x", dtype="float32", shape=(None, None, 3)),), batched=True)
    shapes = [(1, 4, 3), (9, 4, 3), (1, 5, 3)]

    keys = [shaping.key_of({"x": np.zeros(shape, np.float32)}) for shape in shapes]

    assert keys[0] == keys[1] != keys[2]


def test_items_of_fixed_axes_all_run_together() -> None:
    shaping = Shaping((Tensor(name="x", dtype="float32", shape=(None, 3)),), batched=True)

    assert shaping.key_of({"x": np.zeros((2, 3), np.float32)}) is None


def test_a_graph_that_is_not_batched_gets_its_item_as_it_is() -> None:
    inputs = (Tensor(name="x", dtype="float32", shape=(2, 2)),)
    shaping = Shaping(inputs, batched=False, buckets=(8,))
    item = {"x": np.ones((2, 2), np.float32)}

    joined = shaping.join([item])
    [part] = shaping.part(joined, {"total": np.array(4, np.float32)})

    assert shaping.rows_of(item) == 1
    assert same(joined.inputs, item)
    assert part["total"].shape == ()


def test_a_graph_without_rows_may_have_lengths_too() -> None:
    padding = Lengths(inputs={"ids": 5, "mask": 0}, outputs=("each",), buckets=(4,))
    shaping = Shaping(tokens((1, None)), batched=False, lengths=padding)

    joined = shaping.join([text(3)])
    [part] = shaping.part(joined, masked(joined.inputs))

    assert joined.inputs["ids"].tolist() == [[1, 1, 1, 5]]
    assert part["each"].tolist() == [[1, 1, 1]]


PADDED: list[tuple[Dtype, Array, float, list[Any]]] = [
    ("float32", np.ones((1, 1), np.float32), -1.5, [1, -1.5]),
    ("int64", np.ones((1, 1), np.int64), 7, [1, 7]),
    ("bool", np.ones((1, 1), bool), 0, [True, False]),
    ("string", np.full((1, 1), "a", object), 0, ["a", ""]),
    # The bit patterns of 2 and 1.
    ("bfloat16", np.full((1, 1), 0x4000, np.uint16), 1, [0x4000, 0x3F80]),
]


@pytest.mark.parametrize(("dtype", "array", "value", "expected"), PADDED)
def test_every_dtype_is_padded_with_its_own_kind_of_the_value(
    dtype: Dtype, array: Array, value: float, expected: list[Any]
) -> None:
    padding = Lengths(inputs={"x": value}, buckets=(2,))
    inputs = (Tensor(name="x", dtype=dtype, shape=(None, None)),)

    joined = Shaping(inputs, batched=True, lengths=padding).join([{"x": array}])

    assert joined.inputs["x"].tolist() == [expected]
    assert joined.inputs["x"].dtype == array.dtype


def test_more_axes_than_two_are_padded_on_the_second() -> None:
    padding = Lengths(inputs={"x": 9}, outputs=("y",))
    inputs = (Tensor(name="x", dtype="int64", shape=(None, None, 2)),)
    shaping = Shaping(inputs, batched=True, lengths=padding)
    items = [{"x": np.ones((1, length, 2), np.int64)} for length in (1, 3)]

    joined = shaping.join(items)
    parts = shaping.part(joined, {"y": joined.inputs["x"]})

    assert joined.inputs["x"][0].tolist() == [[1, 1], [9, 9], [9, 9]]
    assert [part["y"].shape for part in parts] == [(1, 1, 2), (1, 3, 2)]


def test_inputs_of_different_rows_are_refused_for_they_would_move_the_neighbours_rows() -> None:
    shaping = Shaping(
        tuple(Tensor(name=name, dtype="int64", shape=(None, 1)) for name in ("a", "b")), True
    )
    item = {"a": np.zeros((2, 1), np.int64), "b": np.zeros((3, 1), np.int64)}

    with pytest.raises(InvalidInput, match=r"^inputs: all need the same rows, got a 2, b 3$"):
        shaping.rows_of(item)


def test_inputs_of_different_lengths_are_refused() -> None:
    item: Mapping[str, Array] = {**text(5), "mask": np.ones((1, 4), np.int64)}

    with pytest.raises(InvalidInput, match=r"^inputs: all need the same length, got ids 5, mask 4"):
        lengths_of(8).join([item])


def test_an_item_without_rows_gets_none() -> None:
    shaping = Shaping((Tensor(name="x", dtype="float32", shape=(None, 2)),), True, buckets=(4,))
    items = [{"x": np.ones((rows, 2), np.float32)} for rows in (0, 2)]

    joined = shaping.join(items)
    parts = shaping.part(joined, {"y": joined.inputs["x"]})

    assert [len(part["y"]) for part in parts] == [0, 2]
    assert len(joined.inputs["x"]) == 4


def test_items_are_never_written_to() -> None:
    shaping = lengths_of(8)
    item = text(5)
    for array in item.values():
        array.flags.writeable = False

    joined: Joined = shaping.join([item, text(6)])

    assert joined.inputs["ids"].shape == (2, 8)
    assert item["ids"].shape == (1, 5)
