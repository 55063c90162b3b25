"""What a server said of a model: that it speaks no tools, so that from now on they are emulated.

Source: Ollama's ``server/routes.go`` (``… does not support tools``, 400); llama.cpp's and vLLM's servers, which want
to be started for them.
"""

import msgspec

from lodestard.domain.errors import Fault, UpstreamFault
from lodestard.domain.pins import find_local_model
from lodestard.domain.request import Request
from lodestard.domain.settings import Upstream

_SAID = ("does not support tools", "requires --jinja", "requires --enable-auto-tool-choice")


def without_tools(fault: Fault, request: Request, model: str, settings: Upstream) -> Upstream | None:
    """The settings to ask ``model`` with after this refusal; None where it says nothing about tools.

    Only of free upstreams, and where the configuration leaves it open.
    """
    if not (settings.free and request.conversation.tools and isinstance(fault, UpstreamFault)):
        return None
    own = find_local_model(settings, model)
    if own.tools != "auto" or not any(said in fault.message for said in _SAID):
        return None
    models = {**settings.models, model: msgspec.structs.replace(own, tools="emulated")}
    return msgspec.structs.replace(settings, models=models)
