"""F14: whatever the clocks do, a window of time is one, and one that is closed stays closed."""

import random
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from tests.faults.clocks import Stepping
from tests.faults.doses import Figure, Tell, dose, factor
from tests.faults.windows import CALENDAR, YEARS, awkward_ms, check_instant, check_nesting

AWKWARD = {"Pacific/Apia": 2011, "Pacific/Kwajalein": 1993, "America/Havana": 2026, "America/Sao_Paulo": 2018,
           "Africa/Casablanca": 2030, "Europe/Berlin": 2026, "Asia/Kathmandu": 1986, "Australia/Lord_Howe": 2026,
           "Antarctica/Troll": 2026, "Asia/Manila": 1978, "America/Caracas": 2007}  # fmt: skip
SHORT, TABLE = 20, 1_000


def test_windows_neither_overlap_nor_gap(seed: int, tell: Tell) -> None:
    luck, instants = random.Random(seed), 0
    zones = [
        name for at, name in enumerate(sorted(available_timezones())) if factor() or name in AWKWARD or at % 3 == 0
    ]
    for name in zones:
        zone = ZoneInfo(name)
        years = [*luck.sample(YEARS, 12 * factor() or 1), *([AWKWARD[name]] if name in AWKWARD else ())]
        for at_ms in awkward_ms(zone, years, luck):
            instants += 1
            for window in CALENDAR:
                check_instant(window, at_ms, zone)
            check_nesting(at_ms, zone)
    tell(Figure("F14 windows", f"{len(zones)} zones, {instants} instants", "one day, week and month each"))


async def test_a_clock_that_is_stepped(ram_path: Path, autojump_clock: object, seed: int, tell: Tell) -> None:
    ledgers, checks = dose(SHORT, TABLE), 0
    for number in range(ledgers):
        folder = ram_path / str(number)
        folder.mkdir()
        stepping = Stepping(seed + number, folder)
        await stepping.run()
        checks += stepping.checks
    tell(Figure("F14 stepped clocks", f"{ledgers} ledgers", f"{checks} times the same figures everywhere"))
