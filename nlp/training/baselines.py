"""What is reached by counting words, without any network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline

from nlp.training.sentiment_figures import TWO_CLASSES
from nlp.training.sentiment_texts import SentimentTexts
from nlp.training.treebank import NEGATIVE, POSITIVE, Labelled


def word_counts(texts: SentimentTexts) -> dict[str, float]:
    """Accuracy of logistic regression on words and pairs of words, learnt from the same texts."""
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True),
        SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0),
    )
    model.fit([one.text for one in texts.train], [one.label for one in texts.train])

    def accuracy(part: Sequence[Labelled], *, two: bool) -> float:
        probabilities = model.predict_proba([one.text for one in part])
        if two:
            probabilities = probabilities[:, [NEGATIVE, POSITIVE]]
        answers = probabilities.argmax(axis=1) * (2 if two else 1)
        return round(float(np.mean(answers == [one.label for one in part])), 4)

    return {
        f"{name}_accuracy": accuracy(part, two=name in TWO_CLASSES)
        for name, part in texts.tests.items()
    }
