"""F2: whatever is left of unsynced writes, nothing acknowledged is lost and the books add up."""

from pathlib import Path

from tests.faults.doses import Figure, Tell, dose, factor
from tests.faults.powercuts import Found, cut_the_power

SHORT, TABLE = 60, 500
AT_ONCE = 60
SEEDS = 3


async def test_the_power_fails(ram_path: Path, autojump_clock: object, seed: int, tell: Tell) -> None:
    images, seeds, found = dose(SHORT, TABLE), SEEDS if factor() else 1, Found()
    for number in range(seeds):
        for at in range(0, images, AT_ONCE):
            await cut_the_power(
                ram_path / f"{number} {at}", seed * 1_000 + number * 100_000 + at, min(AT_ONCE, images - at), found
            )
    tell(Figure("F2 power cuts", f"{found.images} images, {seeds} seeds", str(found)))
