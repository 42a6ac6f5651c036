"""Tells a running mesh what changed in its model repository, over the gateway's HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import quote

LOOK_SECONDS = 3.0
CHANGE_SECONDS = 310.0
"""A little more than the gateway gives the loading of a version."""
LARGEST_ANSWER = 64 * 2**20

# Not through a proxy: the mesh is on this machine or in this network.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class NoMesh(Exception):
    """No mesh answers; the message says what does or does not."""


class MeshRefused(Exception):
    """The mesh answers, but does not do it; the message is the mesh's."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """The mesh behind one gateway."""

    gateway: str
    """Its address, for example http://127.0.0.1:8080."""

    def models(self) -> list[dict[str, Any]]:
        """Every model of the mesh, as `GET /v1/models` has them; raises NoMesh."""
        try:
            answer = self._ask("GET", "/v1/models", None, LOOK_SECONDS)
        except MeshRefused as refused:
            raise NoMesh(f"{self.gateway} answers, but is no mesh: {refused}") from None
        models = answer.get("models")
        if not isinstance(models, list):
            raise NoMesh(f"{self.gateway} answers, but is no mesh")
        return models

    def load(self, model: str, version: str) -> None:
        """Load a version, or every one that is new; raises NoMesh or MeshRefused."""
        self._change("POST", f"/v1/models/{quote(model, '')}:load", {"version": version})

    def unload(self, model: str, version: str) -> None:
        """Unload a version, or all of them; raises NoMesh or MeshRefused."""
        self._change("POST", f"/v1/models/{quote(model, '')}:unload", {"version": version})

    def set_default(self, model: str, version: str) -> None:
        """Let a version answer callers that name none; raises NoMesh or MeshRefused."""
        self._change("POST", f"/v1/models/{quote(model, '')}:setDefault", {"version": version})

    def set_label(self, model: str, label: str, version: str) -> None:
        """Let a label stand for a version; raises NoMesh or MeshRefused."""
        self._change("PUT", self._label(model, label), {"version": version})

    def remove_label(self, model: str, label: str) -> None:
        """Let it stand for nothing; raises NoMesh or MeshRefused."""
        self._change("DELETE", self._label(model, label), None)

    def _label(self, model: str, label: str) -> str:
        return f"/v1/models/{quote(model, '')}/labels/{quote(label, '')}"

    def _change(self, verb: str, path: str, body: Mapping[str, str] | None) -> None:
        self.models()  # Something else may listen there, and must not be told.
        self._ask(verb, path, body, CHANGE_SECONDS)

    def _ask(
        self, verb: str, path: str, body: Mapping[str, str] | None, seconds: float
    ) -> dict[str, Any]:
        try:
            request = urllib.request.Request(
                self.gateway.rstrip("/") + path,
                method=verb,
                data=None if body is None else json.dumps(body).encode(),
                headers={"content-type": "application/json"},
            )
            with _OPENER.open(request, timeout=seconds) as response:
                answer = json.loads(response.read(LARGEST_ANSWER))
        except urllib.error.HTTPError as error:
            with error:
                raise MeshRefused(_message(error)) from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise NoMesh(f"no mesh answers at {self.gateway} ({reason})") from None
        except ValueError as error:
            raise NoMesh(f"{self.gateway}: no mesh answers there ({error})") from None
        return answer if isinstance(answer, dict) else {}


def _message(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read(LARGEST_ANSWER))["error"]["message"])
    except (ValueError, KeyError, TypeError, OSError):
        return f"{error.code} {error.reason}"
