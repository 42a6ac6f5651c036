"""The nlp service's models, judged through a running service on sets that a test writes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mlmesh.evaluation.evaluation import HeldOutSet
from mlmesh.evaluation.measuring import measure
from mlmesh.evaluation.served import NotEvaluated, Served, asking
from mlmesh.registry.manifest import read_manifest
from nlp.evaluation import evaluations
from nlp.training.summary_texts import CHOSEN_BY, LOOKED_AT
from tests.nlp.training.tiny_sets import write_lines


async def measured(model: str, port: int, models: Path, data: Path) -> dict[str, float]:
    """All figures of a model's version v1.0."""
    digest = read_manifest(models / model / "v1.0").digest

    def ask() -> dict[str, float]:
        figures: dict[str, float] = {}
        with asking(f"127.0.0.1:{port}") as channel:
            served = Served(channel, model, "v1.0", digest)
            for held in evaluations[model].read(data):
                figures |= measure(held, served, lambda count: None)
        return figures

    return await asyncio.to_thread(ask)


async def test_sentiment_is_judged_by_its_four_sets(
    nlp_port: int, text_models: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "sentiment"
    pairs = ["it is good\t1", "it is awful\t0", "it is good\t0", "it broke\t0"]
    write_lines(folder / "sst2/test.tsv.gz", pairs)
    trees = ["(4 (2 it) (4 works))", "(0 (2 it) (1 broke))", "(2 (2 it) (2 said))"]
    write_lines(folder / "sst_trees/test.txt.gz", trees)
    write_lines(folder / "tweeteval/test_text.txt.gz", ["good", "bad", "said"])
    write_lines(folder / "tweeteval/test_labels.txt.gz", ["2", "2", "1"])
    (folder / "uci_sentences").mkdir()
    for name in ("amazon_cells", "imdb", "yelp"):
        lines = [f"{number} is great\t1" for number in range(40)]
        (folder / "uci_sentences" / f"{name}_labelled.txt").write_text("\n".join(lines))

    figures = await measured("sentiment", nlp_port, text_models, tmp_path)

    assert figures["sst2_accuracy"] == 0.75
    assert figures["amazon_yelp_accuracy"] == 1
    assert (figures["sst3_accuracy"], figures["sst3_macro_recall"]) == (1, 1)
    assert figures["tweeteval_accuracy"] == pytest.approx(2 / 3, abs=1e-4)
    assert figures["tweeteval_macro_recall"] == 0.75
    assert 0 < figures["sst3_calibration_error"] < 0.5
    assert not any(name.endswith("_before") for name in figures)


async def test_entities_are_judged_by_place_and_type(
    nlp_port: int, text_models: Path, tmp_path: Path
) -> None:
    right = ["Ada\tB-PER", "Lovelace\tI-PER", "said\tO", ""]
    wrong_type = ["Paris\tB-ORG", "works\tO", ""]
    folder = tmp_path / "ner"
    write_lines(folder / "conll2003/test.txt.gz", right + wrong_type)
    write_lines(folder / "wnut17/test.txt.gz", ["Ada\tB-person", "Lovelace\tI-person", ""])
    write_lines(folder / "uner_ewt/test.iob2.gz", ["1\tParis\tB-LOC\t-\t-", ""])
    missed = ["ada\tI-PER", "said\tO", ""]
    write_lines(folder / "wikigold/wikigold.conll.txt.gz", right * 8 + right + missed)

    figures = await measured("entities", nlp_port, text_models, tmp_path)

    assert (figures["conll_f1"], figures["conll_f1_per"], figures["conll_f1_org"]) == (0.5, 1, 0)
    assert figures["conll_passages_f1"] == 0.5
    assert (figures["wnut_f1"], figures["web_f1"]) == (1, 1)
    assert figures["wikigold_f1"] == pytest.approx(2 / 3, abs=1e-4)
    assert 0 < figures["conll_calibration_error"] < 1


def write_embedding_sets(data: Path) -> None:
    pairs = ["it is good,it is good,5.0", "the apple broke,paris works,0.5"]
    write_lines(data / "embeddings/stsb-en-test.csv.gz", pairs)
    sentences = ["The apple is good.", "It broke in Paris.", "Ada said it works."]
    article, summary = " ".join(sentences), "".join(sentences).lower()
    rows = [f'{number},"heading\n{article}","{summary}"' for number in range(LOOKED_AT + 2)]
    write_lines(data / "summarization/bbc/test.csv.gz", [",document,summary", *rows])
    rows = [f'{number},"{article}","{article}"' for number in range(CHOSEN_BY + 2)]
    write_lines(
        data / "summarization/cnndm_sample/train_sample.csv.gz", [",article,highlights", *rows]
    )


async def test_embeddings_are_judged_by_pairs_and_by_summaries(
    nlp_port: int, text_models: Path, tmp_path: Path
) -> None:
    write_embedding_sets(tmp_path)

    figures = await measured("embeddings", nlp_port, text_models, tmp_path)

    assert (figures["stsb_spearman"], figures["stsb_pearson"]) == (1, 1)
    # Three sentences of three are the whole text, and its first three.
    assert figures["bbc_three_rouge1"] == figures["cnndm_three_rouge1"] == 1
    assert figures["bbc_three_over_lead"] == 0
    # Two fifths of three are one.
    assert figures["bbc_rouge1"] == pytest.approx(2 * 4 / (4 + 12), abs=1e-4)


async def test_a_text_that_the_service_refuses_is_named(
    nlp_port: int, text_models: Path, tmp_path: Path
) -> None:
    write_embedding_sets(tmp_path)
    write_lines(tmp_path / "embeddings/stsb-en-test.csv.gz", ["it works, ,1.0"])

    with pytest.raises(NotEvaluated, match=r"INVALID_ARGUMENT: pairs\[0\]\.other"):
        await measured("embeddings", nlp_port, text_models, tmp_path)


@pytest.mark.parametrize("model", evaluations)
def test_a_missing_file_is_the_one_that_is_named(model: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        evaluations[model].read(tmp_path)

    assert str(tmp_path) in str(raised.value.filename)


@pytest.mark.parametrize("model", evaluations)
def test_every_figure_of_the_card_is_measured_or_says_why_not(model: str) -> None:
    card = read_manifest(Path("nlp/models") / model / "v1.0").evaluation.metrics
    evaluation = evaluations[model]

    unasked = [name for name in card if evaluation.why_unasked(name)]

    assert all(name.endswith("_before") for name in unasked)
    assert all(0 < evaluation.tolerance(name).distance <= 0.002 for name in card)


def test_sets_are_what_the_command_takes(tmp_path: Path) -> None:
    write_embedding_sets(tmp_path)

    sets = evaluations["embeddings"].read(tmp_path)

    assert all(isinstance(held, HeldOutSet) for held in sets)
    assert [(held.name, len(held.items)) for held in sets] == [
        ("stsb", 2), ("bbc", 2), ("bbc_three", 2), ("cnndm_three", 2),
    ]  # fmt: skip
