"""What is said of budgets: refusals and alerts. Pure.

Law: a refusal names the budget, what is spent and held, when it begins anew, and how to go on. Clients take "429" in
an error's text for a rate limit and ask again for minutes, so no number that we write has these digits in a row.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from lodestard.budget.judge import Breach, Standing
from lodestard.budget.rules import Unit
from lodestard.domain.money import format_usd

MISREAD = "429"
_WHOSE = {"principal": "client", **{word: word for word in ("project", "user", "session", "model", "provider")}}


def say_amount(unit: Unit, amount: int) -> str:
    """``$4.50``, ``12,000 tokens``: as exact as it has to be, rounded up."""
    text = _digits(unit, amount)
    if MISREAD not in text:
        return text
    return "about " + _digits(unit, _rounded_up(amount))


def _digits(unit: Unit, amount: int) -> str:
    if unit == "usd":
        places = 2 if amount == 0 or amount >= 1_000_000_000 else 6
        whole, _, rest = format_usd(amount, places=places).partition(".")
        return f"${int(whole):,}.{rest.rstrip('0'):0<2}"
    return f"{amount:,} {unit if amount != 1 else unit[:-1]}"


def _rounded_up(amount: int) -> int:
    """To two figures: a number that has 429 in it has none afterwards."""
    step = int("1" + "0" * max(0, len(str(amount)) - 2))
    return -(-amount // step) * step


def say_whose(standing: Standing) -> str:
    """``all requests``, ``project 'alpha'``."""
    what = _WHOSE.get(standing.rule.scope)
    return f"{what} {standing.value or '(none)'!r}" if what else "all requests"


def say_when(at_ms: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(at_ms // 1_000, UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")


def say_refusal(breach: Breach, zone: ZoneInfo) -> str:
    """Why a request is refused, and what to do."""
    standing, unit = breach.standing, breach.unit
    rule = standing.rule
    spent, held = getattr(standing.spent, unit), getattr(standing.held, unit)
    under_way = f" and {say_amount(unit, held)} held for requests under way" if held else ""
    return (
        f"The budget {rule.name!r} ({say_whose(standing)}, {rule.window.words}) has no room for this request: "
        f"{say_amount(unit, spent)} spent{under_way} of {say_amount(unit, breach.limit)}, "
        f"and it may take up to {say_amount(unit, breach.wanted)}. {_say_reset(standing, zone)} "
        f"To go on before that: {override_command(standing)}"
    )


def override_command(standing: Standing) -> str:
    value = f" --of {standing.value}" if standing.value and standing.rule.scope != "global" else ""
    return f'lodestarctl budget override {standing.rule.name}{value} --for 2h --reason "…"'


def _say_reset(standing: Standing, zone: ZoneInfo) -> str:
    if standing.rule.window.kind == "rolling":
        return f"Room comes back as requests become older than {standing.rule.window.hours} hours."
    if standing.end_ms is None:
        return "It never begins anew."
    return f"It begins anew on {say_when(standing.end_ms, zone)}."


def say_alert(standing: Standing, unit: Unit, level: int, zone: ZoneInfo) -> str:
    """An alert's one sentence. ``level`` 0 is a forecast, 100 means that something did not fit."""
    rule = standing.rule
    spent, limit = getattr(standing.spent, unit), rule.limit(unit) or 0
    whose = (
        f"The {'budget' if rule.hard else 'soft budget'} {rule.name!r} ({say_whose(standing)}, {rule.window.words})"
    )
    figures = f"{say_amount(unit, spent)} of {say_amount(unit, limit)} spent"
    if level == 0:
        return f"{whose} is likely to be overrun: {figures} so far. {_say_reset(standing, zone)}"
    if level >= 100 and rule.hard:
        return f"{whose} has no room for all that is asked for: {figures}. {_say_reset(standing, zone)}"
    return f"{whose} has reached {level} %: {figures}. {_say_reset(standing, zone)}"
