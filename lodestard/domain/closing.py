"""How a request ended: what its ledger row is made of."""

from typing import Any

import msgspec

from lodestard.domain.upstream import Target
from lodestard.domain.usage import Durations, Usage


class Closing(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a request, for the ledger. ``outcome`` is ``ok`` or a fault's code; ``cache`` is hit, shared
    (joined an answer under way), miss or bypass. Times are microseconds since the request's head was read.
    ``trace`` is what ``explain`` shows. ``task`` is the kind of work that it was found to be, empty where its
    caller's label stands; ``hardness`` how hard.
    """

    outcome: str
    status: int
    cache: str
    target: Target | None = None
    usage: Usage | None = None
    durations: Durations | None = None
    total_us: int = 0
    first_piece_us: int | None = None
    overhead_us: int = 0
    task: str = ""
    hardness: float = 0.5
    trace: dict[str, Any] = msgspec.field(default_factory=dict)


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger made of a closing. ``baseline_nano_usd`` is None where nobody can say.

    ``prompt_cache_nano_usd`` is what the provider's own prompt cache has saved. ``switched_from`` is the model that
    had answered its session before ("upstream/model"), where it was another one.
    """

    received_ms: int = 0
    session: str = ""
    project: str = ""
    free: bool = False
    cost_nano_usd: int = 0
    unknown_nano_usd: int = 0
    baseline_nano_usd: int | None = None
    prompt_cache_nano_usd: int = 0
    switched_from: str = ""
