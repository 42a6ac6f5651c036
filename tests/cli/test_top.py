"""`mlmesh top` reads real metrics pages, and says of those that are not there why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from wsgiref.simple_server import WSGIServer

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server
from typer.testing import CliRunner, Result

from mlmesh.cli.app import app
from tests.cli.conftest import Folder
from tests.ports import free_ports


@pytest.fixture
def page() -> Iterator[str]:
    """Where a program shows that it failed to load one version and has another."""
    registry = CollectorRegistry()
    handled = Counter(
        "grpc_server_handled", "Calls.", ["grpc_service", "grpc_code"], registry=registry
    )
    handled.labels("mlmesh.v1.PredictorService", "OK").inc(5)
    state = Gauge("model_version_state", "State.", ["model", "version", "state"], registry=registry)
    state.labels("churn", "v1.0", "READY").set(1)
    state.labels("churn", "v2.0", "READY").set(0)
    state.labels("churn", "v2.0", "FAILED").set(1)
    Gauge("model_queue_rows", "Rows.", ["model", "version"], registry=registry).labels(
        "churn", "v1.0"
    ).set(17)
    server, thread = start_http_server(0, "127.0.0.1", registry)
    assert isinstance(server, WSGIServer)
    yield f"http://127.0.0.1:{server.server_port}/metrics"
    server.shutdown()
    server.server_close()
    thread.join()


def top(*options: str) -> Result:
    arguments = ["top", "--once", "--interval", "0.1", *options]
    return CliRunner().invoke(app, arguments, prog_name="mlmesh")


def lines_with(result: Result, text: str) -> list[str]:
    return [line for line in result.output.splitlines() if text in line]


def test_versions_are_shown_with_their_state_and_their_queue(page: str) -> None:
    result = top("--metrics", f"predictor={page}")

    assert result.exit_code == 0, result.output
    [ready] = lines_with(result, "v1.0")
    [failed] = lines_with(result, "v2.0")
    assert "READY" in ready
    assert "17" in ready.split()
    assert "FAILED" in failed


def test_a_program_that_is_away_is_a_line_and_harms_no_other(page: str) -> None:
    [nobody] = free_ports(1)

    result = top(
        "--metrics", f"nlp=http://127.0.0.1:{nobody}/metrics", "--metrics", f"predictor={page}"
    )

    assert result.exit_code == 0, result.output
    [away] = lines_with(result, "nlp")
    assert "away" in away
    assert "refused" in away.lower()
    assert "up" in lines_with(result, "predictor")[0]


def test_where_nothing_can_be_read_the_exit_code_says_so() -> None:
    [nobody] = free_ports(1)

    assert top("--metrics", f"nlp=http://127.0.0.1:{nobody}/metrics").exit_code == 1


def test_the_programs_of_mesh_toml_are_looked_at(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.path)

    result = top()

    assert lines_with(result, "gateway")
    assert lines_with(result, "predictor")


def test_a_page_that_is_no_metrics_page_is_a_reason(tmp_path: Path) -> None:
    result = top("--metrics", "nlp=ftp://there/metrics")

    assert result.exit_code == 2
    assert "NAME=URL" in result.output
