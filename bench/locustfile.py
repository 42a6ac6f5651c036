"""The mix of bench/mix.py for who likes locust.

    PYTHONPATH=. locust -f bench/locustfile.py --host http://localhost:8080

Locust's users wait for their answers, so that a slow server is asked less often: read its latencies
with that in mind. The mesh has to run (`make run`).
"""

from __future__ import annotations

import random
from typing import Any

from locust import FastHttpUser, between, task

from bench.mix import requests_by_kind

REQUESTS = requests_by_kind()


class Caller(FastHttpUser):
    """Asks about twice a second."""

    wait_time = between(0.25, 0.75)

    @task(7)
    def row(self) -> None:
        self._ask("tabular")

    @task(2)
    def text(self) -> None:
        self._ask("text")

    @task(1)
    def image(self) -> None:
        self._ask("image")

    def _ask(self, kind: str) -> None:
        request = random.choice(REQUESTS[kind])
        client: Any = self.client
        client.post(request.path, data=request.body, headers=dict(request.headers), name=kind)
