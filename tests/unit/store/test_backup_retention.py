"""Which backups are kept: by example over a year, and what holds for any."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.backup import Backup, BackupRules
from lodestard.store.backup_retention import choose_kept

DAY_MS = 86_400_000
YEAR = datetime(2026, 1, 1, 3, 30, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def backup(at_ms: int, *, verified: bool = True) -> Backup:
    return Backup(id=f"{at_ms:015d}", file="", at_ms=at_ms, bytes=1, verified_ms=at_ms if verified else None)


def pruned(backups: Sequence[Backup], rules: BackupRules) -> list[Backup]:
    kept = choose_kept(backups, rules, UTC)
    return [each for each in backups if kept[each.id]]


def test_a_year_of_days() -> None:
    rules = BackupRules(keep_daily=7, keep_weekly=4, keep_monthly=12)
    there: list[Backup] = []
    for day in range(400):
        at_ms = int((YEAR + timedelta(days=day)).timestamp()) * 1_000
        there = pruned([*there, backup(at_ms)], rules)
    last = YEAR + timedelta(days=399)
    days = [datetime.fromtimestamp(each.at_ms / 1_000, UTC) for each in reversed(there)]
    assert [day.date() for day in days[:7]] == [(last - timedelta(days=back)).date() for back in range(7)]
    kept = choose_kept(there, rules, UTC)
    for name, most in (("daily", 7), ("weekly", 4), ("monthly", 12)):
        assert sum(name in why for why in kept.values()) == most
    months = [day for day in days[7:] if (day + timedelta(days=1)).day == 1]
    assert len(months) >= 10  # the last day of each month that is over
    assert len(there) <= 7 + 4 + 12


def test_days_are_those_of_the_zone() -> None:
    late = int(datetime(2026, 5, 1, 21, 59, tzinfo=UTC).timestamp()) * 1_000  # 23:59 in Berlin
    after = late + 2 * 60_000
    rules = BackupRules(keep_daily=2, keep_weekly=0, keep_monthly=0)
    assert all(choose_kept([backup(late), backup(after)], rules, BERLIN).values())
    assert choose_kept([backup(late), backup(after)], rules, BERLIN)[backup(late).id] == ("recent", "daily")
    assert choose_kept([backup(late), backup(after)], rules, UTC)[backup(late).id] == ("recent",)


def test_what_was_made_in_the_last_day_stays() -> None:
    """Whoever makes one before a change and one after it has both."""
    rules = BackupRules(keep_daily=1, keep_weekly=0, keep_monthly=0)
    there = [backup(at_ms) for at_ms in (1, 9 * DAY_MS, 9 * DAY_MS + 1, 10 * DAY_MS - 1, 10 * DAY_MS)]
    kept = choose_kept(there, rules, UTC)
    assert list(kept.values()) == [(), (), ("recent",), ("recent",), ("latest", "daily")]


BACKUPS = st.lists(
    st.builds(backup, st.integers(0, 800 * DAY_MS), verified=st.booleans()),
    unique_by=lambda each: each.id,
    max_size=60,
)
RULES = st.builds(
    BackupRules, keep_daily=st.integers(0, 9), keep_weekly=st.integers(0, 9), keep_monthly=st.integers(0, 14)
)


@given(BACKUPS, RULES)
def test_what_holds_for_any(backups: list[Backup], rules: BackupRules) -> None:
    kept = choose_kept(backups, rules, BERLIN)
    assert kept.keys() == {each.id for each in backups}
    good = [each for each in backups if each.verified_ms is not None]
    assert all(kept[each.id] == ("not verified",) for each in backups if each.verified_ms is None)
    if good:
        assert kept[max(good, key=lambda each: each.at_ms).id][0] == "latest"
    counts = {name: sum(name in why for why in kept.values()) for name in ("daily", "weekly", "monthly")}
    assert counts["daily"] <= rules.keep_daily
    assert counts["weekly"] <= rules.keep_weekly
    assert counts["monthly"] <= rules.keep_monthly
    left = [each for each in backups if kept[each.id]]
    assert choose_kept(left, rules, BERLIN) == {each.id: kept[each.id] for each in left}  # nothing goes the next time
    assert choose_kept(backups[::-1], rules, BERLIN) == kept


@given(BACKUPS, RULES, st.integers(1, 14))
def test_keeping_more_keeps_at_least_those(backups: list[Backup], rules: BackupRules, more: int) -> None:
    wider = BackupRules(
        keep_daily=rules.keep_daily + more, keep_weekly=rules.keep_weekly, keep_monthly=rules.keep_monthly + more
    )
    kept, wide = choose_kept(backups, rules, BERLIN), choose_kept(backups, wider, BERLIN)
    assert {name for name, why in kept.items() if why} <= {name for name, why in wide.items() if why}
