"""Prints docs/configuration.md from the settings; the page itself says how."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic_core import PydanticUndefined

from gateway.settings import GatewaySettings
from mlmesh.inference.settings import ModelServiceSettings
from mlmesh.runtime.settings import ProgramSettings
from nlp.settings import NlpSettings
from predictor.settings import PredictorSettings
from vision.settings import VisionSettings

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
| headers of one part of a form | 8 | `gateway/form.py` |
| name of a part of a form | 256 bytes | `gateway/form.py` |
| fragments of a message in a WebSocket | 1024 | `gateway/socket_protocol.py` |
| bytes of a packed body that are unpacked at once | 262,144 | `gateway/compression.py` |
| boundary of a form | 70 characters | `gateway/form.py` |
| rows of a BatchPredict, calls of a CarryRequest | 4096 | the contracts |
| calls under way on one Carry stream | 4096 | `mlmesh/runtime/carried_calls.py` |
| texts or pairs of a batched nlp request | 4096 | the contracts |
| sentences of a summary | 1000 | the contracts |
| items under way on one stream | 256; more are not read | `mlmesh/runtime/item_stream.py` |
| characters of texts that are read at once | 262,144, or one longer text | `nlp/groups.py` |
| groups of 32,768 characters and more at once | 2 of about one size | `nlp/groups.py` |
| images of a batched vision request | 1024 | the contracts |
| frames of one video that are kept | 32, and 16 MiB or one larger frame | `vision/frames.py` |
| of these worked on at once | 8; 2 where only the newest counts | `vision/frames.py` |
| answers of one video that were not taken | 256; no more are read | `vision/frames.py` |
| segments of a JPEG before its picture | 512 | `vision/headers.py` |
| scans of a JPEG | 100 | `vision/essentials.py` |
| chunks of a PNG | 20,000 | `vision/essentials.py` |
| boxes of one class that are compared | the 1000 surest | `vision/suppression.py` |
| fields that are searched for bytes that are no UTF-8 | 16,384 | `mlmesh/runtime/wire_text.py` |
| W3C tracestate | 512 characters; a longer one is not sent on | `mlmesh/runtime/call.py` |
| series of one metric | 10,000, of refusals 256; others as one | `mlmesh/runtime/instruments.py` |
| links of a batch's span | 4096 | `mlmesh/runtime/trace_export.py` |
| headers of a gRPC call | 16 KiB | `mlmesh/runtime/server.py` |
| responses in one Carry message | 1 MiB or one response | `mlmesh/runtime/carried_calls.py` |
| connections to a metrics or ops port | 64; further ones are closed | `mlmesh/runtime/pages.py` |
| instances of one model | 64 | `mlmesh/inference/device.py` |
| shapes recorded as CUDA graphs | 64; further ones run without | `mlmesh/inference/binding.py` |
| runs that warm a version up | 32 | `mlmesh/inference/loading.py` |
| files of a model version | 256 | `mlmesh/registry/private_copy.py` |
| bytes of a manifest | 16 MiB | `mlmesh/registry/private_copy.py` |
| labels of a model | 256 | `mlmesh/registry/pointers.py` |
| lines that wait for the input log | 8192 | `gateway/records.py` |
| request id | 128 characters of `A-Za-z0-9._:/+=@-` | `mlmesh/runtime/call.py` |
"""


def page() -> Iterator[str]:
    yield HEAD
    yield "## Every program" + TABLE
    yield from rows(ProgramSettings)
    yield "\n## Gateway" + TABLE
    yield from rows(GatewaySettings, ProgramSettings)
    yield "\n## Every model service" + TABLE
    yield from rows(ModelServiceSettings, ProgramSettings)
    yield "\n## Predictor" + TABLE
    yield from rows(PredictorSettings, ModelServiceSettings)
    yield "\n## Nlp" + TABLE
    yield from rows(NlpSettings, ModelServiceSettings)
    yield "\n## Vision" + TABLE
    yield from rows(VisionSettings, ModelServiceSettings)
    yield LIMITS.rstrip()


def rows(
    settings: type[ProgramSettings], base: type[ProgramSettings] | None = None
) -> Iterator[str]:
    """What is set beyond `base`, or has another default than there."""
    known = base.model_fields if base else {}
    for name, field in settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if name not in known or known[name].get_default(call_default_factory=True) != default:
            meaning = (field.description or "").replace("\n", " ")
            yield f"| `MLMESH_{name.upper()}` | {shown(default)} | {meaning} |"


def shown(default: object) -> str:
    if default is PydanticUndefined:
        return "none, it must be set"
    if isinstance(default, Path):
        return f"`{default.relative_to(ROOT) if default.is_absolute() else default}`"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


if __name__ == "__main__":
    print("\n".join(page()))
