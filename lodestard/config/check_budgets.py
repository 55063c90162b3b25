"""What is wrong with budgets and rate limits, beyond their types. Pure."""

import re
from collections.abc import Iterator
from decimal import Decimal

from lodestard.budget.windows import parse_window
from lodestard.config.convert import Finding
from lodestard.config.fault import KeyPath
from lodestard.domain.money import parse_nano_usd
from lodestard.domain.settings import Budget, RateLimit, Settings
from lodestard.domain.upstream import Target

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_budgets(settings: Settings) -> Iterator[Finding]:
    """All findings about ``[budgets]`` and ``[rate_limits]``."""
    for name, budget in settings.budgets.items():
        path = ("budgets", name)
        yield from _check_name(path, name)
        yield from _check_scope(path, budget, settings)
        yield from _check_budget(path, budget)
    for name, limit in settings.rate_limits.items():
        path = ("rate_limits", name)
        yield from _check_name(path, name)
        yield from _check_scope(path, limit, settings)
        if limit.requests_per_minute is None and limit.tokens_per_minute is None:
            yield Finding(path, "limits nothing: set requests_per_minute or tokens_per_minute")


def _check_name(path: KeyPath, name: str) -> Iterator[Finding]:
    if not _NAME.fullmatch(name):
        yield Finding(path, "a name has up to 64 letters, digits, '.', '_' and '-'")


def _check_scope(path: KeyPath, rule: Budget | RateLimit, settings: Settings) -> Iterator[Finding]:
    if rule.scope == "global" and rule.of:
        yield Finding((*path, "of"), "a global one is everybody's; say of whom with scope")
    if rule.scope == "provider" and rule.of and rule.of not in settings.upstreams:
        yield Finding((*path, "of"), "there is no upstream of this name", fatal=False)
    if rule.scope == "model" and rule.of:
        try:
            Target.parse(rule.of)
        except ValueError:
            yield Finding((*path, "of"), 'expected "upstream/model"')


def _check_budget(path: KeyPath, budget: Budget) -> Iterator[Finding]:
    if budget.usd is None and budget.tokens is None and budget.requests is None:
        yield Finding(path, "limits nothing: set usd, tokens or requests")
    if budget.usd is not None and not _is_amount(budget.usd):
        yield Finding((*path, "usd"), "expected US dollars, from 0 up")
    try:
        parse_window(budget.window)
    except ValueError as error:
        yield Finding((*path, "window"), str(error))
    if any(not 1 <= level <= 1_000 for level in budget.alert_at):
        yield Finding((*path, "alert_at"), "expected percentages from 1 up")


def _is_amount(usd: Decimal) -> bool:
    try:
        parse_nano_usd(usd)
    except ValueError:
        return False
    return True
