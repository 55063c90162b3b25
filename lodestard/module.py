"""What a module is, and how the house lives with one that fails.

Law: a module is a name, a frozen settings struct and one async function that runs until it is cancelled. It may
fail as often as it likes; the house logs it, undoes what it had added, and starts it again after a pause.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import trio

from lodestard.domain.record import Record
from lodestard.runtime import Runtime

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 300.0
QUIET_S = 600.0

logger = logging.getLogger(__name__)


class ModuleSettings(Record, frozen=True):
    """What every module's table has."""

    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Module:
    """``run(runtime, settings)`` opens what the module needs, adds to the hooks, and runs until cancelled."""

    name: str
    summary: str
    settings: type[ModuleSettings]
    run: Callable[[Runtime, Any], Awaitable[None]]


def settings_of(module: Module, runtime: Runtime) -> ModuleSettings:
    """The module's table as it was configured, or its defaults."""
    given = runtime.settings.modules.get(module.name)
    return given if isinstance(given, module.settings) else module.settings()


async def run_guarded(module: Module, runtime: Runtime) -> None:
    """Run ``module`` until cancelled; restart it after a failure, each pause twice as long, up to five minutes.

    A module that ran quietly for ten minutes starts again from the shortest pause. One that returns is done.
    """
    settings = settings_of(module, runtime)
    pause_s = FIRST_PAUSE_S
    while True:
        started_s = trio.current_time()
        try:
            await module.run(runtime, settings)
        except Exception:
            logger.exception("the module %s failed", module.name)
        else:
            return
        if trio.current_time() - started_s > QUIET_S:
            pause_s = FIRST_PAUSE_S
        logger.warning("the module %s starts again in %d s", module.name, pause_s)
        await trio.sleep(pause_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
