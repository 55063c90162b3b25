"""Budgets and rate limits as the configuration says them, made ready to be judged by. Pure.

Law: a rule is a value; whose it is (``value_of``) is read off the caller and the target alone. A caller without a
project has a budget too: that of the empty name, so that leaving a label out is no way round a limit.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import msgspec

from lodestard.budget.windows import Window, parse_window
from lodestard.domain.money import parse_nano_usd
from lodestard.domain.request import Caller
from lodestard.domain.settings import Budget, RateLimit, Scope, Settings
from lodestard.domain.upstream import Target

Unit = Literal["usd", "tokens", "requests"]
UNITS: tuple[Unit, ...] = ("usd", "tokens", "requests")


class Amounts(msgspec.Struct, frozen=True, order=True, gc=False):
    """What is spent, held or wanted, by unit: nano-USD, tokens, requests."""

    usd: int = 0
    tokens: int = 0
    requests: int = 0

    def plus(self, other: "Amounts") -> "Amounts":
        return Amounts(self.usd + other.usd, self.tokens + other.tokens, self.requests + other.requests)

    def minus(self, other: "Amounts") -> "Amounts":
        return Amounts(self.usd - other.usd, self.tokens - other.tokens, self.requests - other.requests)


NOTHING = Amounts()


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One budget. ``limits`` are (unit, limit) of those that it has."""

    name: str
    scope: Scope
    of: str
    window: Window
    limits: tuple[tuple[Unit, int], ...]
    hard: bool = True
    at_limit: Literal["free", "refuse"] = "free"
    alert_at: tuple[int, ...] = ()
    forecast: bool = False

    @property
    def counts_free(self) -> bool:
        """Whether attempts at free models count."""
        return any(unit != "usd" for unit, _ in self.limits)

    def limit(self, unit: Unit) -> int | None:
        for name, limit in self.limits:
            if name == unit:
                return limit
        return None


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """One rate limit, a minute."""

    name: str
    scope: Scope
    of: str
    requests: int | None = None
    tokens: int | None = None


def read_rules(budgets: Mapping[str, Budget]) -> tuple[Rule, ...]:
    """The budgets of a checked configuration, the narrowest windows as they come. Raises ``ValueError``."""
    return tuple(_read_rule(name, budget) for name, budget in budgets.items())


def _read_rule(name: str, budget: Budget) -> Rule:
    limits: list[tuple[Unit, int]] = []
    if budget.usd is not None:
        limits.append(("usd", parse_nano_usd(budget.usd)))
    if budget.tokens is not None:
        limits.append(("tokens", budget.tokens))
    if budget.requests is not None:
        limits.append(("requests", budget.requests))
    return Rule(
        name=name,
        scope=budget.scope,
        of=budget.of,
        window=parse_window(budget.window),
        limits=tuple(limits),
        hard=budget.hard,
        at_limit=budget.at_limit,
        alert_at=tuple(sorted(set(budget.alert_at))),
        forecast=budget.forecast,
    )


def read_rates(settings: Settings) -> tuple[Rate, ...]:
    """The rate limits of a checked configuration, and those of clients with keys."""
    return (*_read_limits(settings.rate_limits), *_read_client_rates(settings))


def _read_client_rates(settings: Settings) -> Iterator[Rate]:
    """No limit of ``[rate_limits]`` can have such a name: it has a space."""
    for name, client in settings.clients.items():
        requests, tokens = client.requests_per_minute, client.tokens_per_minute
        if requests is not None or tokens is not None:
            yield Rate(name=f"client {name}", scope="principal", of=name, requests=requests, tokens=tokens)


def _read_limits(rate_limits: Mapping[str, RateLimit]) -> tuple[Rate, ...]:
    return tuple(
        Rate(
            name=name,
            scope=limit.scope,
            of=limit.of,
            requests=limit.requests_per_minute,
            tokens=limit.tokens_per_minute,
        )
        for name, limit in rate_limits.items()
    )


_VALUES: Mapping[str, Callable[[Caller, Target], str]] = {
    "principal": lambda caller, _: caller.principal,
    "project": lambda caller, _: caller.project,
    "user": lambda caller, _: caller.user,
    "session": lambda caller, _: caller.session,
    "model": lambda _, target: str(target),
    "provider": lambda _, target: target.upstream,
}


def whose(caller: Caller, target: Target) -> tuple[str | Target, ...]:
    """All that ``value_of`` reads: who agrees in it has the same counters of every rule."""
    return caller.principal, caller.project, caller.user, caller.session, target


def value_of(rule: Rule | Rate, caller: Caller, target: Target) -> str | None:
    """Whose budget of this rule an attempt is charged to, or None where the rule is not about it."""
    if rule.scope == "global":
        return ""
    value = _VALUES[rule.scope](caller, target)
    return value if not rule.of or rule.of == value else None
