"""F4: a ledger that can't be written for half a minute, or is not there, stops paid models and nothing else."""

from pathlib import Path

import pytest

from lodestard.store import database
from tests.faults.doses import Figure, Tell, factor
from tests.faults.locks import Patience, lock_for_long, take_away

SCALE = 15
LOCKED_S = 30.0


async def test_it_is_locked_for_half_a_minute(ram_path: Path, tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    scale = 1 if factor() else SCALE
    monkeypatch.setattr(database, "WRITER_BUSY_MS", database.WRITER_BUSY_MS // scale)
    patience = Patience(LOCKED_S / scale, database.WRITER_BUSY_MS / 1_000)
    refused = await lock_for_long(ram_path, patience)
    assert refused >= 5
    figure = f"{refused} refused, after {patience.longest_s:.2f} s at the most; healed"
    tell(Figure("F4 locked", f"{patience.locked_s:.0f} s, the writer waits {patience.writer_s:.2f} s", figure))


@pytest.mark.parametrize("put_another", [False, True], ids=["gone", "another in its place"])
async def test_it_is_moved_away_while_it_is_open(ram_path: Path, tell: Tell, put_another: bool) -> None:
    refused = await take_away(ram_path, put_another=put_another)
    tell(
        Figure(
            f"F4 moved away, {'another there' if put_another else 'none there'}", "1", f"{refused} refused; healed"
        )
    )
