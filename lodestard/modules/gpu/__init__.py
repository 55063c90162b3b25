"""What the cards behind the upstreams say: temperature, power, memory, and what is wrong with them.

Owns every card's last reading, its findings and its energy; answers the slot ``telemetry``, adds ``gpu`` to
``lodestarctl status``, and tells an alert where something needs a person.
"""

from lodestard.module import Module
from lodestard.modules.gpu.loop import run_gpu
from lodestard.modules.gpu.settings import GpuSettings

MODULE = Module("gpu", "what the graphics cards say of themselves", GpuSettings, run_gpu)
