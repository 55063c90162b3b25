"""Hears alerts, tells them, and goes on trying until everybody has them.

Law: hearing is sync and cheap; it puts an alert on the list, once, and into the log. One task a channel delivers.
When the generation retires, what is still to be delivered is left in the file for the next one.
"""

import logging
from collections.abc import Mapping
from contextlib import ExitStack

import trio

from lodestard.domain.clock import NS_PER_MS
from lodestard.domain.news import Alert, BudgetAlert
from lodestard.domain.verbs import Argument, Arguments, Emit, Verb
from lodestard.modules.alerts.delivery import Channel, DeliveryError, open_channels
from lodestard.modules.alerts.notice import Notice, alert_of, choose_current, presentable
from lodestard.modules.alerts.outbox import Outbox
from lodestard.modules.alerts.patience import choose_next, is_given_up, pause_s
from lodestard.modules.alerts.settings import AlertsSettings
from lodestard.runtime import Runtime

FILE = "alerts.json"
LISTED = 50
CLOSE_S = 5.0
GRACE_S = 3.0
LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO}

logger = logging.getLogger(__name__)


async def run_alerts(runtime: Runtime, settings: AlertsSettings) -> None:
    """Tell of alerts until cancelled, or until the generation retires."""
    await Alerts(runtime, settings).run()


class Alerts:
    """Owner of the list, and of how each channel fares."""

    def __init__(self, runtime: Runtime, settings: AlertsSettings) -> None:
        self._runtime = runtime
        self._settings = settings
        self._channels = open_channels(runtime, settings)
        self._outbox = Outbox(runtime.state_dir / FILE)
        self._news = trio.Event()
        self._leaving = trio.Event()
        self._trouble: dict[str, str] = {}

    async def run(self) -> None:
        hooks = self._runtime.hooks
        with ExitStack() as doors:
            doors.enter_context(hooks.budget_alert.listen(self.hear_budget))
            doors.enter_context(hooks.alert.listen(self.hear))
            doors.enter_context(hooks.retired.listen(lambda _news: self._leaving.set()))
            doors.enter_context(hooks.status_parts.add("alerts", self.status))
            for verb in self._verbs():
                doors.enter_context(hooks.verbs.add(verb.name, verb))
            doors.callback(self._outbox.close)
            await self._serve()

    async def _serve(self) -> None:
        try:
            await self._outbox.open()
            self._outbox.forget_channels({channel.name for channel in self._channels})
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep)
                for channel in self._channels:
                    nursery.start_soon(self._tell, channel)
        finally:
            with trio.move_on_after(CLOSE_S, shield=True):
                await self._outbox.save()

    # -- hearing -----------------------------------------------------------------------------------------------

    def hear_budget(self, news: BudgetAlert) -> None:
        self.hear(alert_of(news))

    def hear(self, alert: Alert) -> None:
        alert = presentable(alert)
        channels = [channel.name for channel in self._channels] if alert.source in self._settings.sources else []
        if self._outbox.add(alert, self._runtime.clock.now_ms(), channels):
            record(alert)
            self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = trio.Event()

    # -- telling -----------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Write the list down whenever there is news."""
        while not self._leaving.is_set():
            news = self._news
            await self._outbox.save()
            await self._wait(news)

    async def _tell(self, channel: Channel) -> None:
        failures = 0
        tried: dict[str, int] = {}
        while not self._leaving.is_set():
            news = self._news
            self._give_up_old(channel)
            notice = choose_next(self._outbox.waiting_for(channel.name), tried)
            if notice is None:
                await self._wait(news)
            elif why_not := await self._deliver(channel, notice):
                failures += 1
                tried[notice.alert.key] = tried.get(notice.alert.key, 0) + 1
                self._note_trouble(channel.name, why_not, failures)
                with trio.move_on_after(pause_s(failures)):
                    await self._leaving.wait()
            else:
                failures = 0
                tried.pop(notice.alert.key, None)
                self._note_well(channel.name)
                self._wake()

    async def _deliver(self, channel: Channel, notice: Notice) -> str:
        """Empty where it was delivered, otherwise why not.

        Cancelled, it gets some seconds to end: given up half-way, it would be delivered again.
        """
        why_not = ""
        scope = trio.CancelScope(shield=True)
        async with trio.open_nursery() as nursery:
            await nursery.start(give_grace, scope)
            with scope:
                try:
                    await channel.deliver(notice.alert, notice.at_ms)
                except DeliveryError as error:
                    why_not = str(error)
                else:
                    self._outbox.settle(notice, channel.name)
            nursery.cancel_scope.cancel()
        return why_not

    async def _wait(self, news: trio.Event) -> None:
        """Until there is news, or until it is time to go."""
        async with trio.open_nursery() as nursery:

            async def wait_for(event: trio.Event) -> None:
                await event.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(wait_for, news)
            nursery.start_soon(wait_for, self._leaving)

    def _give_up_old(self, channel: Channel) -> None:
        for notice in self._outbox.waiting_for(channel.name):
            if is_given_up(notice, self._runtime.clock.now_ms()):
                why_not = self._trouble.get(channel.name, "it took more than a day")
                logger.error("%s never got the alert %s: %s", channel.name, notice.alert.key, why_not)
                self._outbox.settle(notice, channel.name, why_not)

    def _note_trouble(self, name: str, why_not: str, failures: int) -> None:
        if self._trouble.get(name) != why_not:
            logger.warning("alerts can't be delivered by %s, trying again: %s", name, why_not)
        self._trouble[name] = why_not
        logger.debug("%s: failure %d in a row", name, failures)

    def _note_well(self, name: str) -> None:
        if self._trouble.pop(name, ""):
            logger.info("alerts are delivered by %s again", name)

    # -- being asked -------------------------------------------------------------------------------------------

    def status(self) -> dict[str, object]:
        """What ``lodestarctl status`` shows above all else."""
        current = choose_current(self._outbox.notices, self._runtime.clock.now_ms())
        return {
            "current": [told(notice, current=True) for notice in current],
            "undelivered": sum(bool(notice.pending) for notice in self._outbox.notices),
        }

    def _verbs(self) -> tuple[Verb, ...]:
        how_many = (Argument(name="last", kind="integer", default=LISTED, help="how many"),)
        return (
            Verb(name="alerts", summary="what was told", needs="read", arguments=how_many, answer=self._list),
            Verb(name="alerts.test", summary="a test alert by every way", needs="admin", stream=self._test),
        )

    async def _list(self, arguments: Arguments) -> dict[str, object]:
        await trio.lowlevel.checkpoint()
        notices = self._outbox.notices
        current = {notice.alert.key for notice in choose_current(notices, self._runtime.clock.now_ms())}
        newest = sorted(notices, key=lambda notice: -notice.at_ms)[: max(0, arguments["last"])]
        return {
            "alerts": [told(notice, current=notice.alert.key in current) for notice in newest],
            "channels": [
                {"name": channel.name, "detail": self._trouble.get(channel.name, "")} for channel in self._channels
            ],
        }

    async def _test(self, _arguments: Arguments, emit: Emit) -> None:
        clock = self._runtime.clock
        alert = test_alert()
        record(alert)
        await emit({"channel": "log", "outcome": "ok", "detail": "", "total_ms": 0})
        for channel in self._channels:
            started_ns = clock.monotonic_ns()
            why_not = await self._deliver(channel, Notice(alert=alert, at_ms=clock.now_ms()))
            total_ms = (clock.monotonic_ns() - started_ns) // NS_PER_MS
            outcome = "failed" if why_not else "ok"
            await emit({"channel": channel.name, "outcome": outcome, "detail": why_not, "total_ms": total_ms})


