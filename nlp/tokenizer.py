"""Texts as pieces of words, the way the models learnt them, each with its place in the text."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

TOKENIZER_FILE = "tokenizer.json"
BLOCK = 16_384
"""Characters that are split at once; what the splitting itself takes is 600 times that in bytes."""
SPACES = " \t\n\r"

Integers = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Pieces:
    """A text in pieces; every array is int32 [pieces]."""

    ids: Integers
    words: Integers
    """For every piece the number of its word. A word is what stands between spaces and
    punctuation; a punctuation mark is a word of its own."""
    starts: Integers
    """Where the piece begins, in code points of the text."""
    ends: Integers
    """Where it ends."""

    def __len__(self) -> int:
        return len(self.ids)

    def first_of_words(self) -> NDArray[np.intp]:
        """The first piece of every word."""
        return np.flatnonzero(np.diff(self.words, prepend=-1))


class TextTokenizer:
    """A model version's own tokenizer. It may be used from several threads at once."""

    def __init__(self, file: Path) -> None:
        """Raises ValueError when the file is no tokenizer with [CLS] and [SEP]."""
        # A thread for every core would take them from the models.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        try:
            self._tokenizer: Any = Tokenizer.from_file(str(file))
        except Exception as error:  # tokenizers raises nothing more special
            raise ValueError(f"{file.name}: {error}") from None
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        # "[SEP]" in a caller's text is a word in brackets, not the end of the text.
        self._tokenizer.encode_special_tokens = True
        self.opening = self._special("[CLS]")
        self.closing = self._special("[SEP]")

    def read(self, content: str) -> Pieces:
        """All pieces of a text, in order; none for white space and control characters."""
        parts = [self._block(start, block) for start, block in blocks_of(content)]
        if len(parts) == 1:
            return parts[0]
        counts = [int(part.words[-1]) + 1 if len(part) else 0 for part in parts]
        shifts = np.cumsum([0, *counts[:-1]])
        return Pieces(
            ids=np.concatenate([part.ids for part in parts]),
            words=np.concatenate(
                [part.words + shift for part, shift in zip(parts, shifts, strict=True)]
            ).astype(np.int32),
            starts=np.concatenate([part.starts for part in parts]),
            ends=np.concatenate([part.ends for part in parts]),
        )

    def _block(self, start: int, content: str) -> Pieces:
        # Of the two ways to do it, only this one lets other threads go on.
        [found] = self._tokenizer.encode_batch([content], add_special_tokens=False)
        offsets = np.array(found.offsets, np.int32).reshape(-1, 2) + np.int32(start)
        return Pieces(
            ids=np.array(found.ids, np.int32),
            words=np.array(found.word_ids, np.int32),
            starts=offsets[:, 0],
            ends=offsets[:, 1],
        )

    def _special(self, token: str) -> int:
        number: int | None = self._tokenizer.token_to_id(token)
        if number is None:
            raise ValueError(f"{TOKENIZER_FILE}: it has no {token}")
        return number


def blocks_of(content: str, size: int = BLOCK) -> Iterator[tuple[int, str]]:
    """A text in blocks that end at spaces where they can, each with where it begins."""
    start = 0
    while len(content) - start > size:
        space = max(content.rfind(one, start, start + size) for one in SPACES)
        end = space + 1 if space > start else start + size
        yield start, content[start:end]
        start = end
    yield start, content[start:]
