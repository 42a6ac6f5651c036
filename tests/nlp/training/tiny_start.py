"""A start for the recipes that takes seconds: an encoder of one layer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from nlp.training.encoder import Encoder
from nlp.training.start import Start
from tests.nlp.training.tiny_sets import BAD, GOOD, NAMES, PLAIN, WORDS

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


@dataclass(frozen=True, slots=True)
class TinyStart(Start):
    def encoder(self) -> Encoder:
        torch.manual_seed(0)
        return Encoder(vocabulary=200, layers=1)

    def tokenizer(self) -> Tokenizer:
        return tiny_tokenizer()


def tiny_tokenizer() -> Tokenizer:
    """Like the real one, with letters as pieces of words that it does not know."""
    letters = [
        f"{before}{letter}" for before in ("", "##") for letter in "abcdefghijklmnopqrstuvwxyz"
    ]
    names = [name.lower() for pair in NAMES.values() for name in pair]
    known = [*SPECIAL, *letters, *"0123456789.,!?'$#@", *WORDS, *GOOD, *BAD, *PLAIN, *names]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(known))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"])
    )
    return tokenizer
