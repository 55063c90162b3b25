"""Faults on request: what one answer does wrong, and which answer does it.

Law: a fault is data. `Fault` is read from text such as ``cut=10`` or ``status=429;retry-after=3`` (header
``x-sim-fault``, ``POST /__sim/faults``) or made in code; it is applied by `reply.FaultyReply` (bytes) and by the
dialect writers (events). A `FaultPlan` is owned by one simulator and says which request gets which fault.
"""

from collections import deque
from collections.abc import Callable, Iterable

import msgspec


class FaultSyntaxError(ValueError):
    """The text names no fault that the simulator knows."""


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong with one answer. Seconds and bytes; ``None`` is: does not happen.

    Byte positions count the body's own bytes, without chunk framing. Before the head: ``slow``, ``reset``,
    ``close``, ``hang``, ``status``. The head: ``content_type``, ``dribble_head``. The body: ``cut`` (end of the
    connection), ``cut_rst`` (the same by a reset), ``end`` (the message is ended properly, but too early),
    ``stall`` (silence until the client leaves), ``garbage`` (64 bytes of nonsense at this position), ``noise``
    (the whole body is nonsense), ``dribble`` (bytes a second), ``slow_body``. Events: ``error`` (the dialect's
    error event after so many pieces), ``oom`` (the card's memory runs out after so many pieces: an error, and Ollama
    forgets all its models), ``no_usage``, ``double_usage``, ``no_done``, ``big_event`` (an event of so many bytes).
    """

    slow: float | None = None
    slow_body: float | None = None
    reset: bool = False
    close: bool = False
    hang: bool = False
    status: int | None = None
    retry_after: str | None = None
    code: str | None = None
    message: str | None = None
    content_type: str | None = None
    dribble_head: float | None = None
    dribble: float | None = None
    cut: int | None = None
    cut_rst: int | None = None
    end: int | None = None
    stall: int | None = None
    garbage: int | None = None
    noise: bool = False
    error: int | None = None
    oom: int | None = None
    no_usage: bool = False
    double_usage: bool = False
    no_done: bool = False
    big_event: int | None = None


NO_FAULT = Fault()
_BARE = {
    "garbage": 0,
    "stall": 0,
    "cut": 0,
    "cut_rst": 0,
    "end": 0,
    "error": 1,
    "oom": 1,
    "big_event": 17 << 20,
    "slow": 1.0,
}
_FLAGS = {"reset", "close", "hang", "noise", "no_usage", "double_usage", "no_done"}


def parse_fault(text: str) -> Fault:
    """``"slow=0.5;cut=10"`` → Fault. Words as in `Fault`, with ``-`` or ``_``. Raises `FaultSyntaxError`."""
    words: dict[str, object] = {}
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        name, equals, value = part.partition("=")
        key = name.strip().replace("-", "_")
        words[key] = value.strip() if equals else _bare_value(key)
    try:
        return msgspec.convert(words, Fault, strict=False)
    except msgspec.ValidationError as error:
        raise FaultSyntaxError(f"{text!r}: {error}") from None


def _bare_value(key: str) -> object:
    if key in _FLAGS:
        return True
    if key in _BARE:
        return _BARE[key]
    raise FaultSyntaxError(f"{key!r} needs a value, or is no fault")


class FaultPlan:
    """Which request gets which fault. Owned by one simulator; the queue first, then ``by_index``, then ``always``."""

    def __init__(self, by_index: Callable[[int], Fault | None] | None = None) -> None:
        self.always = NO_FAULT
        self._by_index = by_index
        self._queue: deque[Fault | None] = deque()

    def queue(self, faults: Iterable[Fault | str | None]) -> None:
        """The next requests get these, one each; ``None`` lets one pass."""
        self._queue.extend(parse_fault(fault) if isinstance(fault, str) else fault for fault in faults)

    def clear(self) -> None:
        self._queue.clear()
        self.always = NO_FAULT

    def take(self, index: int, header: str | None) -> Fault:
        """The fault of request ``index`` (from 0). A header beats the plan and leaves the queue alone."""
        if header is not None:
            return parse_fault(header)
        if self._queue:
            return self._queue.popleft() or NO_FAULT
        if self._by_index is not None and (fault := self._by_index(index)) is not None:
            return fault
        return self.always
