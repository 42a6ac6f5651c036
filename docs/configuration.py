"""Prints docs/configuration.md from the settings; the page itself says how."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic_core import PydanticUndefined

from gateway.settings import GatewaySettings
from mlmesh.runtime.settings import ProgramSettings, ServiceSettings
from predictor.settings import PredictorSettings

ROOT = Path(__file__).parents[1]

HEAD = """# Configuration
Every program reads its settings once, at its start, from environment variables. A wrong value is
named and the program exits with 2. `mlmesh up` sets the addresses and the backends of the programs
that it starts, from `mesh.toml`; everything else is passed on from its own environment. Under it,
the lame-duck time of model services is 0 unless set, for they leave after the gateway has.

This page is printed from the code: `python docs/configuration.py > docs/configuration.md`.
"""
TABLE = "\n| variable | default | meaning |\n|---|---|---|"
LIMITS = """
## Limits without a setting
| what | number | where |
|---|---|---|
| depth of a JSON body | 100 | `gateway/body.py` |
| parameters of a query | 512 | `gateway/query.py` |
| rows of a BatchPredict, calls of a CarryRequest | 4096 | the contracts |
| calls under way on one Carry stream | 4096 | `mlmesh/runtime/carry.py` |
| items under way on one StreamPredict | 256; more are not read | `mlmesh/runtime/item_stream.py` |
| headers of a gRPC call | 16 KiB | `mlmesh/runtime/server.py` |
| responses in one Carry message | 1 MiB, or one larger response | `mlmesh/runtime/carry.py` |
| connections to a metrics or ops port | 64; further ones are closed | `mlmesh/runtime/pages.py` |
| lines that wait for the input log | 8192 | `gateway/records.py` |
| request id | 128 characters of `A-Za-z0-9._:/+=@-` | `mlmesh/runtime/call.py` |
"""


def page() -> Iterator[str]:
    yield HEAD
    yield "## Every program" + TABLE
    yield from rows(ProgramSettings, frozenset())
    yield "\n## Gateway" + TABLE
    yield from rows(GatewaySettings, frozenset(ProgramSettings.model_fields))
    yield "\n## Every model service" + TABLE
    yield from rows(ServiceSettings, frozenset(ProgramSettings.model_fields))
    yield "\n## Predictor" + TABLE
    yield from rows(PredictorSettings, frozenset(ServiceSettings.model_fields))
    yield LIMITS.rstrip()


def rows(settings: type[ProgramSettings], known: frozenset[str]) -> Iterator[str]:
    for name, field in settings.model_fields.items():
        if name not in known:
            meaning = (field.description or "").replace("\n", " ")
            yield f"| `MLMESH_{name.upper()}` | {shown(field.default)} | {meaning} |"


def shown(default: object) -> str:
    if default is PydanticUndefined:
        return "none, it must be set"
    if isinstance(default, Path):
        return f"`{default.relative_to(ROOT) if default.is_absolute() else default}`"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


if __name__ == "__main__":
    print("\n".join(page()))
