"""Moving the range of inputs into the weights changes nothing in floats."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from nlp.training.embedding_model import EmbeddingModel  # noqa: E402
from nlp.training.encoder import Encoder  # noqa: E402
from nlp.training.graph import Encoded, batch_of  # noqa: E402
from nlp.training.smoothing import Smoothed, sizes_of, smooth  # noqa: E402

TEXTS = [Encoded([2, 5, 9, 3]), Encoded([2, 40, 7, 7, 12, 3])]


def test_a_smoothed_model_answers_as_before() -> None:
    torch.manual_seed(0)
    model = EmbeddingModel(Encoder(vocabulary=50, layers=1)).eval()
    inputs = [torch.tensor(values) for values in batch_of(TEXTS).values()]
    with torch.no_grad():
        before = model(*inputs)

        smooth(model, TEXTS)
        after = model(*inputs)

    layers = [one for one in model.modules() if isinstance(one, Smoothed)]
    assert len(layers) == 4
    assert (after - before).abs().max() < 1e-5


def test_large_inputs_are_divided_by_more() -> None:
    sizes = sizes_of(torch.tensor([30.0, 1.0, 0.0]), torch.full((4, 3), 0.1))

    assert sizes[0] > sizes[1] > sizes[2] > 0
    assert sizes.mean() == pytest.approx(1)
