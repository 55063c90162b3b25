"""``models``, ``models.plan``, ``models.test``."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import msgspec

from lodestard.control.messages import ModelRow, ModelsReport, ModelTarget, TestPlan, TestPlans, TestResult
from lodestard.control.verbs.desk import Desk
from lodestard.control.verbs.house import HEALTH_PART, part_of
from lodestard.domain.clock import NS_PER_MS
from lodestard.domain.errors import CallerFault, Code, Fault
from lodestard.domain.host_ports import ResidencyPort
from lodestard.domain.money import PICO_PER_NANO
from lodestard.domain.near import did_you_mean
from lodestard.domain.price import Price
from lodestard.domain.residency import HostState, ModelState
from lodestard.domain.upstream import Target
from lodestard.domain.verbs import Argument, Arguments, Emits, Verb
from lodestard.runtime import Runtime

QUESTION = "Reply with the word ok."
OUTPUT_TOKENS = 16
PROMPT_TOKENS = 128  # many times what the question takes in any provider's template
State = Literal["up", "down", "unknown"]


def model_verbs(desk: Desk) -> tuple[Verb, ...]:
    async def models(_arguments: Arguments) -> ModelsReport:
        return list_models(desk.runtime, read_places(desk.residency))

    async def plan(arguments: Arguments) -> TestPlans:
        return TestPlans(calls=tuple(plan_calls(desk.runtime, arguments["aliases"] or ())))

    async def test(arguments: Arguments, emit: Emits[TestResult]) -> None:
        for call in plan_calls(desk.runtime, arguments["aliases"] or ()):
            if call.max_cost_nano_usd is not None:
                await emit(await make_call(desk, call))

    which = (Argument(name="aliases", kind="list", help="only these aliases"),)
    return (
        Verb(name="models", summary="aliases, targets and prices", needs="read", answer=models),
        Verb(
            name="models.plan", summary="what a test would call and cost", needs="read", arguments=which, answer=plan
        ),
        Verb(name="models.test", summary="one small real call each", needs="admin", arguments=which, stream=test),
    )


def read_places(residency: ResidencyPort | None) -> Mapping[str, str]:
    """Where each local model is, by target."""
    states = [residency.state(host) for host in residency.hosts] if residency is not None else []
    return {
        f"{state.host}/{model.model}": name_place(state, model)
        for state in states
        if state.reachable
        for model in state.models
    }


def name_place(state: HostState, model: ModelState) -> str:
    """Where a model of a host is, in one word. Pure."""
    if model.missing:
        return "missing"
    if model.resident:
        return "resident"
    return "loading" if state.step == "loading" and state.step_model == model.model else "absent"


def list_models(runtime: Runtime, places: Mapping[str, str]) -> ModelsReport:
    """Every alias with its targets, in the order in which they are asked. ``places``: where local models are."""
    settings = runtime.settings
    part = runtime.hooks.status_parts.get(HEALTH_PART)
    health = part_of({HEALTH_PART: part()}, HEALTH_PART) if part is not None else {}
    return ModelsReport(
        models=tuple(
            ModelRow(
                alias=alias,
                description=model.description,
                targets=tuple(
                    msgspec.structs.replace(
                        model_target(name, runtime, health, objections(alias, runtime)), place=places.get(name, "")
                    )
                    for name in model.route
                ),
            )
            for alias, model in settings.models.items()
        )
    )


def objections(alias: str, runtime: Runtime) -> Mapping[str, str]:
    """Why targets of an alias may not be asked, by target; under an empty name where none may."""
    try:
        plan = runtime.routes.choose(alias)
    except Fault as fault:
        return {"": fault.message}
    return {str(rejection.target): rejection.reason for rejection in plan.rejected}


def model_target(
    name: str, runtime: Runtime, health: Mapping[str, Any], objections: Mapping[str, str]
) -> ModelTarget:
    """One target, with its price and what speaks against it."""
    target = Target.parse(name)
    upstream = runtime.settings.upstreams.get(target.upstream)
    price = runtime.routes.price_of(target)
    known = part_of(health, target.upstream).get("state")
    state: State = known if known in ("up", "down") else "unknown"
    free = upstream is not None and upstream.free and (price is None or price.source == "free")
    accuracy = runtime.tokens.accuracy(target)
    return ModelTarget(
        target=name,
        dialect=upstream.dialect if upstream is not None else "",
        free=free,
        state=state,
        input_pico_usd=None if price is None or free else price.input_pico_usd,
        output_pico_usd=None if price is None or free else price.output_pico_usd,
        token_samples=0 if accuracy is None else accuracy.samples,
        token_error=None if accuracy is None else accuracy.error,
        note=objections.get(name) or objections.get("", ""),
        breaker=breaker_of(target, runtime),
    )


def breaker_of(target: Target, runtime: Runtime) -> str:
    """Its upstream's where that is not closed, else its own."""
    upstreams = runtime.breakers.state_of(target.upstream)
    return upstreams if upstreams != "closed" else runtime.breakers.state_of(str(target))


