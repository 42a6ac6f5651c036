"""The chart, rendered by Helm itself with values of every kind."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import helm_python as helm
import yaml

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "mlmesh"
RELEASE, NAMESPACE = "m", "models"
Values = dict[str, Any]
Object = dict[str, Any]

NLP = "mlmesh.v1.NlpService"
MATRIX: dict[str, Values] = {
    "defaults": {},
    "xds with a canary": {
        "mesh": {"mode": "xds"},
        "services": {
            "nlp": {"contract": NLP, "canary": {"enabled": True, "tag": "next", "weight": 25}}
        },
    },
    "few may call, nobody reads metrics": {
        "networkPolicy": {
            "gatewayFrom": [{"podSelector": {"matchLabels": {"app": "shop"}}}],
            "metricsFrom": [],
        },
        "telemetry": {"otlpEndpoint": "https://collector.test:14317"},
    },
    "gpu": {
        "services": {
            "nlp": {
                "contract": NLP,
                "gpu": {"enabled": True, "count": 2, "runtimeClassName": "nvidia"},
                "nodeSelector": {"accelerator": "h100"},
            }
        }
    },
    "scaling": {
        "gateway": {"autoscaling": {"enabled": True}},
        "serviceDefaults": {"autoscaling": {"enabled": True}},
        "services": {
            "nlp": {"contract": NLP, "autoscaling": {"enabled": True, "metric": "cpu"}}
        },
    },
    "models from a claim": {
        "models": {"source": "claim", "claim": {"create": True}, "keysSecret": "trusted-keys"},
    },
    "models from an image": {
        "models": {"source": "image", "image": {"reference": "registry.test/models:7"}},
    },
    "open to the world, and watched": {
        "image": {"registry": "registry.test", "tag": "1.2.3"},
        "imagePullSecrets": [{"name": "pull"}],
        "ingress": {
            "enabled": True, "className": "nginx", "host": "models.test", "tlsSecret": "models-tls",
        },
        "telemetry": {"otlpEndpoint": "http://collector.observability:4317"},
        "monitoring": {
            "serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True},
        },
        "gateway": {
            "envFrom": [{"secretRef": {"name": "gateway"}}],
            "inputLog": {"existingClaim": "inputs"},
            "settings": {"MLMESH_MAX_BODY_BYTES": 1048576},
        },
    },
    "one service, few promises": {
        "services": {
            "predictor": {"contract": "mlmesh.v1.PredictorService", "enabled": False},
            "vision": {"contract": "mlmesh.v1.VisionService", "enabled": False},
        },
        "podDisruptionBudget": {"enabled": False},
        "networkPolicy": {"enabled": False},
        "topologySpread": {"enabled": False},
    },
}  # fmt: skip


@cache
def chart() -> helm.Chart:
    return helm.Chart.load(CHART)


@cache
def rendered(name: str) -> list[Object]:
    """The objects that one row of the matrix gives."""
    return list(objects_of(MATRIX[name]))


def objects_of(values: Values, release: str = RELEASE) -> Iterator[Object]:
    """Raises what Helm raises when the values are wrong."""
    chart().validate_schema(values)
    for path, text in chart().render(values, name=release, namespace=NAMESPACE).items():
        if path.endswith(".yaml"):
            yield from (one for one in yaml.safe_load_all(text) if one)


def of_kind(objects: list[Object], kind: str) -> dict[str, Object]:
    """By name."""
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def pods_of(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Specs of all pods that the objects make."""
    for one in objects:
        if one["kind"] == "Deployment":
            yield one["metadata"]["name"], one["spec"]["template"]["spec"]
        elif one["kind"] == "Pod":
            yield one["metadata"]["name"], one["spec"]


def environment_of(container: Object) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container["env"]}
