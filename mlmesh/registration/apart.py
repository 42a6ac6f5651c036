"""A graph is measured in a process apart, for it may do anything.

The process has limits of time and memory, and answers in JSON, so that a graph that crashes, never
ends or asks for all of the memory harms nobody.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import suppress

from mlmesh.inference.options import TrialLimits
from mlmesh.inference.session import BadGraph
from mlmesh.registration.measuring import Measured, Plan, measure
from mlmesh.registration.refusal import Refused


async def measured_apart(plan: Plan, limits: TrialLimits) -> Measured:
    """`measure` in a process of its own; raises Refused."""
    command = (sys.executable, "-m", "mlmesh.registration.apart", str(limits.memory_bytes))
    child = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
    try:
        async with asyncio.timeout(limits.seconds):
            output, _ = await child.communicate(plan.model_dump_json().encode())
    except TimeoutError:
        raise Refused(
            f"trial: the graph ran for more than {limits.seconds:g} s; allow more with --seconds"
        ) from None
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        code = await child.wait()
    try:
        answer = json.loads(output)
    except ValueError:
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        raise Refused(f"trial: the process that ran the graph {how}") from None
    if isinstance(answer, str):
        raise Refused(answer)
    return Measured.model_validate(answer)


def main() -> None:
    """In the child: print what was learned, or why nothing was, as JSON."""
    memory = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    try:
        measured = measure(Plan.model_validate_json(sys.stdin.buffer.read()))
    except BadGraph as error:
        print(json.dumps(f"trial: ONNX Runtime does not take the graph: {error}"))
    except Refused as error:
        print(json.dumps(str(error)))
    except MemoryError:
        print(json.dumps("trial: the graph needs more memory than is allowed"))
    else:
        print(measured.model_dump_json())


if __name__ == "__main__":
    main()
