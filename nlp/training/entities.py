"""`entities`: names of persons, organisations, places and other things in English text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer

from mlmesh.registry.manifest import Training
from nlp.training.calibration import Flags, Numbers, best_temperature
from nlp.training.cooling import cool
from nlp.training.entity_answers import all_figures
from nlp.training.entity_fitting import EPOCHS, fit_entities
from nlp.training.entity_items import items_of, joined
from nlp.training.entity_model import EntityModel
from nlp.training.entity_sets import EntitySets, read_entity_sets
from nlp.training.fidelity import answers_of
from nlp.training.graph import Encoded, Graph
from nlp.training.onnx_export import Probabilities
from nlp.training.release import Trained
from nlp.training.samples import varied_sample
from nlp.training.start import Start
from nlp.training.tags import ANY, TAGS
from nlp.word_shapes import shapes_of

NAME = "entities"
SEED = 0
LONGEST = 128
CALIBRATED_ON = 600
"""Sentences of each validation set."""
LIMITS = (
    "English only. Names in other languages are often found, but nothing was measured.",
    "On news nine names in ten are right, on social media about half, organisations there a third.",
    "MISC is what the sets agree on least: nationalities, events, works and some products.",
    "Dates, amounts and titles are no entities: in 'Call Ms. O'Neill at AT&T' the title is taken "
    "into the name all the same.",
    "Long names are cut at times: 'United States of America' is answered as two places, 'The "
    "Beatles' without its article.",
    "Names that are also words or places need context: in 'Paris Hilton stayed at the Hilton in "
    "Paris.' the hotel is a place with little confidence, in 'May will meet April in June.' nobody "
    "is found.",
    "Names of users (@name) are no entities; a hashtag is taken with its sign.",
    "Whether it finds names of some origins less often than others was not examined. Not for "
    "removing personal data: it misses too many.",
)


def train_entities(start: Start) -> Trained:
    tokenizer = start.tokenizer()
    sets = read_entity_sets(start.data)
    model, seconds = fit_entities(
        start.encoder(),
        tokenizer,
        sets.learnt,
        SEED,
        start.progress,
        start.checkpoints / f"{NAME}.pt",
        start.most_steps,
    )
    temperature = best_temperature(*_validated(model, sets, tokenizer))
    cool(model.last, temperature)

    def figures(graph: Graph) -> dict[str, float]:
        return all_figures(graph, sets.tests, tokenizer, temperature)

    return Trained(
        name=NAME,
        version="v1.0",
        description="Persons, organisations, places and other names in English text",
        model=Probabilities(model),
        output="tag_probabilities",
        per_piece=True,
        labels=TAGS,
        longest=LONGEST,
        tokenizer=tokenizer.to_str(),
        sample=sample_of(varied_sample(start.data), tokenizer),
        largest_difference=0.4,
        training=Training(
            data="CoNLL-2003 train; WNUT-17 train and dev; Broad Twitter Corpus a, b, e, g, h; "
            "Wikigold, the first four fifths; CrossNER train and dev of all domains",
            licence="CoNLL-2003: news of Reuters, published for research; WNUT-17, Broad Twitter "
            "Corpus, Wikigold: CC-BY-4.0; CrossNER: MIT. Starting weights: Apache-2.0",
            citation="Tjong Kim Sang and De Meulder 2003, doi 10.3115/1119176.1119195; Derczynski "
            "et al. 2017, doi 10.18653/v1/W17-4418; Derczynski et al. 2016, aclanthology C16-1111; "
            "Balasuriya et al. 2009, doi 10.3115/1699765.1699767; Liu et al. 2021, CrossNER",
            rows=sum(len(one.sentences) for one in sets.learnt),
            split="CoNLL-2003 and WNUT-17: official parts; Wikigold: its last fifth is tested; "
            "UNER-EWT (CC-BY-SA-4.0) was never learnt from. Validated on CoNLL-2003 dev, UNER-EWT "
            "dev and part f of the Broad Twitter Corpus. The tests were used once, to report; 40 "
            "of the 3,453 test sentences of CoNLL-2003 also stand in its training part",
            seed=SEED,
            seconds=round(seconds),
            method="all-MiniLM-L6-v2 with a frozen token table, a vector for how each word is "
            "written, one score per tag. Sets that annotate fewer or finer types only say which "
            "tags may be true, and the loss asks for any of these. Neighbouring sentences are "
            "learnt together half of the time; one in ten texts as if in small letters or capitals "
            f"only. {EPOCHS} epochs of AdamW in bfloat16; temperature {temperature:.3f} fitted on "
            "the validation parts; weights rounded to int8 for each output",
        ),
        rows=sum(len(one.sentences) for one in sets.tests.values()),
        figures=figures,
        baselines={},
        notes="F1 of exact matches of place and type, found by the most probable tags in which "
        "every entity has a beginning; one sentence at a time, those of more than 126 pieces in "
        "overlapping windows as the service reads them. wnut and web know no MISC. "
        "Calibration error of the confidences of found entities; _before: before the temperature.",
        limits=LIMITS,
        floors={"conll_f1": 0.89, "wnut_f1": 0.44, "web_f1": 0.66},
    )


def sample_of(texts: Sequence[str], tokenizer: Tokenizer) -> list[Encoded]:
    """Texts as the graph reads them, cut after LONGEST pieces."""
    return [
        Encoded(one.ids[:LONGEST], shapes_of(text, one.word_ids, one.offsets)[:LONGEST])
        for text, one in zip(texts, tokenizer.encode_batch(list(texts)), strict=True)
    ]


def _validated(model: EntityModel, sets: EntitySets, tokenizer: Tokenizer) -> tuple[Numbers, Flags]:
    """Scores and allowed tags of the words of the validation sets."""
    scores, allowed = [], []
    for judged in sets.validation.values():
        chosen = judged.sentences[:: max(len(judged.sentences) // CALIBRATED_ON, 1)]
        items = [joined([one]) for one in items_of(chosen, tokenizer)]
        answers = answers_of(model, [Encoded(one.pieces, one.shapes) for one in items])
        for item, answer in zip(items, answers, strict=True):
            tags = np.array(item.allowed)
            told = tags != ANY
            scores.append(answer[told])
            allowed.append((tags[told, None] >> np.arange(len(TAGS))) & 1 == 1)
    return np.concatenate(scores).astype(np.float64), np.concatenate(allowed)
