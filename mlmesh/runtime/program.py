"""The life of a program: settings, logs, work, and an exit code that a supervisor understands."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import SettingsError

from mlmesh.runtime.logs import set_up_logs
from mlmesh.runtime.settings import ProgramSettings

logger = logging.getLogger(__name__)

Settings = TypeVar("Settings", bound=ProgramSettings)
LoopFactory = Callable[[], asyncio.AbstractEventLoop]
BAD_CONFIGURATION = 2
SWITCH_SECONDS = 0.0001
"""How long a thread may keep the interpreter from another. With Python's own 5 ms a model's thread
waits so long to begin its next batch, and the event loop to take in calls."""


class BadConfiguration(Exception):
    """The program cannot start as it is configured; the message says what to change."""


def run_program(
    kind: type[Settings],
    main: Callable[[Settings], Coroutine[None, None, None]],
    loop_factory: LoopFactory | None = None,
) -> None:
    """Read the settings, run `main` and exit: 0 when it ended well, 2 when it cannot start at all.

    Starting it again does not help after a 2: the configuration has to change first.
    """
    try:
        settings = kind()
    except SettingsError as error:
        # Says which field, but not which variable.
        _, name, *_ = str(error).split('"')
        print(f"MLMESH_{name.upper()}: expected JSON", file=sys.stderr)
        raise SystemExit(BAD_CONFIGURATION) from None
    except ValidationError as error:
        for problem in error.errors():
            name = "_".join(str(part) for part in problem["loc"]).upper()
            name = name if name.startswith(("MLMESH_", "OTEL_")) else f"MLMESH_{name}"
            print(f"{name}: {problem['msg'].removeprefix('Value error, ')}", file=sys.stderr)
        raise SystemExit(BAD_CONFIGURATION) from None
    run_with(settings, partial(main, settings), loop_factory)


def run_with(
    settings: ProgramSettings,
    main: Callable[[], Coroutine[None, None, None]],
    loop_factory: LoopFactory | None = None,
) -> None:
    """The same with settings that have been read."""
    set_up_logs(settings.log_level, settings.log_format, settings.log_levels)
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(main())
    except (BadConfiguration, OSError) as error:
        logger.error("cannot start", extra={"reason": str(error)})
        raise SystemExit(BAD_CONFIGURATION) from None
