"""The watch over every card: its source in one task, and one task that judges them all.

Law: reading and judging are apart, so that silence is noticed too. A card that can't be read is "unknown", and
nothing else in the house waits for it.
"""

import logging
from collections.abc import Mapping
from contextlib import ExitStack

import msgspec
import trio

from lodestard.domain.clock import NS_PER_S, Clock
from lodestard.domain.residency import HostState
from lodestard.domain.telemetry import Severity, Telemetry
from lodestard.modules.gpu.diagnose import diagnose
from lodestard.modules.gpu.energy import Meter, energy_of, measure
from lodestard.modules.gpu.hysteresis import Change, Holdings, look, shown_findings
from lodestard.modules.gpu.page_source import PageSource
from lodestard.modules.gpu.ps_reading import read_ps
from lodestard.modules.gpu.settings import Card, GpuSettings
from lodestard.modules.gpu.smi_source import SmiSource
from lodestard.modules.gpu.standing import Known, learn, stand
from lodestard.modules.gpu.thresholds import THRESHOLDS
from lodestard.modules.gpu.troubles import ADVICE, Trouble
from lodestard.modules.gpu.words import alert_of, all_clear_of, in_words
from lodestard.runtime import Runtime

LEVELS: Mapping[Severity, int] = {"error": logging.WARNING, "warning": logging.WARNING, "info": logging.INFO}

logger = logging.getLogger(__name__)


async def run_gpu(runtime: Runtime, settings: GpuSettings) -> None:
    """Watch the cards until cancelled, or until the generation retires: the next one watches them anew."""
    gpu = Gpu(runtime, settings)
    hooks = runtime.hooks
    with ExitStack() as doors, trio.CancelScope() as life:
        doors.enter_context(hooks.retired.listen(lambda _news: life.cancel()))
        doors.enter_context(hooks.telemetry.provide(gpu.telemetry))
        doors.enter_context(hooks.status_parts.add("gpu", gpu.status))
        async with trio.open_nursery() as nursery:
            for watch in gpu.watches.values():
                nursery.start_soon(gpu.read, watch)
            while True:
                await trio.sleep(settings.interval_s)
                for watch in gpu.watches.values():
                    gpu.judge(watch)


class Watch:
    """Owner of what is known of one card; changed in sync code only."""

    def __init__(self, name: str, card: Card, settings: GpuSettings, clock: Clock) -> None:
        self.name = name
        self.card = card
        self._settings = settings
        self._clock = clock
        self._longest_s = THRESHOLDS.stale_intervals * settings.interval_s
        self._known = Known()
        self._meter = Meter()
        self._holdings: Holdings = {}

    def hear(self, news: Telemetry | Trouble) -> None:
        """A reading, or why there is none."""
        before, now_ns = self._known.trouble, self._clock.monotonic_ns()
        self._known = learn(self._known, news, now_ns)
        if isinstance(news, Trouble):
            if news != before:
                level = LEVELS[ADVICE[news.code][0]]
                logger.log(level, "the card of %s can't be read: %s", self.name, news.text)
            return
        if before is not None:
            logger.info("the card of %s can be read again", self.name)
        self._meter = measure(self._meter, now_ns / NS_PER_S, news.power_w, self._longest_s)

    def judge(self, host: HostState | None) -> Change:
        """Look at it now, and say what has changed."""
        now_ns = self._clock.monotonic_ns()
        found = diagnose(stand(self._known, self.card.source, now_ns, self._longest_s), host, THRESHOLDS)
        change = look(self._holdings, found, now_ns / NS_PER_S, THRESHOLDS)
        self._holdings = change.holdings
        return change

    def telemetry(self) -> Telemetry:
        card = stand(self._known, self.card.source, self._clock.monotonic_ns(), self._longest_s)
        energy = energy_of(self._meter, self._settings.tariff_per_kwh, self._settings.currency)
        return msgspec.structs.replace(card, findings=shown_findings(self._holdings), energy=energy)


class Gpu:
    """Owner of the watches, by upstream."""

    def __init__(self, runtime: Runtime, settings: GpuSettings) -> None:
        self._runtime = runtime
        self._settings = settings
        residency = runtime.residency
        hosts = {} if residency is None else dict.fromkeys(residency.hosts, Card())
        cards = {**hosts, **settings.cards}
        self.watches: Mapping[str, Watch] = {
            name: Watch(name, card, settings, runtime.clock) for name, card in cards.items()
        }

    # -- being asked -------------------------------------------------------------------------------------------

    def telemetry(self, upstream: str) -> Telemetry | None:
        """What its card says; None for an upstream that nobody watches."""
        watch = self.watches.get(upstream)
        if watch is None:
            return None
        if watch.card.source == "ps" and (host := self._host(watch.name)) is not None:
            watch.hear(read_ps(host))  # it costs nothing, and whoever asks shows both together
        return watch.telemetry()

    def status(self) -> dict[str, object]:
        """One line a card."""
        return {name: in_words(watch.telemetry()) for name, watch in self.watches.items()}

    # -- watching ----------------------------------------------------------------------------------------------

    async def read(self, watch: Watch) -> None:
        """Read one card until cancelled."""
        card = watch.card
        if watch.name not in self._runtime.settings.upstreams:
            watch.hear(Trouble(code="no_upstream", text=f"no upstream is called {watch.name}"))
        elif card.source in ("ssh", "local"):
            await SmiSource(card, self._settings.interval_s, watch.hear).run()
        elif card.source == "ps":
            while True:
                watch.hear(read_ps(self._host(watch.name)))
                await trio.sleep(self._settings.interval_s)
        else:
            page = PageSource(self._runtime, watch.name, card)
            while True:
                watch.hear(await page.look())
                await trio.sleep(self._settings.interval_s)

    def judge(self, watch: Watch) -> None:
        """Look at one card, and tell of what has appeared and what is gone."""
        change = watch.judge(self._host(watch.name))
        now_ms, alert = self._runtime.clock.now_ms(), self._runtime.hooks.alert
        for held in change.appeared:
            if held.finding.severity == "info":
                logger.info("the card of %s: %s", watch.name, held.finding.text)
        for held in change.alarms:
            alert.tell(alert_of(watch.name, held, now_ms))
        for held in change.gone:
            if held.told:
                alert.tell(all_clear_of(watch.name, held, now_ms))

    def _host(self, name: str) -> HostState | None:
        """What the server holds in memory, where somebody knows."""
        residency = self._runtime.residency
        try:
            return None if residency is None else residency.state(name)
        except LookupError:
            return None
