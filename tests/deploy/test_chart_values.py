"""Values that the chart refuses, before anything is made of them."""

from __future__ import annotations

import json
from typing import Any

import helm_python as helm
import pytest

from tests.deploy.chart import NLP, chart, objects_of


@pytest.mark.parametrize(
    "values",
    [
        {"mesh": {"mode": "consul"}},
        {"gateway": {"replicas": -1}},
        {"gateway": {"replicsa": 2}},
        {"services": {"nlp": {"replicas": 2}}, "nonsense": 1},
        {"services": {"nlp": {"contract": "no contract"}}},
        {"services": {"gateway": {"contract": NLP}}},
        {"services": {"nlp": {"contract": NLP, "canary": {"weight": 101}}}},
        {"services": {"nlp": {"contract": NLP, "settings": {"PATH": "/x"}}}},
        {"ingress": {"enabled": True}},
        {"telemetry": {"otlpEndpoint": "collector:4317"}},
        {"telemetry": {"sampleRatio": 2}},
        {"models": {"source": "ftp"}},
    ],
    ids=json.dumps,
)
def test_values_that_make_no_sense_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(helm.HelmError):
        chart().validate_schema(values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"lameDuckSeconds": 25}, "terminationGracePeriodSeconds must be above"),
        (
            {"services": {"nlp": {"contract": NLP, "canary": {"enabled": True}}}},
            "needs mesh.mode xds",
        ),
        (
            {
                "mesh": {"mode": "xds"},
                "services": {"nlp": {"contract": NLP, "canary": {"enabled": True}}},
            },
            "canary.tag: name the image",
        ),
        ({"models": {"source": "image"}}, "name the image that holds /models"),
        ({"services": {"other": {"contract": NLP}}}, "contract: another service has"),
        (
            {"gateway": {"autoscaling": {"enabled": True, "minReplicas": 11}}},
            "gateway.autoscaling.minReplicas must not",
        ),
        (
            {
                "services": {
                    "nlp": {"contract": NLP, "autoscaling": {"enabled": True, "maxReplicas": 1}}
                }
            },
            "nlp.autoscaling.minReplicas must not",
        ),
    ],
    ids=[
        "no time to leave",
        "canary without weights",
        "canary of nothing",
        "no image of models",
        "two of one contract",
        "gateway: least above most",
        "service: least above most",
    ],
)
def test_values_that_contradict_each_other_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(helm.HelmError, match=said):
        list(objects_of(values))
