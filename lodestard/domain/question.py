"""What a module asks a model, and what it is told: the words of ``runtime.ask``."""

from collections.abc import Mapping

import msgspec

from lodestard.domain.request import ToolCall
from lodestard.domain.residency import Rank
from lodestard.domain.upstream import Target
from lodestard.domain.usage import Durations, Usage


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A request of the house's own. ``origin`` says who asks: it is the client of the ledger's row.

    ``model`` is an alias, or "upstream/model": then that one is asked. ``members`` are those of a chat completion's
    body (``messages``, ``tools`` …), as raw JSON; ``model`` and ``stream`` in it are not heeded. ``keep``: its answer
    may come from the cache, and may be kept there. ``rank`` says how urgent it is, ``task`` and ``session`` are its
    labels in reports.
    """

    origin: str
    model: str
    members: Mapping[str, msgspec.Raw]
    rank: Rank = "background"
    task: str = ""
    session: str = ""
    keep: bool = False


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer, with the figures of its row in the ledger. ``target`` is the model that gave it.

    ``finish`` is why it ended (``stop``, ``length`` …); ``cache`` is hit, shared, miss or bypass.
    """

    request_id: str
    target: Target
    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish: str = ""
    cache: str = "bypass"
    usage: Usage | None = None
    durations: Durations | None = None
    cost_nano_usd: int = 0
    total_us: int = 0
