"""docs/open-inference.md: its blocks are run, and its tables are those of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.open_inference import infer_request, infer_response, parameter, tensor
from gateway.settings import GatewaySettings
from gateway.status import HTTP_STATUS, HTTP_STATUS_BY_REASON
from mlmesh.inference.open_inference import bounds, stream
from mlmesh.inference.open_inference.service import CONTRACT, EXTENSIONS
from mlmesh.inference.settings import ModelServiceSettings
from mlmesh.runtime.settings import ServiceSettings
from predictor.settings import PredictorSettings
from tests.docs.page import Reader, Step, same, sections_of, steps_of
from tests.end_to_end.conftest import ROOT, RunningMesh

PATH = "docs/open-inference.md"
PAGE = (ROOT / PATH).read_text()
STEPS = [step for blocks in sections_of(PATH).values() for step in steps_of(blocks)]
MIB = 2**20


def rows_of(heading: str) -> list[list[str]]:
    """The cells of the table below a heading."""
    section = PAGE[PAGE.index(heading) :].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.command.text[:60])
def test_a_block_prints_what_the_page_says(mesh: RunningMesh, tmp_path: Path, step: Step) -> None:
    printed = Reader(tmp_path, mesh).run(step.command)

    assert step.expected
    assert same(printed, step.expected), printed


def test_every_rpc_is_on_the_page() -> None:
    named = {row[0].strip("`") for row in rows_of("## What is served")}

    assert named == set(CONTRACT.methods_by_name)
    assert all(f"`{name}`" in PAGE for name in EXTENSIONS)


def test_the_limits_are_those_of_the_code() -> None:
    fields = {
        model: {name: field.default for name, field in model.model_fields.items()}
        for model in (GatewaySettings, ModelServiceSettings, PredictorSettings, ServiceSettings)
    }
    limits = " ".join(" ".join(row) for row in rows_of("## Limits"))

    for number in (
        f"{fields[PredictorSettings]['max_waiting']} for the predictor, "
        f"else {fields[ModelServiceSettings]['max_waiting']}",
        f"{fields[ServiceSettings]['max_message_bytes'] // MIB} MiB (`MLMESH_MAX_MESSAGE_BYTES`)",
        f"{fields[GatewaySettings]['max_body_bytes'] // MIB} MiB (`MLMESH_MAX_BODY_BYTES`)",
        f"raw contents {bounds.MAX_TENSORS}",
        f"among them {bounds.MAX_FIELDS:,}",
        f"{stream.MAX_UNDER_WAY}; more are not read",
        f"request by HTTP {infer_request.MAX_TENSORS}",
        f"output by HTTP {parameter.MAX_PARAMETERS}",
        f"tensor by HTTP {tensor.MAX_RANK}",
        f"as JSON {infer_response.MAX_JSON_BYTES // MIB} MiB",
    ):
        assert number in limits


def test_the_statuses_are_those_of_the_table() -> None:
    statuses = {code.name: status for code, status in HTTP_STATUS.items()}

    for codes, status, _ in rows_of("## Statuses"):
        code, _, reason = codes.replace("`", "").partition(", reason ")
        for name in code.split(", "):
            assert HTTP_STATUS_BY_REASON.get(reason, statuses[name]) == int(status)
