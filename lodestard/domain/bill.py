"""A bill: what an attempt cost, line by line, so that it can be added up again.

Law: the lines' ``pico_usd`` and the fee sum to ``pico_usd``; one rounding, upwards, makes ``nano_usd`` of it. What
the provider says that it billed stands beside the lines and wins over them.
"""

import msgspec


class BillLine(msgspec.Struct, frozen=True):
    """So many tokens of one kind at one rate."""

    kind: str
    tokens: int
    rate_pico_usd: int

    @property
    def pico_usd(self) -> int:
        return self.tokens * self.rate_pico_usd


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """``above_prompt_tokens`` is the tier that fired, None for the rates without one; ``service_tier`` the one whose
    rates were used, empty for the usual ones. ``billed_nano_usd`` is what the provider says, where it does.
    """

    lines: tuple[BillLine, ...]
    request_nano_usd: int = 0
    pico_usd: int = 0
    nano_usd: int = 0
    above_prompt_tokens: int | None = None
    service_tier: str = ""
    billed_nano_usd: int | None = None
