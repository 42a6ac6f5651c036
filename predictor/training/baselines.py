"""What plain methods of scikit-learn reach on the same rows."""

from __future__ import annotations

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from predictor.training.boosting import Boosting, is_categorical, table_of
from predictor.training.evaluation import metrics_of
from predictor.training.rows import Probabilities, Rows


def baselines(train: Rows, test: Rows) -> dict[str, dict[str, float]]:
    """Figures on `test` of methods fitted to `train`, by the method's name."""
    answers = {
        "majority_class": _shares(train, test),
        "logistic_regression": _logistic(train, test),
        "gradient_boosting": Boosting(train, range(1)).probabilities(test.inputs),
    }
    return {name: metrics_of(answer, test.labels) for name, answer in answers.items()}


def _shares(train: Rows, test: Rows) -> Probabilities:
    shares = np.bincount(train.labels) / len(train)
    return np.tile(shares, (len(test), 1))


def _logistic(train: Rows, test: Rows) -> Probabilities:
    categorical = np.array(is_categorical(train.inputs))
    encode = make_column_transformer(
        (StandardScaler(), np.flatnonzero(~categorical)),
        (OneHotEncoder(handle_unknown="ignore"), np.flatnonzero(categorical)),
    )
    model = make_pipeline(encode, LogisticRegression(max_iter=1000))
    model.fit(table_of(train.inputs), train.labels)
    answer: Probabilities = model.predict_proba(table_of(test.inputs))
    return answer
