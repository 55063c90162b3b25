"""Who gets a connection: never more than the limit, first come first served, nobody forgotten."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lodestard.upstream.assign import Attempt, Counts, Seat, Upkeep, choose_seat, may_resend, plan_grants, plan_upkeep
from lodestard.upstream.seats import Grant, Seats

small = st.integers(0, 6)
any_counts = st.builds(Counts, limit=st.integers(1, 6), leased=small, opening=small, idle=small, waiting=small)


@pytest.mark.parametrize(
    ("counts", "seat"),
    [
        (Counts(2), Seat.DIAL),
        (Counts(2, idle=1), Seat.REUSE),
        (Counts(2, leased=1, opening=1), Seat.WAIT),
        (Counts(2, leased=1, idle=1), Seat.REUSE),
        (Counts(2, waiting=1), Seat.WAIT),
    ],
)
def test_choose_seat(counts: Counts, seat: Seat) -> None:
    assert choose_seat(counts) is seat


@given(any_counts)
def test_grants_fill_the_room_and_no_more(counts: Counts) -> None:
    grants = plan_grants(counts)
    dials = grants.count(Seat.DIAL)
    assert len(grants) <= counts.waiting
    assert grants.count(Seat.REUSE) <= counts.idle
    assert dials == 0 or counts.open + dials <= counts.limit
    if len(grants) < counts.waiting:
        assert grants.count(Seat.REUSE) == counts.idle
        assert counts.open + dials >= counts.limit


@given(any_counts, st.lists(st.floats(0, 100), max_size=6), st.floats(0, 100), small)
def test_upkeep_stays_within_the_limit(counts: Counts, since_s: list[float], bound_s: float, preopen: int) -> None:
    counts = Counts(counts.limit, counts.leased, counts.opening, len(since_s))
    plan = plan_upkeep(counts, sorted(since_s), bound_s, preopen)
    assert plan.close == sum(since <= bound_s for since in since_s)
    left = counts.open - plan.close
    assert plan.open == 0 or left + plan.open <= counts.limit
    assert plan.open <= preopen
    if plan.open == 0:
        assert counts.idle - plan.close + counts.opening >= preopen or left >= counts.limit


def test_upkeep_replaces_what_expired() -> None:
    assert plan_upkeep(Counts(8, idle=3), [1.0, 5.0, 9.0], 5.0, 2) == Upkeep(close=2, open=1)


@pytest.mark.parametrize(
    ("written", "answered", "free", "again"),
    [
        (False, False, False, True),  # never whole at the server
        (True, False, False, False),  # may have been billed
        (True, False, True, True),
        (True, True, True, False),
        (False, True, False, False),
    ],
)
def test_may_resend(written: bool, answered: bool, free: bool, again: bool) -> None:
    assert may_resend(Attempt(written, answered, free)) is again


class PoolOfTickets(RuleBasedStateMachine):
    """Requests are numbers in the order they came; connections too."""

    @initialize(limit=st.integers(1, 4))
    def start(self, limit: int) -> None:
        self.limit = limit
        self.seats: Seats[int, int] = Seats(limit)
        self.requests = 0
        self.connections = 0
        self.opening = 0
        self.waiting: list[int] = []
        self.served: list[int] = []
        self.leases: list[int | None] = []

    def deliver(self, grants: list[Grant[int, int]]) -> None:
        for grant in grants:
            assert grant.waiter == self.waiting.pop(0)
            self.serve(grant.waiter, grant.connection)

    def serve(self, request: int, connection: int | None) -> None:
        self.served.append(request)
        self.leases.append(connection)

    def new_connection(self) -> int:
        self.connections += 1
        return self.connections

    @rule()
    def come(self) -> None:
        self.requests += 1
        seat, connection = self.seats.take()
        if seat is Seat.WAIT:
            self.seats.wait(self.requests)
            self.waiting.append(self.requests)
        else:
            assert (connection is not None) == (seat is Seat.REUSE)
            self.serve(self.requests, connection)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        waiter = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(waiter)
        self.seats.leave(waiter)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), closed=st.booleans())
    def finish(self, data: st.DataObject, closed: bool) -> None:
        lease = self.leases.pop(data.draw(st.integers(0, len(self.leases) - 1)))
        connection = None if closed else lease or self.new_connection()
        self.deliver(self.seats.give_back(connection))

    @precondition(lambda self: None in self.leases or any(self.leases))
    @rule()
    def find_dead(self) -> None:
        before = self.seats.idle
        another = self.seats.take_another()
        assert another == (before[-1] if before else None)

    @precondition(lambda self: self.seats.counts.open < self.limit)
    @rule()
    def preopen(self) -> None:
        self.opening += 1
        self.seats.begin_opening()

    @precondition(lambda self: self.opening)
    @rule(failed=st.booleans())
    def opened(self, failed: bool) -> None:
        self.opening -= 1
        self.deliver(self.seats.end_opening(None if failed else self.new_connection()))

    @precondition(lambda self: self.seats.idle)
    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        self.deliver(self.seats.discard(data.draw(st.sampled_from(self.seats.idle))))

    @invariant()
    def books_agree(self) -> None:
        counts = self.seats.counts
        assert counts.open <= self.limit
        assert (counts.leased, counts.waiting, counts.opening) == (len(self.leases), len(self.waiting), self.opening)
        held = [connection for connection in self.leases if connection is not None] + list(self.seats.idle)
        assert len(set(held)) == len(held)

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        counts = self.seats.counts
        assert not counts.waiting or (counts.idle == 0 and counts.open == self.limit)

    @invariant()
    def first_come_first_served(self) -> None:
        assert self.served == sorted(self.served)


TestSeats = PoolOfTickets.TestCase
