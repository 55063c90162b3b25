"""What a provider says it has billed, beside what the ledger knows of."""

import msgspec

Detail = dict[str, str | int | bool]


class DayFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A day of an upstream. ``prompt_tokens`` and ``completion_tokens`` are None where nobody has said."""

    nano_usd: int = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """One look at a UTC day (``2026-11-25``) of an upstream. ``final``: nobody looks again by themselves."""

    at_ms: int
    upstream: str
    day: str
    ours_nano_usd: int
    theirs_nano_usd: int
    alarmed: bool = False
    final: bool = False
    detail: Detail = {}


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """A look as it was written down. ``change_nano_usd`` is what it moved to ``unreconciled`` (negative: back).

    ``new`` is False where it found what the last one had found, and nothing was written.
    """

    id: int
    at_ms: int
    upstream: str
    day: str
    ours_nano_usd: int
    theirs_nano_usd: int
    alarmed: bool
    final: bool
    detail: Detail = {}
    change_nano_usd: int = 0
    new: bool = True

    @property
    def difference_nano_usd(self) -> int:
        """What they billed beyond what we know of; negative where they billed less."""
        return self.theirs_nano_usd - self.ours_nano_usd
