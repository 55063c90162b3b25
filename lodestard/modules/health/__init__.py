"""Is each upstream there? Probes that cost no token, and what real traffic shows.

Owns the state of every upstream; answers the slot ``is_up`` and adds ``upstreams`` to ``lodestarctl status``.
"""

from lodestard.module import Module
from lodestard.modules.health.loop import run_health
from lodestard.modules.health.settings import HealthSettings

MODULE = Module("health", "token-free probes of every upstream", HealthSettings, run_health)
