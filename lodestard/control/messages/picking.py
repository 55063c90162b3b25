"""Every model that can be named, with what speaks for it: for ``models pick``."""

from lodestard.control.envelope import Message


class PickRow(Message, frozen=True):
    """``name`` is an alias or "upstream/model"; ``target`` who answers first. Rates are pico-USD a token.

    ``tokens_per_s`` is how fast it writes, as measured or by the ledger's times, waiting included; ``good`` and
    ``bad`` what its answers were said to be, weighted and fading. None where nobody knows. ``state``: up, down or
    unknown.
    """

    name: str
    target: str = ""
    alias: bool = False
    free: bool = False
    input_pico_usd: int | None = None
    output_pico_usd: int | None = None
    context_tokens: int | None = None
    tokens_per_s: float | None = None
    state: str = "unknown"
    good: float = 0.0
    bad: float = 0.0


class PickList(Message, frozen=True):
    """Aliases first, as they are configured; then what the price list knows of the configured upstreams."""

    models: tuple[PickRow, ...]
