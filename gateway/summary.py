"""The ops pages of several workers as one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from typing import Protocol

import orjson

from gateway.probes import json_page, refusal_page
from mlmesh.runtime.pages import AcceptPage, Answer, Page

LOOPBACK = "127.0.0.1"
ASK_SECONDS = 2.0
"""Time that a worker gets to answer."""

_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{?)")
_ABSENT: Answer = (503, "", b"")


class Asked(Protocol):
    """A worker, as its pages are asked for."""

    number: int
    ops_port: int | None
    """None while it does not run."""
    was_ready: bool

    @property
    def pid(self) -> int | None: ...


def page_at(port: int | None, path: str, accept: str = "", host: str = LOOPBACK) -> Answer:
    """What the ops port of another process answers; 503 with nothing in it when it does not."""
    if port is None:
        return _ABSENT
    connection = HTTPConnection(host, port, timeout=ASK_SECONDS)
    try:
        connection.request("GET", path, headers={"accept": accept})
        response = connection.getresponse()
        return response.status, response.headers.get("content-type", ""), response.read()
    except (OSError, HTTPException):
        return _ABSENT
    finally:
        connection.close()


class Summary:
    """Its pages may be asked for from any thread."""

    def __init__(self, workers: Sequence[Asked]) -> None:
        self.leaving = False
        self._workers = workers
        self._asking = ThreadPoolExecutor(2 * len(workers), thread_name_prefix="summary")

    def close(self) -> None:
        self._asking.shutdown()

    def pages(self) -> dict[str, Page | AcceptPage]:
        return {
            "/alive": self.alive,
            "/ready": self.ready,
            "/health": self.health,
            "/metrics": AcceptPage(self.metrics),
        }

    def alive(self) -> Answer:
        """No worker says that its loop stands still; one that is being started again is no harm."""
        stuck = [
            answer for answer in self._ask("/alive").values() if answer[2] and answer[0] != 200
        ]
        return stuck[0] if stuck else json_page(200, {"status": "alive"})

    def ready(self) -> Answer:
        """Every worker has been ready once, and one is."""
        if self.leaving:
            return refusal_page("the gateway is shutting down")
        answers = self._ask("/ready")
        for worker in self._workers:
            worker.was_ready = worker.was_ready or answers[worker.number][0] == 200
        waiting = [str(worker.number) for worker in self._workers if not worker.was_ready]
        if waiting:
            return refusal_page(f"waiting for worker {', '.join(waiting)}")
        if all(status != 200 for status, *_ in answers.values()):
            return refusal_page("no worker is ready")
        return json_page(200, {"status": "ready"})

    def health(self) -> Answer:
        """What the first worker that answers knows of the mesh, and how each of them is."""
        answers = {
            number: orjson.loads(body)
            for number, (status, _, body) in self._ask("/health").items()
            if status == 200
        }
        workers = [
            {
                "number": worker.number,
                "pid": worker.pid,
                "status": answers.get(worker.number, {}).get("status", "down"),
                "uptime_seconds": answers.get(worker.number, {}).get("uptime_seconds", 0),
            }
            for worker in self._workers
        ]
        first = next(iter(answers.values()), {"status": "down"})
        if len(answers) < len(workers) and first["status"] == "ok":
            first["status"] = "degraded"
        return json_page(200, {**first, "workers": workers})

    def metrics(self, accept: str) -> Answer:
        """Every series of every worker, with the worker's number as a label."""
        answers = {
            number: answer
            for number, answer in self._ask("/metrics", accept).items()
            if answer[0] == 200
        }
        if not answers:
            return refusal_page("no worker answers")
        kind = next(iter(answers.values()))[1]
        pages = {number: body.decode() for number, (_, _, body) in answers.items()}
        return 200, kind, merged(pages).encode()

    def _ask(self, path: str, accept: str = "") -> Mapping[int, Answer]:
        def ask(worker: Asked) -> Answer:
            return page_at(worker.ops_port, path, accept)

        answers = self._asking.map(ask, self._workers)
        return dict(zip((worker.number for worker in self._workers), answers, strict=True))


def merged(pages: Mapping[int, str]) -> str:
    """Pages of metrics as one in which no family stands twice."""
    families: dict[str, tuple[list[str], list[str]]] = {}
    end = ""
    for number, page in pages.items():
        comments: list[str] = []
        samples: list[str] = []
        name = ""
        for line in page.splitlines():
            if line == "# EOF":
                end = line + "\n"
            elif line.startswith("#"):
                if (family := line.split(" ", 3)[2]) != name:
                    name = family
                    comments, samples = families.setdefault(name, ([], []))
                if line not in comments:
                    comments.append(line)
            elif line:
                samples.append(_labelled(line, number))
    lines = (line for parts in families.values() for part in parts for line in part)
    return "".join(line + "\n" for line in lines) + end


def _labelled(sample: str, number: int) -> str:
    def with_worker(found: re.Match[str]) -> str:
        return f'{found[1]}{{worker="{number}"' + ("," if found[2] else "}")

    return _SAMPLE.sub(with_worker, sample, count=1)
