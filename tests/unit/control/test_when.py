"""Times as people write them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from lodestard.control.verbs.when import read_age_s, read_since_ms, read_until_ms, today_ms
from lodestard.domain.errors import CallerFault

NOW = datetime(2025, 11, 21, 12, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp()) * 1000
UTC_ZONE, BERLIN = ZoneInfo("UTC"), ZoneInfo("Europe/Berlin")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90m", 5_400), ("24h", 86_400), ("7d", 604_800), (" 2W ", 1_209_600), ("0s", 0)]
)
def test_ages(text: str, seconds: int) -> None:
    assert read_age_s(text, "older_than") == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "1.5h", "7 d", "9999999d", "7y"])
def test_what_is_no_age(text: str) -> None:
    with pytest.raises(CallerFault) as caught:
        read_age_s(text, "older_than")
    assert caught.value.param == "older_than"


@pytest.mark.parametrize(
    ("text", "zone", "since", "until"),
    [
        ("24h", UTC_ZONE, "2025-11-20T12:00Z", "2025-11-20T12:00Z"),
        ("today", UTC_ZONE, "2025-11-21T00:00Z", "2025-11-22T00:00Z"),
        ("today", BERLIN, "2025-11-20T23:00Z", "2025-11-21T23:00Z"),
        ("yesterday", UTC_ZONE, "2025-11-20T00:00Z", "2025-11-21T00:00Z"),
        ("month", UTC_ZONE, "2025-11-01T00:00Z", "2025-11-02T00:00Z"),
        ("2025-10-26", BERLIN, "2025-10-25T22:00Z", "2025-10-26T23:00Z"),
        ("2024-02-29", UTC_ZONE, "2024-02-29T00:00Z", "2024-03-01T00:00Z"),
        ("999999w", UTC_ZONE, "1970-01-01T00:00Z", "1970-01-01T00:00Z"),
    ],
)
def test_instants(text: str, zone: ZoneInfo, since: str, until: str) -> None:
    assert read_since_ms(text, NOW_MS, zone) == at(since)
    assert read_until_ms(text, NOW_MS, zone) == at(until)


@pytest.mark.parametrize("text", ["", "now", "2025-13-01", "2025-02-30", "21.11.2025", "2025-11-21T10:00"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(CallerFault) as caught:
        read_since_ms(text, NOW_MS, UTC_ZONE)
    assert caught.value.param == "since"
    with pytest.raises(CallerFault):
        read_until_ms(text, NOW_MS, UTC_ZONE)


def test_the_day_of_an_instant() -> None:
    assert today_ms(NOW_MS, UTC_ZONE) == at("2025-11-21T00:00Z")
