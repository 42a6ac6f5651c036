"""Requests that nobody wrote by hand, made from the gateway's own OpenAPI document."""

from __future__ import annotations

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

from tests.end_to_end.conftest import RunningMesh

NDJSON = "application/x-ndjson"
# 503 is an answer here: /process says so for text, which no service of this mesh takes.
WRONG = {500, 501, 502}
TOO_LARGE = 413
# A schema does not know how many features a model has.
UNKNOWABLE = [not_a_server_error, positive_data_acceptance]
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
def test_no_request_meets_an_unexpected_failure(mesh: RunningMesh, mode: GenerationMode) -> None:
    document: Any = schemathesis.openapi.from_url(f"{mesh.url}/openapi.json")
    operations = [result.ok() for result in document.get_all_operations()]

    for operation in operations:
        kinds = [body.media_type for body in operation.body]
        # Lines of JSON are a format that the fuzzer cannot write; test_app.py has them.
        if NDJSON not in kinds and (kinds or mode is GenerationMode.POSITIVE):
            _fuzz(operation, mode)

    assert len(operations) > 15


def _has_null(body: object) -> bool:
    """In ProtoJSON, null means that a field is not set; it is never wrong."""
    if isinstance(body, dict):
        return any(map(_has_null, body.values()))
    return body is None or (isinstance(body, list) and any(map(_has_null, body)))


def _fuzz(operation: Any, mode: GenerationMode) -> None:
    @settings(
        max_examples=30,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def answered(case: Any) -> None:
        response = case.call()
        # A body of too many parts is refused as well, with a status that is not on its list.
        wrong = not _has_null(case.body) and response.status_code != TOO_LARGE
        excluded = UNKNOWABLE if wrong else [*UNKNOWABLE, negative_data_rejection]
        case.validate_response(response, excluded_checks=excluded)
        assert response.status_code not in WRONG, case.as_curl_command()

    answered()
