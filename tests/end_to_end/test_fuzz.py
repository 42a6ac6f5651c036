"""Requests that nobody wrote by hand, made from the gateway's own OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import (
    negative_data_rejection,
    not_a_server_error,
    positive_data_acceptance,
)

from tests.end_to_end.conftest import USUAL, RunningMesh, start_mesh

JSON = "application/json"
NDJSON = "application/x-ndjson"
# 503 is an answer here: /process says so for text, which no service of this mesh takes.
WRONG = {500, 501, 502}
TOO_LARGE = 413
# A schema does not know how many features a model has.
UNKNOWABLE = [not_a_server_error, positive_data_acceptance]
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
EXAMPLES = 12
# These would take the model away from the requests that come after them.
CHANGES = ("load", ":setDefault", "/labels/{label}")
OPEN_INFERENCE = "/v2"


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One of its own: the document's examples name models that are there, also to unload them."""
    programs = [service.name for service in USUAL.services]
    running = start_mesh(
        tmp_path_factory.mktemp("fuzzed"), {"MLMESH_LAME_DUCK_SECONDS": "0"}, programs
    )
    yield running
    assert running.stop() == 0, (running.folder / "mesh.log").read_text()


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
def test_no_request_meets_an_unexpected_failure(mesh: RunningMesh, mode: GenerationMode) -> None:
    document: Any = schemathesis.openapi.from_url(f"{mesh.url}/openapi.json")
    operations = [result.ok() for result in document.get_all_operations()]

    asked = [operation for operation in operations if _can_be_asked(operation, mode)]
    for operation in asked:
        _fuzz(operation, mode)

    paths = {operation.path for operation in asked}
    assert {"/v1/analyze", "/v2/models/{model}/infer", "/v2/repository/index"} <= paths
    assert len(asked) > 40


def _can_be_asked(operation: Any, mode: GenerationMode) -> bool:
    kinds = [body.media_type for body in operation.body]
    # Lines of JSON are a format that the fuzzer cannot write; test_app.py has them.
    return NDJSON not in kinds and (bool(kinds) or mode is GenerationMode.POSITIVE)


def _has_null(body: object) -> bool:
    """In ProtoJSON, null means that a field is not set; it is never wrong."""
    if isinstance(body, dict):
        return any(map(_has_null, body.values()))
    return body is None or (isinstance(body, list) and any(map(_has_null, body)))


def _fuzz(operation: Any, mode: GenerationMode) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def answered(case: Any) -> None:
        # Nearly all times that could be drawn are too short for an answer.
        (case.headers or {}).pop("X-Request-Timeout", None)
        _aim(case)
        response = case.call()
        case.validate_response(response, excluded_checks=_excluded(case, response))
        assert response.status_code not in WRONG, case.as_curl_command()

    answered()


def _aim(case: Any) -> None:
    """Ask a model that is there, or the request would not be read any further."""
    if "model" in (case.path_parameters or {}) and not case.path.endswith(CHANGES):
        case.path_parameters["model"] = "penguins"


def _excluded(case: Any, response: Any) -> list[Any]:
    """What a request that breaks the schema may get away with."""
    unsure = (
        _has_null(case.body)
        # Text is all that a form can hold, and any bytes are bytes.
        or case.media_type not in (None, JSON)
        # A body of too many parts is refused as well, with a status that is not on the list.
        or response.status_code == TOO_LARGE
        # Fields that are not known are nothing that this protocol looks at.
        or case.path.startswith(OPEN_INFERENCE)
    )
    return [*UNKNOWABLE, negative_data_rejection] if unsure else UNKNOWABLE
