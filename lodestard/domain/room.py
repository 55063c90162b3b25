"""What budgets leave for an attempt."""

import msgspec


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What all hard budgets together leave; None where nothing limits it."""

    nano_usd: int | None = None
    tokens: int | None = None

    @property
    def limited(self) -> bool:
        return self.nano_usd is not None or self.tokens is not None


ROOMY = Room()
