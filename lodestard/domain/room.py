"""What budgets leave for an attempt."""

import msgspec


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What all hard budgets together leave; None where nothing limits it.

    ``counted``: a budget or a rate counts the attempt's tokens, so that they have to be known.
    """

    nano_usd: int | None = None
    tokens: int | None = None
    counted: bool = True

    @property
    def limited(self) -> bool:
        return self.nano_usd is not None or self.tokens is not None


ROOMY = Room()
UNCOUNTED = Room(counted=False)
