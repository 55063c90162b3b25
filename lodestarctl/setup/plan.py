"""From what there is and what was decided to what is written. Pure.

Law: what setup wrote before stays unless it is decided anew; nothing is said that the configuration says already;
a key is never in it.
"""

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

from lodestarctl.setup.choices import Choices
from lodestarctl.setup.facts import (
    Facts,
    Tables,
    key_place,
    lay_over,
    month_budget,
    ollama_upstreams,
    routes_of,
    table_of,
    upstream_or_name,
)
from lodestarctl.setup.providers import BY_NAME, Provider

AUTO = "auto"
LOCAL, CODE = "local-llama", "gpt-3.5-turbo"
"""The names by which clients know the free models: the one for talk, the one for code."""
WARMED = ("warm", "pinned", "default")


def tables_for(facts: Facts, choices: Choices) -> dict[str, Any]:
    """What is to stand in setup's own file."""
    wanted: dict[str, Any] = {}
    for part in (_hosts(facts, choices), _keys(facts, choices), _money(facts, choices)):
        wanted = lay_over(wanted, part)
    seen = lay_over(facts.tables, wanted)
    wanted = lay_over(wanted, _routes(seen, facts, choices))
    return lay_over(facts.own, _news(wanted, facts.tables))


def _hosts(facts: Facts, choices: Choices) -> dict[str, Any]:
    known = ollama_upstreams(facts.tables)
    new = {"dialect": "ollama", "free": True, "concurrency": 1}
    upstreams = {name: {"url": url} if name in known else {**new, "url": url} for name, url in choices.hosts.items()}
    return {"upstreams": upstreams} if upstreams else {}


def _keys(facts: Facts, choices: Choices) -> dict[str, Any]:
    """Where each new key is, and the provider's own tables where the configuration has none."""
    tables: dict[str, Any] = {}
    for name in choices.keys:
        provider = BY_NAME[name]
        upstream = upstream_or_name(provider, facts)
        present = facts.upstreams.get(upstream)
        said = key_place(present) if isinstance(present, Mapping) else {}
        table: dict[str, Any] = {"key": _key_table(facts, upstream, said)}
        if present is None:
            table |= {"dialect": provider.dialect, "url": provider.url}
        tables = lay_over(tables, {"upstreams": {upstream: table}})
    return tables


def credential_of(facts: Facts, upstream: str) -> str:
    """What the credential of an upstream is called."""
    table = facts.upstreams.get(upstream)
    said = key_place(table) if isinstance(table, Mapping) else {}
    return said.get("credential") or upstream


def _key_table(facts: Facts, upstream: str, said: Mapping[str, str]) -> dict[str, str]:
    """One place of a key, and nothing in the others that the files below name."""
    if facts.place.store == "file":
        wanted = {"file": str(facts.place.keys_folder / upstream)}
    else:
        wanted = {"credential": said.get("credential") or upstream}
    return {**{name: "" for name in said if name not in wanted}, **wanted}


def _money(facts: Facts, choices: Choices) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    if choices.budget_usd is not None:
        name, _ = month_budget(facts.tables)
        tables["budgets"] = {name or "month": {"window": "month", "usd": Decimal(choices.budget_usd)}}
    if choices.timezone is not None:
        tables["ledger"] = {"timezone": choices.timezone}
    return tables


def _routes(seen: Tables, facts: Facts, choices: Choices) -> dict[str, Any]:
    """The aliases: stand-ins for missing models, what was chosen for an alias, and what new providers answer."""
    before = routes_of(seen)
    routes = {alias: _swapped(route, choices.swaps) for alias, route in before.items()}
    for alias, target in choices.aliases.items():
        routes[alias] = _led_by(target, routes.get(alias, ()), seen)
    models: dict[str, Any] = {}
    prices: dict[str, Any] = {}
    firsts: list[str] = []
    for name in choices.keys:
        provider = BY_NAME[name]
        upstream = upstream_or_name(provider, facts)
        if _answers(upstream, routes):
            continue
        for offered in provider.models:
            target = f"{upstream}/{offered.model}"
            routes[offered.alias] = (*routes.get(offered.alias, ()), target)
            prices[target] = {"max_output_tokens": offered.max_output_tokens}
        firsts += [f"{upstream}/{offered.model}" for offered in provider.models[:1]]
    if routes and AUTO not in routes:
        routes[AUTO] = _everybody(routes, seen, besides={*prices} - {*firsts})
        models[AUTO] = {"prefer": "cheap"}
    elif AUTO in routes:
        routes[AUTO] = tuple(dict.fromkeys([*routes[AUTO], *firsts]))
    changed = {alias: {"route": list(route)} for alias, route in routes.items() if before.get(alias) != route}
    tables: dict[str, Any] = {"models": lay_over(changed, models)} if changed else {}
    if prices:
        tables["prices"] = prices
    return lay_over(tables, _warmth(seen, choices))


