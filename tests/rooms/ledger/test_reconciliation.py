"""Bills beside the ledger: each look posts what has changed, and the checks see what was tampered with."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lodestard.domain.bills import Bill
from lodestard.domain.errors import CallerFault
from lodestard.ledger import SCHEMA
from lodestard.ledger.reconciliation import MOST_NANO_USD, check_reconciliation, write_look
from tests.fakes.memory_store import MemoryStore, MemoryTx
from tests.rooms.ledger.test_ledger import COST, DAY_MS, LOCAL, NOON_MS, PAID, WORST, closing, opened

DAY_START_MS = NOON_MS // DAY_MS * DAY_MS
AMOUNTS = st.one_of(st.integers(0, 5), st.integers(0, MOST_NANO_USD))


def a_bill(ours: int, theirs: int, *, day: str = "2026-11-25", upstream: str = "openai", **members: Any) -> Bill:
    return Bill(at_ms=NOON_MS, upstream=upstream, day=day, ours_nano_usd=ours, theirs_nano_usd=theirs, **members)


BILLS = st.builds(
    a_bill,
    AMOUNTS,
    AMOUNTS,
    day=st.sampled_from(["2026-11-24", "2026-11-25"]),
    upstream=st.sampled_from(["openai", "anthropic"]),
    final=st.booleans(),
)
BALANCE = "SELECT coalesce(sum(iif(to_book = 'unreconciled', amount_nano_usd, -amount_nano_usd)), 0) FROM adjustment"


@settings(max_examples=60)
@given(st.lists(BILLS, max_size=12))
def test_the_book_is_always_theirs_less_ours_of_the_last_looks(bills: list[Bill]) -> None:
    store = MemoryStore((SCHEMA,))
    tx = MemoryTx(store.connection)
    last: dict[tuple[str, str], int] = {}
    for bill in bills:
        before = last.get((bill.upstream, bill.day), 0)
        look = write_look(tx, bill)
        again = write_look(tx, bill)
        assert look.change_nano_usd == look.difference_nano_usd - before
        assert (again.new, again.change_nano_usd, again.id) == (False, 0, look.id)
        last[bill.upstream, bill.day] = bill.theirs_nano_usd - bill.ours_nano_usd
        assert store.read(BALANCE)[0][0] == sum(last.values())
    assert check_reconciliation(store) == []


def test_a_final_look_is_written_though_nothing_has_changed() -> None:
    tx = MemoryTx(MemoryStore((SCHEMA,)).connection)
    assert write_look(tx, a_bill(5, 5)).new
    final = write_look(tx, a_bill(5, 5, final=True, detail={"requests": 3}))
    assert (final.new, final.final, final.change_nano_usd, final.detail) == (True, True, 0, {"requests": 3})
    assert not write_look(tx, a_bill(5, 5)).new


@pytest.mark.parametrize(
    "tamper",
    [
        "DELETE FROM adjustment",
        "INSERT INTO adjustment SELECT id, 0, 'funds', 'unreconciled', 1 FROM reconciliation WHERE day = 'other'",
        "UPDATE reconciliation SET theirs_nano_usd = theirs_nano_usd + 1 WHERE day = '2026-11-25'",
        "DELETE FROM adjustment; INSERT INTO adjustment VALUES (1, 0, 'unreconciled', 'funds', 3)",
    ],
)
def test_what_was_tampered_with_is_seen(tamper: str) -> None:
    store = MemoryStore((SCHEMA,))
    tx = MemoryTx(store.connection)
    write_look(tx, a_bill(2, 5))
    write_look(tx, a_bill(2, 2, day="other"))
    assert check_reconciliation(store) == []
    store.connection.execute(tamper)
    (problem,) = check_reconciliation(store)
    assert "its adjustment is not what has changed" in problem


def test_bills_beyond_reason_are_refused() -> None:
    with pytest.raises(CallerFault, match="larger than can be right"):
        write_look(MemoryTx(MemoryStore((SCHEMA,)).connection), a_bill(0, MOST_NANO_USD + 1))


def test_adjustments_never_change() -> None:
    store = MemoryStore((SCHEMA,))
    write_look(MemoryTx(store.connection), a_bill(2, 5))
    with pytest.raises(Exception, match="never changes"):
        store.connection.execute("UPDATE adjustment SET amount_nano_usd = 1")


def test_a_ledger_of_version_1_has_nothing_to_check() -> None:
    class First:
        owner = "ledger"
        scripts = SCHEMA.scripts[:1]

    assert check_reconciliation(MemoryStore((First(),))) == []


async def test_ours_is_what_was_charged_for_attempts_of_the_day(tmp_path: Path) -> None:
    async with opened(tmp_path / "ledger.db") as house:
        await house.serve()
        await house.serve(LOCAL)
        entry = house.open()
        unknown = await house.ledger.hold(entry, PAID, WORST)
        house.ledger.unknown(unknown, "cut")
        house.ledger.close_entry(entry, closing(usage=None))
        under_way = await house.ledger.hold(house.open(), PAID, WORST)
        house.clock.ms += DAY_MS
        await house.serve()
        ours = await house.ledger.reconciliation.ours("anthropic", DAY_START_MS)
        assert (ours.nano_usd, ours.prompt_tokens, ours.completion_tokens) == (COST + WORST, 1_000, 100)
        assert (await house.ledger.reconciliation.ours("anthropic", DAY_START_MS + DAY_MS)).nano_usd == COST
        assert (await house.ledger.reconciliation.ours("t600", DAY_START_MS)).nano_usd == 0
        house.ledger.release(under_way, "done")


async def test_looks_are_reported_and_the_ledger_still_verifies(tmp_path: Path) -> None:
    async with opened(tmp_path / "ledger.db") as house:
        port = house.ledger.reconciliation
        assert await port.balance_nano_usd() == 0
        await port.post(a_bill(2, 5, day="2026-11-24", alarmed=True))
        await port.post(a_bill(9, 4))
        await port.post(a_bill(9, 6, final=True))
        assert [(look.day, look.difference_nano_usd) for look in await port.looks(2)] == [
            ("2026-11-25", -3), ("2026-11-25", -5),
        ]  # fmt: skip
        known = await port.known("openai", "2026-11-24")
        assert {day: (look.final, look.alarmed) for day, look in known.items()} == {
            "2026-11-24": (False, True), "2026-11-25": (True, False),
        }  # fmt: skip
        assert await port.known("openai", "2026-11-26") == {}
        assert await port.balance_nano_usd() == 0


async def test_a_month_has_the_last_looks_at_its_days(tmp_path: Path) -> None:
    async with opened(tmp_path / "ledger.db") as house:
        bills = house.ledger.reconciliation
        assert await bills.month_nano_usd("2026-11") is None
        for bill in (
            a_bill(10, 15),
            a_bill(10, 30),
            a_bill(10, 7, upstream="anthropic"),
            a_bill(0, 99, day="2026-12-01"),
        ):
            await bills.post(bill)
        assert await bills.month_nano_usd("2026-11") == 20 - 3
