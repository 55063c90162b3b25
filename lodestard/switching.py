"""A quick switch on a request's way: which alias is asked in place of the one that it names.

Law: only chat aliases change places, only for aliases that its key may use, and never what the house asks itself.
What the request named is what rules look at, so that no label is lost by a switch.
"""

from lodestard.domain.request import Caller, Request
from lodestard.runtime import Runtime


def switched_alias(request: Request, caller: Caller, runtime: Runtime) -> str:
    """The alias to ask instead; empty where nothing is switched, or the switch does not hold for it."""
    alias = runtime.switches.find(caller)
    models = runtime.settings.models
    if alias is None or alias == request.alias or request.alias not in models or alias not in models:
        return ""
    if not request.conversation.is_chat:
        return ""
    held = runtime.clients.limited.get(caller.principal)
    return alias if held is None or held.may_use(alias) else ""
