"""Learns in idle time how good the local models are at what paid ones were asked: replays, judges, remembers figures.

Owns ``eval-idle.json`` in the state folder; adds ``eval_idle`` to ``lodestarctl status`` and the verbs
``eval.idle.status`` and ``eval.idle.report``; answers the slot ``evidence``.
"""

from lodestard.module import Module
from lodestard.modules.eval_idle.loop import run_eval_idle
from lodestard.modules.eval_idle.settings import EvalIdleSettings

MODULE = Module("eval_idle", "learns in idle time what local models can do", EvalIdleSettings, run_eval_idle)
