from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, strategies as st

from nlp.windows import windows_of


def words(*sizes: int) -> np.ndarray:
    """Numbers of the words of pieces, for words of so many pieces each."""
    return np.repeat(np.arange(len(sizes)), sizes).astype(np.int32)


def test_a_text_that_fits_is_one_window() -> None:
    [window] = windows_of(words(*[1] * 10), size=10, overlap=4)

    assert (window.start, window.end, window.own_start, window.own_end) == (0, 10, 0, 10)


def test_every_piece_is_owned_by_the_window_where_it_is_furthest_from_an_edge() -> None:
    windows = windows_of(words(*[1] * 20), size=10, overlap=4)

    assert [(one.start, one.end) for one in windows] == [(0, 10), (6, 16), (12, 20)]
    assert [(one.own_start, one.own_end) for one in windows] == [(0, 8), (8, 14), (14, 20)]


def test_windows_begin_and_end_between_words() -> None:
    windows = windows_of(words(3, 3, 3, 3, 3, 3), size=10, overlap=4)

    places = {place for one in windows for place in (one.start, one.end, one.own_start)}
    assert all(place % 3 == 0 for place in places)


def test_a_window_of_which_its_neighbours_have_everything_is_left_out() -> None:
    windows = windows_of(words(6, 1, 8, 6, 9), size=17, overlap=9)

    assert [(one.own_start, one.own_end) for one in windows] == [(0, 7), (7, 21), (21, 30)]


SIZES = st.lists(st.integers(1, 12), min_size=1, max_size=60)


@given(SIZES, st.integers(2, 20), st.integers(0, 12))
def test_the_own_parts_are_the_whole_text_whatever_its_words(
    sizes: list[int], size: int, overlap: int
) -> None:
    numbers = words(*sizes)

    windows = windows_of(numbers, size, overlap)

    assert windows[0].own_start == windows[0].start == 0
    assert windows[-1].own_end == windows[-1].end == len(numbers)
    assert all(one.own_end == after.own_start for one, after in pairwise(windows))
    assert all(one.start < after.start for one, after in pairwise(windows))
    for one in windows:
        assert one.start <= one.own_start < one.own_end <= one.end
        assert one.end - one.start <= size


def test_the_work_does_not_grow_faster_than_the_text() -> None:
    windows = windows_of(words(*[200] * 50), size=126)

    assert sum(one.end - one.start for one in windows) < 2 * 200 * 50
