from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from nlp.tokenizer import BLOCK, TextTokenizer, blocks_of
from tests.nlp.tiny_texts import VOCABULARY, write_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    file = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    write_tokenizer(file)
    return TextTokenizer(file)


def test_pieces_know_their_words_and_places(tokenizer: TextTokenizer) -> None:
    pieces = tokenizer.read("It works, b\u00e9a!")

    expected = ["it", "works", ",", "b", "##e", "##a", "!"]
    assert pieces.ids.tolist() == [VOCABULARY[one] for one in expected]
    assert pieces.words.tolist() == [0, 1, 2, 3, 3, 3, 4]
    assert pieces.starts.tolist() == [0, 3, 8, 10, 11, 12, 13]
    assert pieces.ends.tolist() == [2, 8, 9, 11, 12, 13, 14]
    assert pieces.first_of_words().tolist() == [0, 1, 2, 3, 6]


def test_nothing_is_padded_cut_or_taken_for_a_special_token(tokenizer: TextTokenizer) -> None:
    pieces = tokenizer.read("[CLS] a [PAD] " * 200)

    assert len(pieces) > 1000
    special = {VOCABULARY[one] for one in ("[CLS]", "[SEP]", "[PAD]", "[MASK]")}
    assert not special & set(pieces.ids.tolist())


@pytest.mark.parametrize("text", ["", " \n", "\x07\u200b"])
def test_a_text_may_hold_no_pieces(tokenizer: TextTokenizer, text: str) -> None:
    assert len(tokenizer.read(text)) == 0
    assert len(tokenizer.read(text * BLOCK)) == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(max_size=200), st.integers(1, 50))
def test_blocks_are_the_text(text: str, size: int) -> None:
    blocks = list(blocks_of(text, size))

    assert "".join(block for _, block in blocks) == text
    assert all(text[start : start + len(block)] == block for start, block in blocks)
    assert all(len(block) <= size for _, block in blocks)
    assert len(blocks) <= len(text) + 1


def test_a_long_text_is_read_as_if_at_once(tokenizer: TextTokenizer) -> None:
    sentence = "it works, \u00e9b and\n\nthe \U0001f600 apple"
    text = " ".join([sentence] * (3 * BLOCK // len(sentence)))

    whole, part = tokenizer.read(text), tokenizer.read(sentence)

    repeats = len(whole) // len(part)
    assert repeats > 3 * BLOCK // len(sentence) - 2
    assert whole.ids.tolist() == part.ids.tolist() * repeats
    assert whole.words.tolist() == sorted(whole.words.tolist())
    assert len(set(whole.words.tolist())) == repeats * len(set(part.words.tolist()))
    shifts = np.repeat(np.arange(repeats) * (len(sentence) + 1), len(part))
    assert (whole.starts - shifts).tolist() == part.starts.tolist() * repeats
    assert whole.starts.dtype == whole.words.dtype == whole.ids.dtype == np.int32


def test_a_word_without_end_is_read_in_parts(tokenizer: TextTokenizer) -> None:
    pieces = tokenizer.read("x" * (2 * BLOCK + 5))

    assert pieces.ends[-1] == 2 * BLOCK + 5


@pytest.mark.parametrize("content", ["", "{}", "no json"])
def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content)

    with pytest.raises(ValueError, match=r"^tokenizer\.json: ") as refused:
        TextTokenizer(tmp_path / "tokenizer.json")

    assert str(tmp_path) not in str(refused.value)
