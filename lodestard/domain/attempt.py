"""One attempt at a candidate, as it goes: for the trace, the answer's headers and the news."""

from collections.abc import Sequence

import msgspec

from lodestard.domain.host_ports import Place
from lodestard.domain.ports import AttemptPort
from lodestard.domain.reply import Draft, Piece
from lodestard.domain.upstream import AS_ASKED, Candidate, SentAs


class AttemptRecord(msgspec.Struct):
    """What became of one attempt, for the trace and the answer's headers. Times are monotonic nanoseconds.

    ``limit_tokens`` is the output limit that was written into the request, ``by_budget`` or because its dialect
    demands one; ``room_tokens``: that of the model's context. ``place`` is where it waited; it was admitted at
    ``admitted_ns``. ``check`` is the check that its answer failed, and why. ``draft`` is its answer as far as it has
    come, with the upstream's own ``body``; ``size_bytes`` of it are counted. ``hedge``: it was started beside another
    one. ``led_on`` is the condition under which the next candidate was asked.
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
    draft: Draft = msgspec.field(default_factory=Draft)
    body: bytes = b""
    size_bytes: int = 0
    hedge: bool = False
    led_on: str = ""

    @property
    def limited(self) -> str:
        """What a budget changed of it, in a few words; empty where it changed nothing."""
        return f"output limited to {self.limit_tokens} tokens by a budget" if self.by_budget else ""

    def gather(self, pieces: Sequence[Piece]) -> None:
        """Add pieces to the whole."""
        add = self.draft.add
        for piece in pieces:
            add(piece)

    def mark_sent(self) -> None:
        """From here on bytes of the request may have reached the upstream."""
        self.sent = True

    def fail(self, outcome: str, detail: str) -> None:
        self.outcome = outcome
        self.detail = detail


def elsewhere_ns(attempts: Sequence[AttemptRecord], now_ns: int) -> int:
    """How long they have waited for a place, or for an upstream; what two did at the same time counts once. Pure."""
    spans = []
    for record in attempts:
        ended_ns = record.ended_ns or now_ns
        spans.append((record.started_ns, record.admitted_ns or ended_ns))
        if record.dialled_ns:
            spans.append((record.dialled_ns, ended_ns))
    total_ns = counted_ns = 0
    for begun_ns, ended_ns in sorted(spans):
        total_ns += max(0, ended_ns - max(begun_ns, counted_ns))
        counted_ns = max(counted_ns, ended_ns)
    return total_ns
