"""What was learned is saved every minute and at the end, and a disk that fails costs a line in the log."""

import pytest
import trio
import trio.testing

from lodestard.keeping import SAVE_EVERY_S, kept
from tests.fakes.memory_keepsake import MemoryKeepsake


class Pupil:
    """A learner whose knowledge is a text."""

    def __init__(self) -> None:
        self.knows = b"nothing"

    def dump(self) -> bytes:
        return self.knows


async def test_what_has_changed_is_saved(autojump_clock: trio.testing.MockClock) -> None:
    pupil, keepsake = Pupil(), MemoryKeepsake()
    async with kept(pupil, keepsake, "wind"):
        await trio.sleep(3 * SAVE_EVERY_S + 1)
        assert keepsake.saves == 0
        pupil.knows = b"a little"
        await trio.sleep(3 * SAVE_EVERY_S)
        assert (keepsake.saves, keepsake.data) == (1, b"a little")
        pupil.knows = b"all"
    assert (keepsake.saves, keepsake.data) == (2, b"all")


async def test_cancelled_it_is_saved_too(autojump_clock: trio.testing.MockClock) -> None:
    pupil, keepsake = Pupil(), MemoryKeepsake()
    with trio.move_on_after(1):
        async with kept(pupil, keepsake, "wind"):
            pupil.knows = b"all"
            await trio.sleep_forever()
    assert keepsake.data == b"all"


async def test_a_full_disk_is_told_and_tried_again(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    pupil, keepsake = Pupil(), MemoryKeepsake()
    keepsake.full = True
    async with kept(pupil, keepsake, "wind"):
        pupil.knows = b"all"
        await trio.sleep(SAVE_EVERY_S + 1)
        assert "what was learned of wind could not be saved" in caplog.text
        keepsake.full = False
        await trio.sleep(SAVE_EVERY_S)
        assert keepsake.data == b"all"
