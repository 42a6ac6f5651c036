"""`sentiment`: whether an English text is negative, neutral or positive."""

from __future__ import annotations

import numpy as np

from mlmesh.registry.manifest import Training
from nlp.training.baselines import word_counts
from nlp.training.calibration import best_temperature
from nlp.training.cooling import cool
from nlp.training.encoded_texts import encoded
from nlp.training.fidelity import answers_of
from nlp.training.graph import Graph
from nlp.training.onnx_export import Probabilities
from nlp.training.release import Trained
from nlp.training.samples import varied_sample
from nlp.training.sentiment_figures import figures_before, figures_of
from nlp.training.sentiment_fitting import EPOCHS, fit_sentiment
from nlp.training.sentiment_texts import read_sentiment_texts
from nlp.training.start import Start
from nlp.training.treebank import LABELS

NAME = "sentiment"
SEED = 0
LONGEST = 128
LIMITS = (
    "English only. Learnt mostly from film reviews, a little from shop and restaurant reviews; on "
    "tweets three answers in five are right.",
    "Irony is taken at its word: 'Great, another delay. Just what I needed.' and 'Yeah, right, "
    "like that's going to work.' are answered as positive.",
    "Emoji are unknown to the vocabulary: three angry faces alone are answered as neutral.",
    "There is no class for mixed: 'The camera is excellent but the battery is terrible.' is "
    "answered as neutral, with little confidence. Ask for the sentences of a text one by one.",
    "It tells how somebody sounds, not whether news are good: 'The earthquake killed 200 people.' "
    "is answered as neutral, 'Nobody was hurt.' as positive.",
    "Neutral is the weakest class, questions with a loaded word above all: 'Is it any good?' is "
    "answered as negative.",
    "It reads 128 pieces (about 95 words) at once; of longer texts the answers to overlapping "
    "parts are averaged.",
    "It has learnt prejudice from its texts: 'I am deaf.' is answered as negative, 'I am tall.' as "
    "positive. Do not judge people by it.",
)


def train_sentiment(start: Start) -> Trained:
    tokenizer = start.tokenizer()
    texts = read_sentiment_texts(start.data, SEED)
    model, seconds = fit_sentiment(
        start.encoder(),
        tokenizer,
        texts.train,
        SEED,
        start.progress,
        start.checkpoints / f"{NAME}.pt",
        start.most_steps,
    )
    validation = encoded([one.text for one in texts.validation], tokenizer)
    allowed = np.eye(len(LABELS), dtype=bool)[[one.label for one in texts.validation]]
    scores = np.stack(answers_of(model, validation)).astype(np.float64)
    temperature = best_temperature(scores, allowed)
    cool(model.last, temperature)

    def figures(graph: Graph) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, part in texts.tests.items():
            answers = np.stack(graph(encoded([one.text for one in part], tokenizer)))
            probabilities = answers.astype(np.float64)
            labels = np.array([one.label for one in part])
            found |= figures_of(name, probabilities, labels)
            found |= figures_before(name, probabilities, labels, temperature)
        return found

    return Trained(
        name=NAME,
        version="v1.0",
        description="Whether an English text is negative, neutral or positive",
        model=Probabilities(model),
        output="probabilities",
        per_piece=False,
        labels=LABELS,
        longest=LONGEST,
        tokenizer=tokenizer.to_str(),
        sample=encoded(varied_sample(start.data), tokenizer, LONGEST),
        largest_difference=0.1,
        training=Training(
            data="Stanford Sentiment Treebank: training sentences and their phrases of three words "
            "or more (a third of the neutral ones); Sentiment Labelled Sentences of UCI: IMDb, and "
            "half of Amazon and Yelp; as neutral: 600 made-up everyday sentences and 1,200 unread "
            "sentences of Wikipedia from CrossNER and Wikigold",
            licence="Treebank: no licence stated, published for research; UCI: CC-BY-4.0; "
            "CrossNER: MIT; Wikigold: CC-BY-4.0. Starting weights: Apache-2.0",
            citation="Socher et al. 2013, Recursive deep models for semantic compositionality; "
            "Kotzias et al. 2015, doi 10.1145/2783258.2783380; Liu et al. 2021, CrossNER; "
            "Balasuriya et al. 2009, doi 10.3115/1699765.1699767",
            rows=len(texts.train),
            split="Treebank: official parts; Amazon and Yelp: halved by a hash of the text; "
            "whatever is tested or validated was taken out of what was learnt, in any spelling of "
            "spaces, capitals and signs. The tests were used once, to report",
            seed=SEED,
            seconds=round(seconds),
            method=f"all-MiniLM-L6-v2 with a frozen token table, mean over the tokens, a layer of "
            f"384 with tanh; {EPOCHS} epochs of AdamW in bfloat16, label smoothing; temperature "
            f"{temperature:.3f} fitted on the validation part; weights rounded to int8 for each "
            "output",
        ),
        # Those of sst2 are among those of sst3.
        rows=sum(len(part) for name, part in texts.tests.items() if name != "sst3"),
        figures=figures,
        baselines={"word counts, logistic regression": word_counts(texts)},
        notes="sst2: film reviews, two classes; amazon_yelp: reviews of another kind, two classes; "
        "sst3: film reviews with the neutral ones; tweeteval: tweets, three classes, nothing like "
        "them was learnt. With two classes the greater of negative and positive is the answer. "
        "_before: with the scores as they were before the temperature.",
        limits=LIMITS,
        floors={"sst2_accuracy": 0.90, "amazon_yelp_accuracy": 0.92},
    )