def plan_calls(runtime: Runtime, aliases: Iterable[str]) -> Iterator[TestPlan]:
    """The calls that test ``aliases``; without any, the cheapest alias of each upstream.

    Raises ``CallerFault`` for an alias that is not there.
    """
    named, settings = tuple(aliases), runtime.settings
    for alias in named:
        if alias not in settings.models:
            near = did_you_mean(alias, settings.models)
            hint = f" Did you mean {near}?" if near else ""
            raise CallerFault(Code.MODEL_NOT_FOUND, f"There is no model {alias!r}.{hint}", param="aliases")
    plans = [plan_call(alias, runtime) for alias in named or settings.models]
    yield from plans if named else cheapest_each(plans)


def plan_call(alias: str, runtime: Runtime) -> TestPlan:
    """The call to an alias's first target, and the most that it can cost."""
    name = runtime.settings.models[alias].route[0]
    price = runtime.routes.price_of(Target.parse(name))
    if price is None:
        return TestPlan(alias=alias, target=name, max_cost_nano_usd=None, note="has no price: not called")
    if price.source == "free":
        return TestPlan(alias=alias, target=name, max_cost_nano_usd=0, note="free")
    if price.embeds_only:
        return TestPlan(
            alias=alias, target=name, max_cost_nano_usd=None, note="has a price of embeddings alone: not called"
        )
    return TestPlan(alias=alias, target=name, max_cost_nano_usd=call_cost(price))


def call_cost(price: Price) -> int:
    """The most that one test call costs, in nano-USD, rounded up. It is too short for any tier."""
    dearest_input = max(price.input_pico_usd, price.cache_write_pico_usd or 0, price.cache_write_1h_pico_usd or 0)
    dearest_output = max(price.output_pico_usd, price.reasoning_pico_usd or 0)
    output_tokens = OUTPUT_TOKENS + (price.max_reasoning_tokens or 0)
    pico_usd = PROMPT_TOKENS * dearest_input + output_tokens * dearest_output
    return -(-pico_usd // PICO_PER_NANO) + price.request_nano_usd


def cheapest_each(plans: Iterable[TestPlan]) -> Iterator[TestPlan]:
    """One plan an upstream: the cheapest that has a price, the first one otherwise."""
    best: dict[str, TestPlan] = {}
    for plan in plans:
        upstream = Target.parse(plan.target).upstream
        if upstream not in best or _dearness(plan) < _dearness(best[upstream]):
            best[upstream] = plan
    yield from best.values()


def _dearness(plan: TestPlan) -> tuple[bool, int]:
    return plan.max_cost_nano_usd is None, plan.max_cost_nano_usd or 0


async def make_call(desk: Desk, call: TestPlan) -> TestResult:
    """One small real call through the proxy's door, to exactly this target. A fault is a result."""
    clock = desk.runtime.clock
    started_ns = clock.monotonic_ns()
    outcome, detail, cost_nano_usd = "ok", "", 0
    try:
        asked = await desk.ask(call_body(call.target), _hear_nothing)
    except Fault as fault:
        outcome, detail = fault.code.value, fault.message
    else:
        found = await desk.reports.explain(asked.request_id)
        cost_nano_usd = found.request.cost_nano_usd if found is not None else 0
    return TestResult(
        alias=call.alias,
        target=call.target,
        outcome=outcome,
        total_ms=(clock.monotonic_ns() - started_ns) // NS_PER_MS,
        cost_nano_usd=cost_nano_usd,
        detail=detail,
    )


async def _hear_nothing(_text: str, _reasoning: str) -> None:
    """That it answers is enough."""


def call_body(target: str) -> bytes:
    """The smallest honest question. Pure."""
    message = {"role": "user", "content": QUESTION}
    return msgspec.json.encode({"model": target, "messages": [message], "max_tokens": OUTPUT_TOKENS, "stream": True})
