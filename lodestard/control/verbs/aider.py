"""``aider``: what its configuration is made from. Nothing is written here."""

from lodestard.control.messages.aider import AiderFacts, AiderModel
from lodestard.control.verbs.desk import Desk
from lodestard.domain.errors import Fault
from lodestard.domain.settings import Settings
from lodestard.domain.upstream import Candidate
from lodestard.domain.verbs import Arguments, Verb
from lodestard.runtime import Runtime

CONTEXT_OPTION = "num_ctx"


def aider_verbs(desk: Desk) -> tuple[Verb, ...]:
    async def aider(_arguments: Arguments) -> AiderFacts:
        addresses = [url_of(each.address) for each in desk.state().listeners if each.kind == "proxy"]
        runtime = desk.runtime
        return AiderFacts(
            base_url=f"{addresses[0]}/v1" if addresses else "",
            models=tuple(aider_model(alias, runtime) for alias in runtime.settings.models),
            key_needed=bool(runtime.clients.by_digest) and not runtime.clients.keyless_loopback,
        )

    return (Verb(name="aider", summary="what Aider's configuration is made from", needs="read", answer=aider),)


def url_of(address: str) -> str:
    """Where a listener is reached; one under TLS says so itself. Pure."""
    return address if "://" in address else f"http://{address}"


def aider_model(alias: str, runtime: Runtime) -> AiderModel:
    """An alias as it would be asked now; one that can't be asked says why."""
    try:
        candidates = runtime.routes.choose(alias).candidates
    except Fault as fault:
        return AiderModel(alias=alias, note=fault.message)
    first, *others = sorted(candidates, key=lambda candidate: route_place(candidate, alias, runtime.settings))
    price = None if first.free else first.price
    return AiderModel(
        alias=alias,
        target=str(first.target),
        free=first.free,
        input_pico_usd=0 if first.free else price.input_pico_usd if price is not None else None,
        output_pico_usd=0 if first.free else price.output_pico_usd if price is not None else None,
        context_tokens=context_of(first, runtime.settings),
        max_output_tokens=price.max_output_tokens if price is not None else None,
        fallbacks=tuple(str(candidate.target) for candidate in others),
    )


def route_place(candidate: Candidate, alias: str, settings: Settings) -> int:
    """Where it stands in the alias's route: one that is down just now is still the first. Pure."""
    route = settings.models[alias].route
    name = str(candidate.target)
    return route.index(name) if name in route else len(route)


def context_of(candidate: Candidate, settings: Settings) -> int | None:
    """How many tokens it takes: what Ollama is told, otherwise what the price book says. Pure."""
    upstream = settings.upstreams.get(candidate.target.upstream)
    told = upstream.options.get(CONTEXT_OPTION) if upstream is not None else None
    if isinstance(told, int) and not isinstance(told, bool):
        return told
    return candidate.price.context_tokens if candidate.price is not None else None
