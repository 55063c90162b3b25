"""What ``/api/ps`` alone says of a card, where nothing else can be read: the models' bytes on it. Pure."""

from lodestard.domain.residency import HostState
from lodestard.domain.telemetry import Telemetry
from lodestard.modules.gpu.troubles import Trouble


def read_ps(host: HostState | None) -> Telemetry | Trouble:
    """The memory that the host's models take; every other figure is unknown."""
    if host is None:
        return Trouble(code="no_residency", text="nobody asks the server what is in its memory")
    if host.reachable is False:
        return Trouble(code="host_unreachable", text="the server can't be reached")
    if host.reachable is None:
        return Telemetry(source="ps", state="unknown", problem="the server has not answered yet")
    used_bytes = sum(model.vram_bytes for model in host.models if model.resident)
    return Telemetry(source="ps", state="ok", memory_used_bytes=used_bytes)
