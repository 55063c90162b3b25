"""Waits for idle time and fills it with replays, one at a time, until something real comes.

Law: nothing runs unless the user has switched it on and keeps text; a real request stops a replay at once (the host's
owner sees to that, and this module comes back later). A generation that is retired replays nothing any more, so that
two never write the same file.
"""

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

import trio

from lodestard.domain.clock import NS_PER_S
from lodestard.domain.errors import Fault
from lodestard.domain.evidence import Evidence
from lodestard.domain.news import RequestEnded
from lodestard.domain.quotes import PaidRequest
from lodestard.domain.residency import HostState
from lodestard.domain.upstream import Target
from lodestard.modules.eval_idle.book import Book
from lodestard.modules.eval_idle.files import FILE, load, save
from lodestard.modules.eval_idle.plan import (
    Moment,
    Replay,
    choose_replay,
    is_fit,
    local_models,
    order_models,
    why_not,
)
from lodestard.modules.eval_idle.replay import Outcome, replay_one
from lodestard.modules.eval_idle.settings import EvalIdleSettings
from lodestard.modules.eval_idle.telling import Telling
from lodestard.runtime import Runtime

LOOK_S = 5.0
LIST_AGAIN_S = 600.0
MISSING_S = 3_600.0
FIRST_PAUSE_S = 30.0
LONGEST_PAUSE_S = 900.0
TRIES = 3
PAGE = 100
MOST_LISTED = 2_000
DAY_MS = 86_400_000
MS_PER_S = 1_000
MINUTES_AN_HOUR = 60

logger = logging.getLogger(__name__)


async def run_eval_idle(runtime: Runtime, settings: EvalIdleSettings) -> None:
    """Learn until cancelled."""
    await EvalIdle(runtime, settings).run()