def _swapped(route: tuple[str, ...], swaps: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(swaps.get(target, target) for target in route))


def _led_by(target: str, route: tuple[str, ...], seen: Tables) -> tuple[str, ...]:
    """``target`` in place of the local models that led the route; who comes after them stays."""
    local = ollama_upstreams(seen)
    rest = [each for each in route if each.partition("/")[0] not in local]
    return (target, *rest)


def _answers(upstream: str, routes: Mapping[str, tuple[str, ...]]) -> bool:
    return any(target.partition("/")[0] == upstream for route in routes.values() for target in route)


def _everybody(routes: Mapping[str, tuple[str, ...]], seen: Tables, besides: Collection[str]) -> tuple[str, ...]:
    """Each alias's first, free ones before the others, without those of ``besides``."""
    local = ollama_upstreams(seen)
    firsts = dict.fromkeys(route[0] for route in routes.values() if route and route[0] not in besides)
    return tuple(sorted(firsts, key=lambda target: target.partition("/")[0] not in local))


def _warmth(seen: Tables, choices: Choices) -> dict[str, Any]:
    """A model that is not there is not kept warm; the one that stands in for it is."""
    tables: dict[str, Any] = {}
    for old, new in choices.swaps.items():
        (upstream, _, gone), (host, _, come) = old.partition("/"), new.partition("/")
        table = table_of(seen, "upstreams", upstream, "models", gone)
        kept = {name: True for name in WARMED if table.get(name) is True}
        if kept:
            off = {upstream: {"models": {gone: dict.fromkeys(kept, False)}}}
            tables = lay_over(tables, {"upstreams": lay_over(off, {host: {"models": {come: kept}}})})
    return tables


def _news(wanted: Tables, known: Tables) -> dict[str, Any]:
    """What of ``wanted`` the configuration does not say yet."""
    found: dict[str, Any] = {}
    for name, value in wanted.items():
        there = known.get(name)
        if isinstance(value, Mapping):
            inner = _news(value, there if isinstance(there, Mapping) else {})
            if inner or (not value and not isinstance(there, Mapping)):
                found[name] = inner
        elif not _same(value, there):
            found[name] = value
    return found


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Decimal) and isinstance(other, int | float | Decimal):
        return one == Decimal(str(other))
    return bool(one == other and type(one) is type(other))


def overruled(facts: Facts, tables: Tables) -> list[str]:
    """Sentences about what later files say otherwise, and so will hold."""
    return [
        f"{'.'.join(path)}: {file.path} says otherwise, and has the last word."
        for file in facts.later_files()
        for path, value in _leaves(tables)
        if (there := _at(file.tables, path)) is not None and not _same(value, there)
    ]


def _leaves(tables: Tables, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    found = []
    for name, value in tables.items():
        here = (*path, name)
        found += _leaves(value, here) if isinstance(value, Mapping) else [(here, value)]
    return found


def _at(tables: Tables, path: tuple[str, ...]) -> Any:
    return table_of(tables, *path[:-1]).get(path[-1])


def new_upstream_name(tables: Tables, taken: Mapping[str, str]) -> str:
    """A name for a new Ollama server."""
    names = {*table_of(tables, "upstreams"), *taken}
    return next(
        name for number in range(1, len(names) + 2) if (name := f"ollama{number if number > 1 else ''}") not in names
    )


def provider_named(name: str, facts: Facts) -> Provider:
    """Raises ``ValueError`` with a sentence for one that is not offered."""
    names = [provider.name for provider in facts.providers]
    if name not in names:
        raise ValueError(f"setup knows no provider {name!r}; it knows {', '.join(names)}")
    return BY_NAME[name]
