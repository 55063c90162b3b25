"""Learns in idle time how good the local models are at what paid ones were asked: replays, judges, remembers figures.

Owns ``eval-idle.json`` in the state folder; adds ``eval_idle`` to ``lodestarctl status`` and the verbs
``eval.idle.status`` and ``eval.idle.report``; answers the slot ``evidence``.
"""

from lodestard.module import Module
from lodestard.modules.eval_idle.settings import EvalIdleSettings
from lodestard.runtime import Runtime


async def run_eval_idle(runtime: Runtime, settings: EvalIdleSettings) -> None:
    """Learn until cancelled."""
    # Here, for it is off unless it was wanted: 19 modules, 6 ms and 0.5 MB.
    from lodestard.modules.eval_idle.loop import run_eval_idle as run

    await run(runtime, settings)


MODULE = Module("eval_idle", "learns in idle time what local models can do", EvalIdleSettings, run_eval_idle)
