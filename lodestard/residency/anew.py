"""Models in memory with other options than their requests carry: they have to be loaded anew.

Law: left alone, the server would do it within a request, would have a client that leaves abort it, and until then
its context would be taken for another one. So such a model begins nothing more: it goes once its answers are whole,
and is loaded as the configuration wants it for whoever waits, or at once where there is room. Pure.
"""

from lodestard.domain.pins import RUNNER_OPTIONS
from lodestard.domain.settings import Options
from lodestard.residency.state import Tenant
from lodestard.residency.terms import Terms


def is_stale(tenant: Tenant, terms: Terms) -> bool:
    """Whether a request for it would have the server load it anew, as far as is known.

    Of a model that somebody else has loaded only the context is known, and on some servers that is the one of all
    its parallel requests together.
    """
    if tenant.options is not None:
        options = terms.options(tenant.model)
        return tenant.options is not options and _of_runner(tenant.options) != _of_runner(options)
    wanted, told = terms.context_tokens(tenant.model), tenant.loaded.context_tokens
    return bool(wanted and told) and told not in (wanted, wanted * tenant.parallel)


def context_of(tenant: Tenant | None, terms: Terms, model: str) -> int:
    """The context that requests for ``model`` have, or will have once it is loaded; 0 where nobody knows.

    A server makes what is more than its model was trained for less, and never more of what it was told.
    """
    wanted = terms.context_tokens(model)
    if tenant is None or is_stale(tenant, terms):
        return wanted
    told = tenant.loaded.context_tokens
    return min(told, wanted) if told and wanted else told or wanted


def _of_runner(options: Options) -> dict[str, object]:
    """Those that a model is loaded with."""
    return {name: value for name, value in options.items() if name in RUNNER_OPTIONS}
