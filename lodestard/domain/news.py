"""What the house tells its modules: figures of what has ended, never a word of prompt or answer."""

import msgspec

from lodestard.domain.closing import Closing
from lodestard.domain.request import Caller
from lodestard.domain.upstream import Target
from lodestard.domain.usage import Durations, Usage


class AttemptEnded(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt has ended. ``outcome`` is ``ok`` or a fault's code; ``first_piece_ns`` is counted from dialling."""

    target: Target
    outcome: str
    total_ns: int
    first_piece_ns: int | None
    usage: Usage | None
    durations: Durations | None
    cost_nano_usd: int


class RequestEnded(msgspec.Struct, frozen=True, kw_only=True):
    """One request has ended; ``closing`` says how, ``caller`` who asked, by what it said of itself."""

    request_id: str
    caller: Caller
    alias: str
    attempts: int
    cost_nano_usd: int
    closing: Closing
