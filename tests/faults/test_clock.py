"""F14: whatever the clocks do, a window of time is one, and one that is closed stays closed."""

import random
from zoneinfo import ZoneInfo, available_timezones

from tests.faults.doses import Figure, Tell, factor
from tests.faults.windows import CALENDAR, YEARS, awkward_ms, check_instant, check_nesting

SHORT_YEARS = 2
ALWAYS = ("Pacific/Apia", "Pacific/Kwajalein", "America/Havana", "America/Sao_Paulo", "Africa/Casablanca",
          "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "Antarctica/Troll", "UTC")  # fmt: skip


def test_windows_neither_overlap_nor_gap(seed: int, tell: Tell) -> None:
    luck, instants, zones = random.Random(seed), 0, sorted(available_timezones())
    for name in zones:
        zone = ZoneInfo(name)
        years = YEARS if factor() or name in ALWAYS else luck.sample(YEARS, SHORT_YEARS)
        for at_ms in awkward_ms(zone, years, luck):
            instants += 1
            for window in CALENDAR:
                check_instant(window, at_ms, zone)
            check_nesting(at_ms, zone)
    tell(Figure("F14 windows", f"{len(zones)} zones, {instants} instants", "one day, week and month each"))
