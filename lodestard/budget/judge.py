"""May this be spent? Pure.

Law: ``spent + held + wanted <= limit``, for each unit of each hard budget that is about it; what is asked of here is
decided in sync code over the keeper's own counters, so that nothing can come between the answer and the hold.
"""

from collections.abc import Iterable, Sequence

import msgspec

from lodestard.budget.rules import NOTHING, Amounts, Rule, Unit
from lodestard.domain.room import Room

LEAST_OUTPUT_TOKENS = 256  # an answer that is cut off sooner helps nobody
COMMON_OUTPUT_TOKENS = 4_096
SHARES = 4


class Relief(msgspec.Struct, frozen=True, kw_only=True):
    """An override: until ``until_ms`` the limit is higher by ``extra`` of the budget's unit, or lifted (None)."""

    id: int
    budget: str
    value: str
    until_ms: int
    extra: int | None
    reason: str = ""
    who: str = ""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a budget stands at one moment. ``end_ms`` is None where its window has no end.

    ``reliefs`` are the overrides in force.
    """

    rule: Rule
    value: str
    spent: Amounts = NOTHING
    held: Amounts = NOTHING
    start_ms: int = 0
    end_ms: int | None = None
    reliefs: tuple[Relief, ...] = ()

    def limit(self, unit: Unit) -> int | None:
        """The limit with the overrides in force; None where there is none."""
        limit = self.rule.limit(unit)
        if limit is None or not self.reliefs:
            return limit
        if any(relief.extra is None for relief in self.reliefs):
            return None
        return limit + sum(relief.extra or 0 for relief in self.reliefs)

    def room(self, unit: Unit) -> int | None:
        """What may still be wanted of ``unit``; None where nothing limits it."""
        limit = self.limit(unit)
        return None if limit is None else max(0, limit - getattr(self.spent, unit) - getattr(self.held, unit))


class Breach(msgspec.Struct, frozen=True, kw_only=True):
    """Why something may not be spent."""

    standing: Standing
    unit: Unit
    wanted: int
    limit: int


def find_breach(standing: Standing, wanted: Amounts) -> Breach | None:
    """The first limit that ``wanted`` would overrun, or None."""
    for unit, _ in standing.rule.limits:
        room, asked = standing.room(unit), getattr(wanted, unit)
        if room is not None and asked > room:
            return Breach(standing=standing, unit=unit, wanted=asked, limit=standing.limit(unit) or 0)
    return None


def find_room(standings: Iterable[Standing]) -> Room:
    """What the narrowest of them leaves."""
    usd: list[int] = []
    tokens: list[int] = []
    for standing in standings:
        if (room := standing.room("usd")) is not None:
            usd.append(room)
        if (room := standing.room("tokens")) is not None:
            tokens.append(room)
    return Room(nano_usd=min(usd) if usd else None, tokens=min(tokens) if tokens else None)


class Prospect(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer without a limit of its own could cost: its prompt at the most, each of its tokens at the most.

    ``most_output_tokens`` is the longest that the model would write. All for one choice of ``choices``.
    """

    prompt_nano_usd: int
    prompt_tokens: int
    token_pico_usd: int
    most_output_tokens: int
    choices: int = 1


def choose_output_limit(room: Room, prospect: Prospect) -> int | None:
    """The output limit to write into a request that brings none; None where its longest answer is affordable.

    One request shall not take all that is left while others are under way: it gets a quarter of it, but a common
    answer's length where that can be afforded, and never less than what helps (the hold refuses what is too much).
    """
    affordable = _affordable(room, prospect, SHARES)
    if affordable is None or affordable >= prospect.most_output_tokens:
        return None
    if affordable < COMMON_OUTPUT_TOKENS:
        affordable = min(_affordable(room, prospect, 1) or 0, COMMON_OUTPUT_TOKENS)
    return min(max(affordable, LEAST_OUTPUT_TOKENS), prospect.most_output_tokens)


def _affordable(room: Room, prospect: Prospect, shares: int) -> int | None:
    """Output tokens of each choice that a share of the room pays for; None where nothing limits them."""
    limits: list[int] = []
    if room.nano_usd is not None and prospect.token_pico_usd:
        left_pico = (room.nano_usd - prospect.prompt_nano_usd) * 1_000
        limits.append(left_pico // (shares * prospect.token_pico_usd * prospect.choices))
    if room.tokens is not None:
        limits.append((room.tokens - prospect.prompt_tokens) // (shares * prospect.choices))
    return max(0, min(limits)) if limits else None


def levels_reached(spent: int, limit: int, levels: Sequence[int]) -> tuple[int, ...]:
    """The percentages of ``limit`` that ``spent`` has come to."""
    if not limit or not levels or spent * 100 < limit * min(levels):
        return ()
    return tuple(level for level in levels if spent * 100 >= limit * level)


def output_at_least(pieces: int, size_bytes: int) -> int:
    """Tokens that an answer surely has: one for each piece, one for each 16 bytes of text."""
    return max(pieces, size_bytes // 16)