class EvalIdle:
    """Owner of what was learned, and of the file that it is kept in."""

    def __init__(self, runtime: Runtime, settings: EvalIdleSettings) -> None:
        self._runtime = runtime
        self._settings = settings
        self._file = runtime.state_dir / FILE
        self._zone = ZoneInfo(runtime.timezone)
        self.book = Book()
        self.telling = Telling(self, runtime, settings)
        self.doing = "it is about to begin"
        self.replaying: Replay | None = None
        self.trouble = ""
        self._quiet_since_ns = runtime.clock.monotonic_ns()
        self._pause_until_ns = 0
        self._pauses = 0
        self._missing: dict[Target, int] = {}
        self._tries: dict[tuple[str, Target], int] = {}
        self._listed: list[PaidRequest] = []
        self._listed_until_ns = 0

    async def run(self) -> None:
        hooks, scope = self._runtime.hooks, trio.CancelScope()
        with ExitStack() as doors:
            doors.enter_context(hooks.status_parts.add("eval_idle", self.telling.part))
            for verb in self.telling.verbs():
                doors.enter_context(hooks.verbs.add(verb.name, verb))
            doors.enter_context(hooks.request_ended.listen(self.hear))
            doors.enter_context(hooks.retired.listen(lambda _: scope.cancel()))
            doors.enter_context(hooks.evidence.provide(self.evidence))
            with scope:
                await self._load()
                await self._work()
            self.doing = "another configuration serves now"
            await trio.sleep_forever()

    def hear(self, ended: RequestEnded) -> None:
        """A request has ended: where it was not of the house itself, quiet begins anew."""
        if not ended.caller.origin:
            self._quiet_since_ns = self._runtime.clock.monotonic_ns()

    def evidence(self, task: str, target: Target) -> Evidence | None:
        """For whoever chooses who answers."""
        return self.book.evidence(task, target)

    # -- work --------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        begun = False
        while True:
            self.doing = self.trouble or why_not(self.moment(), self._settings)
            if self.doing:
                await trio.sleep(LOOK_S)
                continue
            if not begun:
                # The generation before this one may have learned something after we had read the file.
                await self._load()
                begun = True
                continue
            await self._step()

    async def _step(self) -> None:
        """One replay, or a wait for more to replay."""
        try:
            replay = await self._find()
            if replay is None:
                self.doing = "everything that there is has been replayed"
                await trio.sleep(LOOK_S)
            elif not why_not(self.moment(), self._settings):
                await self._replay(replay)
        except Fault as fault:
            logger.warning("nothing can be replayed now: %s", fault.message)
            self._pause()

    async def _replay(self, replay: Replay) -> None:
        self.replaying, self.doing = replay, ""
        try:
            outcome = await replay_one(replay, self._runtime, self._settings.timeout_s)
        finally:
            self.replaying = None
        if self._note(replay, outcome):
            await self._save()

    def _note(self, replay: Replay, outcome: Outcome) -> bool:
        """What a replay has shown; whether that is to be kept."""
        request_id, target = replay.request.id, replay.target
        key = replay.request.task, target
        if outcome.end != "judged":
            logger.info("the replay of %s with %s: %s %s", request_id, target, outcome.end, outcome.why)
        if outcome.end in ("gave way", "missing"):
            if outcome.end == "missing":
                self._missing[target] = self._now_ns() + int(MISSING_S * NS_PER_S)
            self._pause()
            return False
        if outcome.end == "failed" and self._count_try(request_id, target) < TRIES:
            self._pause()
            return False
        self._pauses = 0
        self._tries.pop((request_id, target), None)
        self.book.turn(self._runtime.ledger.totals().day)
        if outcome.result is not None:
            self.book.add(request_id, key, outcome.result)
        elif outcome.end == "gone":
            self.book.skip(request_id, target)
        elif outcome.end == "unfit":
            self.book.add_unfit(request_id, key)
        else:
            self.book.add_failed(request_id, key)
        return True

    def _count_try(self, request_id: str, target: Target) -> int:
        tries = self._tries[request_id, target] = self._tries.get((request_id, target), 0) + 1
        return tries

    def _pause(self) -> None:
        """Each one twice as long, until something was judged again."""
        pause_s = min(FIRST_PAUSE_S * (1 << min(self._pauses, 5)), LONGEST_PAUSE_S)
        self._pauses += 1
        self._pause_until_ns = self._now_ns() + int(pause_s * NS_PER_S)

    # -- looking -----------------------------------------------------------------------------------------------

    async def _find(self) -> Replay | None:
        """What to replay next, by a list that is made anew now and then."""
        if self._now_ns() >= self._listed_until_ns:
            self._listed = await self._list()
            self._listed_until_ns = self._now_ns() + int(LIST_AGAIN_S * NS_PER_S)
        hosts = self._hosts()
        models = order_models(self._models(hosts), hosts, self.book)
        return choose_replay(self._listed, models, self.book)

    async def _list(self) -> list[PaidRequest]:
        since_ms = self._runtime.clock.now_ms() - self._settings.lookback_days * DAY_MS
        quotes, found, before = self._runtime.ledger.quotes, list[PaidRequest](), ""
        for _ in range(MOST_LISTED // PAGE):
            page = await quotes.paid(since_ms=since_ms, before=before, limit=PAGE)
            found += [request for request in page if is_fit(request, self._settings)]
            if len(page) < PAGE:
                break
            before = page[-1].id
        return found

    def moment(self) -> Moment:
        """What is known now."""
        runtime, hosts = self._runtime, self._hosts()
        totals = runtime.ledger.totals()
        self.book.turn(totals.day)
        now = datetime.fromtimestamp(runtime.clock.now_ms() / MS_PER_S, UTC).astimezone(self._zone)
        return Moment(
            store_text=runtime.settings.ledger.store_text,
            looked_after=runtime.residency is not None,
            minute=now.hour * MINUTES_AN_HOUR + now.minute,
            quiet_for_s=(self._now_ns() - self._quiet_since_ns) / NS_PER_S,
            open_requests=totals.open_requests,
            today=self.book.today,
            pause_s=(self._pause_until_ns - self._now_ns()) / NS_PER_S,
            models=self._models(hosts),
            hosts=hosts,
        )

    def _hosts(self) -> Mapping[str, HostState]:
        residency = self._runtime.residency
        return {} if residency is None else {name: residency.state(name) for name in residency.hosts}

    def _models(self, hosts: Mapping[str, HostState]) -> tuple[Target, ...]:
        known = local_models(self._runtime.routes.free_candidates(), hosts, self._settings)
        return tuple(target for target in known if self._missing.get(target, 0) <= self._now_ns())

    def _now_ns(self) -> int:
        return self._runtime.clock.monotonic_ns()

    # -- the file ----------------------------------------------------------------------------------------------

    async def _load(self) -> None:
        """What was learned before. A file that can't be read is begun anew."""
        try:
            self.book = await trio.to_thread.run_sync(load, self._file)
        except (OSError, ValueError) as error:
            logger.warning("%s can't be read, so learning begins anew: %s", self._file, error)
            self.book = Book()

    async def _save(self) -> None:
        """Until it is written: what is not on the disk would be replayed again after a restart."""
        while True:
            try:
                await trio.to_thread.run_sync(partial(save, self._file, self.book.snapshot()))
            except OSError as error:
                if not self.trouble:
                    logger.warning("%s can't be written: %s", self._file, error.strerror or type(error).__name__)
                self.trouble = f"what was learned can't be written: {error.strerror or type(error).__name__}"
                self.doing = self.trouble
                await trio.sleep(FIRST_PAUSE_S)
            else:
                self.trouble = ""
                return
