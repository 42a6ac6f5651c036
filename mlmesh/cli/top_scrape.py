"""Reads the metrics of running programs."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

TIMEOUT_SECONDS = 2.0
MOST_BYTES = 16 * 2**20
"""Of one page; more is no page of ours."""
Labels = tuple[tuple[str, str], ...]
Samples = Mapping[str, Mapping[Labels, float]]
"""By the name of the series, then by its labels in order."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where one program shows its metrics."""

    program: str
    url: str


@dataclass(frozen=True, slots=True)
class Scrape:
    """What a program showed at one time."""

    source: Source
    at: float
    """Seconds of time.monotonic()."""
    samples: Samples
    problem: str = ""
    """Why nothing could be read; empty when it could."""


def scrape_all(sources: Sequence[Source]) -> list[Scrape]:
    """The pages of all programs, read side by side, in their order."""
    with ThreadPoolExecutor(max(1, len(sources))) as pool:
        return list(pool.map(scrape, sources))


def scrape(source: Source) -> Scrape:
    """Never raises: a program that is away is what a person looks for."""
    try:
        text = _page(source.url)
        return Scrape(source, time.monotonic(), samples_of(text))
    except (OSError, ValueError) as problem:
        reason = problem.reason if isinstance(problem, urllib.error.URLError) else problem
        return Scrape(source, time.monotonic(), {}, str(reason) or type(problem).__name__)


def samples_of(text: str) -> Samples:
    """The series of a page in Prometheus' text format; raises ValueError."""
    samples: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            samples.setdefault(sample.name, {})[labels] = sample.value
    return samples


def _page(url: str) -> str:
    request = urllib.request.Request(url, headers={"accept": "text/plain"})
    # Loopback must not go by way of the user's web proxy.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
        content: bytes = answer.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"the page is larger than {MOST_BYTES} bytes")
    return content.decode("utf-8")
