"""A request's place on a card, as the hallway holds it: wait, sit, leave.

Law: whatever breaks, and whoever cancels, the place is given back. One that is superseded or preempted is cancelled
from within, by the scope that the place opens; that leaves as the fault that says why.
"""

from collections.abc import Sequence
from types import TracebackType

import trio

from lodestard.domain.residency import Ask, Wait
from lodestard.domain.usage import Durations, Usage
from lodestard.residency.card import Card
from lodestard.residency.guard import find_overridden
from lodestard.residency.reporting import say_wait
from lodestard.residency.state import Visit


class CardSeat:
    """Implements ``domain.host_ports.Seat``."""

    __slots__ = ("_card", "_visit")

    def __init__(self, card: Card, visit: Visit) -> None:
        self._card = card
        self._visit = visit

    @property
    def room_tokens(self) -> int | None:
        return self._visit.room_tokens

    def learn(self, usage: Usage | None, durations: Durations | None) -> None:
        self._card.learn(self._visit, usage, durations)


class CardPlace:
    """Implements ``domain.host_ports.Place``. Used once."""

    __slots__ = ("_ask", "_card", "_visit")

    def __init__(self, card: Card, ask: Ask) -> None:
        self._card = card
        self._ask = ask
        self._visit: Visit | None = None

    def note_first(self) -> None:
        if self._visit is not None:
            self._visit.produced_s = trio.current_time()

    @property
    def predicted(self) -> Wait | None:
        visit = self._visit
        return visit.predicted if visit is not None and visit.waited else None

    @property
    def notes(self) -> Sequence[str]:
        overridden = find_overridden(self._ask.request, self._card.terms.pinned(self._ask.target.model))
        return overridden if self._visit is None else (*self._visit.story, *overridden)

    @property
    def note(self) -> str:
        visit = self._visit
        return "" if visit is None or visit.begun_s is not None else say_wait(self._card, visit)

    async def __aenter__(self) -> CardSeat:
        visit = self._visit = self._card.enqueue(self._ask)
        try:
            if visit.begun_s is None:
                await self._wait_turn(visit)
        except BaseException:
            self._give_up(visit)
            raise
        visit.scope.__enter__()
        return CardSeat(self._card, visit)

    async def _wait_turn(self, visit: Visit) -> None:
        """Until its place is free. Raises why it gets none."""
        await visit.turn.wait()
        if visit.fault is not None:
            raise visit.fault
        visit.room_tokens = self._card.judge(visit)  # the context that the model was loaded with may be another one

    def _give_up(self, visit: Visit) -> None:
        """It does not sit down, though its turn may have come."""
        if visit.begun_s is None:
            self._card.forget(visit)
        else:
            self._card.leave(visit, None)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> bool | None:
        visit = self._visit
        assert visit is not None, "left without having been entered"
        caught = visit.scope.__exit__(kind, error, trace)
        self._card.leave(visit, error)
        if caught and visit.fault is not None:
            raise visit.fault
        return caught
