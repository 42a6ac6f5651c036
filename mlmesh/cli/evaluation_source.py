"""Where the evaluation of a model and its service are: in the program that mesh.toml names."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlmesh.cli.mesh import MeshError, Service, read_mesh
from mlmesh.cli.plan import address
from mlmesh.evaluation.evaluation import Evaluation
from mlmesh.registration.refusal import Refused
from mlmesh.registry.manifest import Manifest

PLAIN_GRAPHS = "mlmesh.v1.PredictorService"
"""Hosts the versions that name no service."""
LOOPBACK = "127.0.0.1"
EXTRA = "pip install 'mlmesh[evaluation]'"


@dataclass(frozen=True, slots=True)
class Source:
    """How a model is judged, and where it answers."""

    evaluation: Evaluation
    target: str


def source_of(manifest: Manifest, config: Path) -> Source:
    """Looked up by the service of the manifest; raises Refused."""
    try:
        mesh = read_mesh(config)
    except MeshError as error:
        raise Refused(str(error)) from None
    contract = manifest.service or PLAIN_GRAPHS
    program = next((one for one in mesh.services if one.contract == contract), None)
    if program is None:
        raise Refused(
            f"{config}: no program serves {contract}, which answers for {manifest.name}; add it "
            "under [programs]"
        )
    known = _evaluations(program, mesh.root)
    if manifest.name not in known:
        names = ", ".join(sorted(known)) or "none at all"
        raise Refused(
            f"{manifest.name}: {program.name}/evaluation.py has no evaluation of this model, only "
            f"of {names}"
        )
    return Source(known[manifest.name], address(LOOPBACK, program.port))


def _evaluations(program: Service, root: Path) -> Mapping[str, Evaluation]:
    """What the program's module `evaluation` offers.

    The command is no part of the programs, so it finds them as `mlmesh up` does: by their folder.
    """
    module = f"{program.name}.evaluation"
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        found: Mapping[str, Evaluation] = importlib.import_module(module).evaluations
    except ModuleNotFoundError as missing:
        if missing.name in (program.name, module):
            raise Refused(
                f"{root / program.name}: the program has no evaluation.py, so none of its models "
                "can be evaluated"
            ) from None
        raise Refused(
            f"{module} needs {missing.name}, which is not installed; install it with: {EXTRA}"
        ) from None
    return found