async def give_grace(scope: trio.CancelScope, *, task_status: trio.TaskStatus[None]) -> None:
    """Cancelled from without, let ``scope`` end by itself for a moment."""
    task_status.started()
    try:
        await trio.sleep_forever()
    finally:
        scope.deadline = min(scope.deadline, trio.current_time() + GRACE_S)


def told(notice: Notice, *, current: bool) -> Mapping[str, object]:
    """A notice as the verbs say it. Pure."""
    alert = notice.alert
    return {
        "at_ms": notice.at_ms,
        "key": alert.key,
        "source": alert.source,
        "severity": alert.severity,
        "title": alert.title,
        "text": alert.text,
        "until_ms": alert.until_ms,
        "current": current,
        "pending": list(notice.pending),
        "failed": notice.failed,
    }


def record(alert: Alert) -> None:
    """Into the log, with its figures (``LODESTAR_ALERT=budget``)."""
    figures = {"alert": alert.source, "key": alert.key, **alert.figures}
    logger.log(LEVELS[alert.severity], "%s: %s", alert.title, alert.text, extra={"lodestar": figures})


def test_alert() -> Alert:
    """Harmless, and says so."""
    return Alert(
        key="test",
        topic="test",
        source="test",
        severity="info",
        title="A test",
        text="lodestarctl alerts test has sent this; nothing is wrong.",
    )
