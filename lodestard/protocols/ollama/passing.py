"""What a client of Ollama's dialect said goes on to an Ollama server as it came, but for what must change. Pure.

Law: what makes a server load a model anew or forget it never comes from a client: neither its runner options nor
``keep_alive``; and its output limit is written by whoever holds the money for it.
"""

from typing import Any

from lodestard.domain.request import Request
from lodestard.protocols.ollama.client_read import RUNNING, read_options

CHAT = "ollama"
_KIN = frozenset({CHAT, "ollama-generate"})
_OURS = RUNNING | {"model", "stream", "options"}


def passes(request: Request) -> bool:
    """Whether the client asked at ``/api/chat`` itself."""
    return request.dialect == CHAT


def passing_members(request: Request) -> dict[str, Any]:
    """The body's members that go on untouched."""
    return {name: raw for name, raw in request.members.items() if name not in _OURS}


def passing_options(request: Request) -> dict[str, Any]:
    """The client's own options that go on; empty where it speaks another dialect."""
    return dict(read_options(request.members)) if request.dialect in _KIN else {}


def find_lost(request: Request) -> tuple[str, ...]:
    """What of ``request.unsaid`` an Ollama server is not told."""
    if not request.unsaid or request.dialect == CHAT:
        return ()
    if request.dialect in _KIN:
        return tuple(path for path in request.unsaid if not path.startswith("options"))
    return request.unsaid
