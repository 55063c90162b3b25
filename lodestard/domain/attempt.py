"""One attempt at a candidate, as it goes: for the trace, the answer's headers and the news."""

import msgspec

from lodestard.domain.host_ports import Place
from lodestard.domain.ports import AttemptPort
from lodestard.domain.upstream import AS_ASKED, Candidate, SentAs


class AttemptRecord(msgspec.Struct):
    """What became of one attempt, for the trace and the answer's headers. Times are monotonic nanoseconds.

    ``limit_tokens`` is the output limit that was written into the request, ``by_budget`` or because its dialect
    demands one; ``room_tokens``: that of the model's context. ``place`` is where it waited; it was admitted at
    ``admitted_ns``. ``check`` is the check that its answer failed, and why.
    """

    candidate: Candidate
    started_ns: int
    held: AttemptPort | None = None
    dialled_ns: int = 0
    first_piece_ns: int = 0
    ended_ns: int = 0
    hold_nano_usd: int = 0
    cost_nano_usd: int = 0
    outcome: str = ""
    detail: str = ""
    sent: bool = False
    limit_tokens: int | None = None
    by_budget: bool = False
    room_tokens: int | None = None
    place: Place | None = None
    admitted_ns: int = 0
    sent_as: SentAs = AS_ASKED
    check: str = ""

    @property
    def limited(self) -> str:
        """What a budget changed of it, in a few words; empty where it changed nothing."""
        return f"output limited to {self.limit_tokens} tokens by a budget" if self.by_budget else ""

    def mark_sent(self) -> None:
        """From here on bytes of the request may have reached the upstream."""
        self.sent = True

    def fail(self, outcome: str, detail: str) -> None:
        self.outcome = outcome
        self.detail = detail
