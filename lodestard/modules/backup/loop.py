"""The daily backup, and the verbs.

Law: one at a time, and never in a request's way: what blocks runs beside the loop. One that fails is told, leaves
nothing, and is tried again; older ones stay as they are.
"""

import logging
from contextlib import ExitStack
from zoneinfo import ZoneInfo

import trio

from lodestard.domain.backup import BusyFault, Made, Shelf, Step, Tell, Verified
from lodestard.domain.errors import Fault
from lodestard.domain.news import Alert
from lodestard.domain.verbs import Argument, Arguments, Emit, Verb
from lodestard.modules.backup.schedule import is_due, is_late, newest_good_ms
from lodestard.modules.backup.settings import BackupSettings
from lodestard.modules.backup.words import day_of, describe_last
from lodestard.runtime import Runtime

SETTLE_S = 120.0
LOOK_S = 60.0
AFTER_TROUBLE_S = 900.0
TELL_S = 0.1
MS_PER_S = 1_000

logger = logging.getLogger(__name__)


async def run_backup(runtime: Runtime, settings: BackupSettings) -> None:
    """Make one whenever it is due, until cancelled."""
    backups = Backups(runtime, settings)
    with ExitStack() as doors:
        for verb in backups.verbs():
            doors.enter_context(runtime.hooks.verbs.add(verb.name, verb))
        await backups.look()
        doors.enter_context(runtime.hooks.status_parts.add("backup", backups.status))
        await backups.run()


class Backups:
    """Owner of what is known of the folder, and of how making them fares."""

    def __init__(self, runtime: Runtime, settings: BackupSettings) -> None:
        self._runtime = runtime
        self._rules = settings.rules
        self._at = settings.at
        self._zone = ZoneInfo(runtime.timezone)
        self._turn = trio.Lock()
        self._shelf = Shelf(folder=settings.dir)
        self._bad: set[str] = set()
        self.trouble = ""

    async def run(self) -> None:
        """A minute's look at a time; not at once, for a start has enough to do."""
        await trio.sleep(SETTLE_S)
        while True:
            await self.look()
            if self._is_due():
                await self._make_due()
            await trio.sleep(AFTER_TROUBLE_S if self.trouble else LOOK_S)

    async def look(self) -> None:
        """See what there is."""
        try:
            self._shelf = await self._runtime.backups.shelf(self._rules)
        except Fault as fault:
            self._note_trouble(fault.message)
        else:
            if not self._is_due():
                self.trouble = ""  # the folder is there again, or somebody else has made one

    def _is_due(self) -> bool:
        now_ms = self._now_ms()
        return is_due(now_ms, newest_good_ms(self._shelf, now_ms), self._at, self._zone)

    async def _make_due(self) -> None:
        try:
            made = await self.make(lambda _step: None)
        except Fault:
            return
        logger.info("backed up: %s, %d bytes, in %d ms", made.backup.id, made.backup.bytes, made.took_ms)
        for name in made.deleted:
            logger.info("the backup %s need not be kept any more: deleted", name)
        for left in made.manifest.left_out:
            logger.warning("not in the backup: %s: %s", left.name, left.why)
        await self._verify_another()

    async def make(self, tell: Tell) -> Made:
        """Make one. Raises ``Fault``, which is told and noted before."""
        async with self._turn:
            try:
                made = await self._runtime.backups.make(self._rules, tell)
            except BusyFault:
                raise
            except Fault as fault:
                self._note_trouble(fault.message)
                raise
        await self.look()
        return made

    async def _verify_another(self) -> None:
        """One of those that came from elsewhere, so that they count some day."""
        unknown = [each.id for each in self._shelf.backups if each.verified_ms is None and each.id not in self._bad]
        if not unknown:
            return
        try:
            found = await self._runtime.backups.verify(self._rules, unknown[-1])
        except Fault as fault:
            logger.warning("the backup %s could not be looked at: %s", unknown[-1], fault.message)
            return
        if found.faults:
            self._bad.add(unknown[-1])  # told once; the next one's turn
            logger.warning("the backup %s is bad: %s", unknown[-1], found.faults[0])
        await self.look()

    def _note_trouble(self, why: str) -> None:
        if self.trouble != why:
            logger.error("the ledger could not be backed up: %s", why)
        self.trouble = why
        self._runtime.hooks.alert.tell(failed(why, self._now_ms(), self._zone))

    def _now_ms(self) -> int:
        return self._runtime.clock.now_ms()

    # -- being asked -------------------------------------------------------------------------------------------

    def status(self) -> dict[str, object]:
        """Words for a person; ``figures`` for the doctor and Prometheus."""
        now_ms = self._now_ms()
        newest_ms = newest_good_ms(self._shelf, now_ms)
        started_ms = self._runtime.started_s * MS_PER_S
        sizes = [each.bytes for each in self._shelf.backups if each.at_ms == newest_ms]
        return {
            "last": describe_last(now_ms, newest_ms),
            "folder": self._shelf.folder,
            **({"trouble": self.trouble} if self.trouble else {}),
            "figures": {
                "last_ms": newest_ms or 0,
                "bytes": sizes[0] if sizes else 0,
                "backups": len(self._shelf.backups),
                "late": is_late(now_ms, newest_ms, started_ms, self._at, self._zone),
                "same_disk": self._shelf.same_disk,
            },
        }

    def verbs(self) -> tuple[Verb, ...]:
        which = (Argument(name="backup", default="", help="its id; otherwise the newest"),)
        return (
            Verb(name="backup.now", summary="back up now", needs="admin", stream=self._now),
            Verb(name="backup.list", summary="the backups, and why they are kept", needs="read", answer=self._list),
            Verb(
                name="backup.verify",
                summary="read one and check it",
                needs="admin",
                arguments=which,
                answer=self._verify,
            ),
        )

    async def _now(self, _arguments: Arguments, emit: Emit) -> None:
        """Items are ``Step``s, the last one is a ``Made``."""
        send, receive = trio.open_memory_channel[Step](1)
        ended: list[Made | Fault] = []

        def tell(step: Step) -> None:
            try:
                send.send_nowait(step)
            except trio.WouldBlock:
                return  # the next one says more

        async def make() -> None:
            with send:
                try:
                    ended.append(await self.make(tell))
                except Fault as fault:  # raised by us, not within the nursery's group
                    ended.append(fault)

        with receive:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(make)
                async for step in receive:
                    await emit({"step": step})
                    await trio.sleep(TELL_S)
        if isinstance(ended[0], Fault):
            raise ended[0]
        await emit({"made": ended[0]})

    async def _list(self, _arguments: Arguments) -> Shelf:
        await self.look()
        return self._shelf

    async def _verify(self, arguments: Arguments) -> Verified:
        async with self._turn:
            found = await self._runtime.backups.verify(self._rules, arguments["backup"])
        await self.look()
        return found


def failed(why: str, now_ms: int, zone: ZoneInfo) -> Alert:
    """Told once a day. Pure."""
    day = day_of(now_ms, zone)
    return Alert(
        key=f"backup:{day}",
        topic="backup",
        source="backup",
        severity="error",
        title="The ledger could not be backed up",
        text=f"{why.rstrip('.')}. It is tried again every quarter of an hour.",
        figures={"day": day},
    )
