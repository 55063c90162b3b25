"""What the house has learned survives it: saved every minute and at the end, loaded at the start.

Law: what can't be saved is lost and told, never more than that; what can't be read is learned anew.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import trio

from lodestard.domain.errors import HouseFault
from lodestard.domain.host_ports import Keepsake

SAVE_EVERY_S = 60.0
logger = logging.getLogger(__name__)


class Learner(Protocol):
    """Who learns. ``dump`` gives all of it as bytes: the same ones where nothing has changed."""

    def dump(self) -> bytes: ...


@asynccontextmanager
async def kept(learner: Learner, keepsake: Keepsake, what: str) -> AsyncIterator[None]:
    """Keep what ``learner`` learns in ``keepsake`` while the context lasts. ``what`` it is about, for the log."""
    saver = Saver(learner, keepsake, what)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(saver.run)
        try:
            yield
        finally:
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await saver.save()


class Saver:
    """Owner of what was saved last."""

    def __init__(self, learner: Learner, keepsake: Keepsake, what: str) -> None:
        self._learner = learner
        self._keepsake = keepsake
        self._what = what
        self._saved = learner.dump()

    async def run(self) -> None:
        """Save what has changed every minute."""
        while True:
            await trio.sleep(SAVE_EVERY_S)
            await self.save()

    async def save(self) -> None:
        """Save what has changed; a disk that does not take it costs what was learned since, and a line in the log."""
        learned = self._learner.dump()
        if learned == self._saved:
            return
        try:
            await self._keepsake.save(learned)
            self._saved = learned
        except HouseFault as fault:
            logger.warning("what was learned of %s could not be saved: %s", self._what, fault.own_words)
