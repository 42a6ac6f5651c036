"""What a client can read, by the headers that say so: names with weights from 0 to 1."""

from __future__ import annotations

from collections.abc import Iterable


def weights_of(header: str) -> dict[str, float]:
    """Every name of a header such as `gzip;q=0.5, *` in lower case, with its weight.

    A weight that is none counts as 0: what cannot be understood is not wanted.
    """
    weights = {}
    for item in header.lower().split(","):
        name, *parameters = item.split(";")
        weights[name.strip()] = _weight(parameters)
    return weights


def preferred(accept: str, offered: Iterable[str]) -> str | None:
    """The media type that a client likes best, the first among equals; None when it takes none."""
    weights = weights_of(accept)
    best, most = None, 0.0
    for media_type in offered:
        weight = _weight_of(media_type, weights)
        if weight > most:
            best, most = media_type, weight
    return best


def _weight_of(media_type: str, weights: dict[str, float]) -> float:
    """The most specific name counts, even when it says no."""
    family = media_type.partition("/")[0] + "/*"
    for name in (media_type, family, "*/*"):
        if name in weights:
            return weights[name]
    return 0.0


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                weight = float(value)
            except ValueError:
                return 0.0
            return weight if 0 <= weight <= 1 else 0.0
    return 1.0
