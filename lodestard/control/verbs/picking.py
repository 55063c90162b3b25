"""``models.pick``: every model that can be named, with its figures."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from lodestard.control.messages.picking import PickList, PickRow
from lodestard.control.verbs.cost_figures import CostFigures
from lodestard.control.verbs.desk import Desk
from lodestard.control.verbs.house import HEALTH_PART, part_of
from lodestard.domain.feedback import tally_cells
from lodestard.domain.price import Price
from lodestard.domain.upstream import Target
from lodestard.domain.verbs import Arguments, Verb
from lodestard.runtime import Runtime

US_PER_S = 1_000_000
SPAN_MS = 30 * 86_400_000


class Seen(NamedTuple):
    """What is known of models that have answered: by target, and the upstreams' health."""

    used: Mapping[str, CostFigures]
    health: Mapping[str, object]


def picking_verbs(desk: Desk) -> tuple[Verb, ...]:
    async def pick(_arguments: Arguments) -> PickList:
        runtime = desk.runtime
        used = await desk.reports.costs("model", since_ms=max(0, runtime.clock.now_ms() - SPAN_MS))
        part = runtime.hooks.status_parts.get(HEALTH_PART)
        health = part_of({HEALTH_PART: part()}, HEALTH_PART) if part is not None else {}
        seen = Seen({row.key: row for row in used}, health)
        named = [*aliases_of(runtime, seen), *listed(runtime, desk.price_book().quotes, seen)]
        return PickList(models=tuple(named))

    return (Verb(name="models.pick", summary="every model that can be named", needs="read", answer=pick),)


def aliases_of(runtime: Runtime, seen: Seen) -> Iterator[PickRow]:
    for alias, model in runtime.settings.models.items():
        target = Target.parse(model.route[0])
        yield pick_row(alias, target, runtime, seen)


def listed(runtime: Runtime, quotes: Mapping[str, object], seen: Seen) -> Iterator[PickRow]:
    """What the list and the configuration's own prices name of the configured upstreams."""
    for name in dict.fromkeys((*runtime.settings.prices, *quotes)):
        target = Target.parse(name)
        if target.upstream in runtime.settings.upstreams:
            yield pick_row(name, target, runtime, seen)


def pick_row(name: str, target: Target, runtime: Runtime, seen: Seen) -> PickRow:
    """One model, with its figures. What never answered has no speed and no verdicts."""
    text = str(target)
    price = runtime.routes.price_of(target)
    upstream = runtime.settings.upstreams[target.upstream]
    used = seen.used.get(text)
    good, bad = tally_cells(runtime.outcomes.cells(target))
    return PickRow(
        name=name,
        target=text,
        alias=name != text,
        free=upstream.free,
        input_pico_usd=price.input_pico_usd if price is not None else None,
        output_pico_usd=price.output_pico_usd if price is not None else None,
        context_tokens=context_of(price, upstream.options.get("num_ctx")),
        tokens_per_s=runtime.paces.of(target).tokens_per_s or speed_of(used),
        state=str(part_of(seen.health, target.upstream).get("state", "unknown")),
        good=good,
        bad=bad,
    )


def context_of(price: Price | None, told: object) -> int | None:
    if isinstance(told, int) and not isinstance(told, bool):
        return told
    return price.context_tokens if price is not None else None


def speed_of(used: CostFigures | None) -> float | None:
    """Of what was not from the cache nobody knows the time alone, so this is rough where much was."""
    if used is None or not used.completion_tokens or not used.total_us:
        return None
    return round(used.completion_tokens * US_PER_S / used.total_us, 1)
