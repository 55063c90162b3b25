"""Opens the rooms in boot order; leaving the nesting is the shutdown order.

Law: what is open, and in which order it closes, is the indentation below. SIGTERM stops the doors first: no new
connections, requests under way get ``drain_s``; then flights, pools, cache and ledger close, each after everybody
who uses it is gone. A second signal doesn't wait. A restart goes the same way, but for the listening sockets.
"""

import gc
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from lodestard.backups import BackupRoom
from lodestard.breakers import Breakers
from lodestard.budget.rules import read_rates, read_rules
from lodestard.cache import MIGRATIONS as CACHE_MIGRATIONS
from lodestard.cache import Cache, open_cache
from lodestard.config import ConfigError
from lodestard.config.paths import run_dir
from lodestard.config.project import read_project
from lodestard.config.write import Change
from lodestard.config.zone import machine_zone
from lodestard.domain.clock import Clock, SystemClock
from lodestard.domain.errors import Fault
from lodestard.domain.news import RequestEnded
from lodestard.domain.price import Price
from lodestard.domain.settings import Budget, Settings
from lodestard.doors import Port, Sockets, close_control, close_proxy, hand_on, open_control, open_proxy
from lodestard.generation import Foundation
from lodestard.hooks import Signal
from lodestard.house import House, Plan, no_rehearsal
from lodestard.http import HttpServer, Load
from lodestard.inquiry import ask_model
from lodestard.keeping import kept
from lodestard.ledger import SCHEMA as LEDGER_SCHEMA
from lodestard.ledger import Ledger, LedgerOptions, SessionRules, open_ledger
from lodestard.log import set_level
from lodestard.panel import Desks, Panel, Places
from lodestard.prices.refresh import Prices, open_prices
from lodestard.projects import Projects, Switches, run_watch
from lodestard.request_log import open_request_log
from lodestard.residency.room import Residency, open_residency
from lodestard.restart import Successor, name_successor
from lodestard.routing.catalog import baseline_price
from lodestard.store import StoreOptions, open_store
from lodestard.store.keepsake import FileKeepsake
from lodestard.systemd import Notifier
from lodestard.tasks import Tasks
from lodestard.tokens import Estimator
from lodestard.upstream.model_host import open_model_host

MS_PER_S = 1_000
NS_PER_US = 1_000
LEARNED_FILE = "residency.json"
TOKENS_FILE = "tokens.json"
TASKS_FILE = "tasks.bin"
PROJECTS_FILE = "projects.json"
SWITCHES_FILE = "use.json"
COLLECT_AFTER = (10_000, 20, 20)
HEEDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGURG)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Boot:
    """What ``__main__`` found out before trio began. ``sockets`` are inherited descriptors by name.

    ``own_sockets``: they are ours from before a restart, no service manager's. ``rehearse`` is the house's.
    ``stand_by`` is called before signals are heeded. ``terminal_gone`` says of the terminal that it was started in.
    """

    read_plan: Callable[[], Plan]
    write_change: Callable[[Change], object]
    plan: Plan
    places: Places
    sockets: Sockets
    notifier: Notifier
    watchdog_s: float | None
    announce: Callable[[Sequence[str]], None]
    own_sockets: bool = True
    rehearse: Callable[[], Awaitable[str]] = no_rehearsal
    stand_by: Callable[[], object] = lambda: None
    terminal_gone: Callable[[], bool] = lambda: False


async def run_daemon(boot: Boot, clock: Clock | None = None) -> Successor | None:
    """The daemon's life, from the first room to the last; then who follows, if anybody.

    Raises ``Fault`` where a room can't be opened.
    """
    clock, successor = clock or SystemClock(), None
    settings = boot.plan.loaded.settings
    prices = await open_prices(boot.places.state_dir, settings, clock)
    async with (
        open_ledger_room(boot.places.state_dir, settings, clock, prices) as ledger,
        open_cache_room(boot.places.state_dir, settings, clock) as cache,
        open_request_log(clock) as request_log,
        open_residency_room(boot.places.state_dir, clock) as residency,
        open_estimator(boot.places.state_dir) as tokens,
        open_tasks(boot.places.state_dir) as tasks,
        open_projects(boot.places.state_dir, clock) as (projects, switches),
        trio.open_nursery() as nursery,
    ):
        ended: Signal[RequestEnded] = Signal("request_ended, of all generations")
        ended.always(request_log.note)
        foundation = Foundation(
            clock,
            ledger,
            cache,
            prices,
            ended,
            started_s=clock.now_ms() // MS_PER_S,
            state_dir=boot.places.state_dir,
            run_dir=run_dir(boot.places.control_socket),
            timezone=zone_name(settings),
            residency=residency,
            ask=ask_model,
            load=Load(settings.server.limits.buffered_bytes),
            tokens=tokens,
            tasks=tasks,
            outcomes=ledger.feedback,
            projects=projects,
            switches=switches,
            backups=open_backups(boot, ledger, clock),
        )
        residency.configure(settings, boot.plan.blueprint.keys)
        foundation.breakers.configure(settings)
        ledger.budgets.on_alert = foundation.budget_alert.tell
        port = Port(boot.plan.certificate)
        house = House(
            foundation,
            nursery,
            boot.read_plan,
            boot.write_change,
            boot.plan,
            on_change=partial(take_in, Rooms(cache, ledger, prices, residency, port, foundation.breakers, projects)),
            rehearse=boot.rehearse,
        )
        prices.on_change = partial(take_baseline, ledger, prices)
        projects.on_change = partial(take_budgets, ledger, projects, house)
        if projects.budgets():
            await projects.on_change()
        await house.open()
        await nursery.start(heed_signals, house, boot, nursery.cancel_scope)
        proxy = await open_proxy(house, boot.sockets, port, nursery)
        desks = Desks(projects, switches)
        panel = Panel(house, ledger, cache, prices, proxy, boot.places, zone_name(settings), desks)
        control = await open_control(panel, boot.sockets, nursery)
        nursery.start_soon(feed_watchdog, boot)
        nursery.start_soon(ledger.run_forecasts)
        nursery.start_soon(run_watch, projects)
        spare_the_collector()
        tell_ready(boot, settings, proxy)
        nursery.start_soon(prices.run, name="price book")
        await house.stop_asked.wait()
        if house.restarts_with:
            successor = name_successor(boot.plan, house.restarts_with, hand_on(proxy, control), ours=boot.own_sockets)
        await close_proxy(house, boot.notifier, proxy)
        await close_control(control)
        nursery.cancel_scope.cancel()
    return successor if house.restarts_with else None


# -- rooms -------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def open_ledger_room(
    state_dir: Path, settings: Settings, clock: Clock, prices: Prices
) -> AsyncIterator[Ledger]:
    """The ledger over its own file, every commit of which is on the disk before anyone goes on."""
    baseline = baseline_price(settings, prices.quotes, clock.now_ms())
    async with (
        open_store(
            state_dir / "ledger.db", [LEDGER_SCHEMA], options=StoreOptions(durable=True), clock=clock
        ) as store,
        open_ledger(store, clock, options=ledger_options(settings, baseline)) as ledger,
    ):
        yield ledger


def ledger_options(settings: Settings, baseline: Price | None) -> LedgerOptions:
    """What the configuration says of the ledger."""
    return LedgerOptions(
        baseline=baseline,
        timezone=zone_name(settings),
        rules=read_rules(settings.budgets),
        rates=read_rates(settings),
        retention_days=settings.ledger.retention_days,
        sessions=session_rules(settings),
    )


def session_rules(settings: Settings) -> SessionRules:
    """``[sessions]``, as the ledger counts. Pure."""
    sessions = settings.sessions
    return SessionRules(idle_gap_ms=int(sessions.idle_gap_s * MS_PER_S), max_ms=int(sessions.max_s * MS_PER_S))


@asynccontextmanager
async def open_residency_room(state_dir: Path, clock: Clock) -> AsyncIterator[Residency]:
    """The cards, with what was learned of them before."""
    keepsake = FileKeepsake(state_dir / LEARNED_FILE)
    async with (
        open_residency(open_model_host, clock, await keepsake.load()) as residency,
        kept(residency, keepsake, "the cards"),
    ):
        yield residency


@asynccontextmanager
async def open_estimator(state_dir: Path) -> AsyncIterator[Estimator]:
    """The estimates of prompts, with what was learned of models before."""
    keepsake = FileKeepsake(state_dir / TOKENS_FILE)
    estimator = Estimator(await keepsake.load())
    async with kept(estimator, keepsake, "how models count tokens"):
        yield estimator


@asynccontextmanager
async def open_tasks(state_dir: Path) -> AsyncIterator[Tasks]:
    """What kind of work requests are, with what people have corrected before."""
    keepsake = FileKeepsake(state_dir / TASKS_FILE)
    tasks = Tasks(await keepsake.load())
    async with kept(tasks, keepsake, "kinds of work"):
        yield tasks


@asynccontextmanager
async def open_projects(state_dir: Path, clock: Clock) -> AsyncIterator[tuple[Projects, Switches]]:
    """What people have trusted and switched before."""
    projects = Projects(FileKeepsake(state_dir / PROJECTS_FILE), read_project)
    switches = Switches(FileKeepsake(state_dir / SWITCHES_FILE), clock.now_ms)
    await projects.load()
    await switches.load()
    yield projects, switches


@asynccontextmanager
async def open_cache_room(state_dir: Path, settings: Settings, clock: Clock) -> AsyncIterator[Cache]:
    """The cache, over a file of its own that may be deleted at any time; in memory where it shall not be on disk."""
    if not (settings.cache.enabled and settings.cache.disk):
        async with open_cache(settings.cache, None, clock) as cache:
            yield cache
        return
    options = StoreOptions(durable=False, disposable=True)
    async with (
        open_store(state_dir / "cache.db", CACHE_MIGRATIONS, options=options, clock=clock) as store,
        open_cache(settings.cache, store, clock) as cache,
    ):
        yield cache


# -- signals and systemd -----------------------------------------------------------------------------------------


async def heed_signals(
    house: House, boot: Boot, life: trio.CancelScope, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """SIGTERM or SIGINT drains, a second one stops at once, SIGHUP reloads. Heeded before any door is open.

    SIGHUP is also what a terminal sends that is closed: then nobody is there any more, and it drains.

    SIGURG comes before the SIGTERM of a restart (the unit's ExecStop=): the drain is a restart's.
    """
    boot.stand_by()
    with trio.open_signal_receiver(*HEEDED) as signals:
        task_status.started()
        async for number in signals:
            if number == signal.SIGHUP and not boot.terminal_gone():
                await reload(house, boot)
            elif number == signal.SIGURG:
                house.expect_restart()
            elif house.restarts_with:
                logger.warning("stopping instead of restarting")
                house.restarts_with = None
            elif house.draining:
                logger.warning("stopping now: requests under way are cut")
                life.cancel()
            else:
                house.begin_drain()


async def reload(house: House, boot: Boot) -> None:
    """Reload, and tell systemd; a configuration that is wrong changes nothing but the log."""
    boot.notifier.reloading(house.foundation.clock.monotonic_ns() // NS_PER_US)
    try:
        changes = await house.reload()
    except (ConfigError, Fault) as error:
        logger.error("the configuration was not reloaded, the old one stays: %s", error)  # noqa: TRY400
        boot.notifier.ready("reload failed, the old configuration serves; see the journal")
    else:
        boot.notifier.ready(f"reloaded, {len(changes.changed)} values changed")


async def feed_watchdog(boot: Boot) -> None:
    """Tell systemd that the loop turns, as often as it wants to hear it."""
    while boot.watchdog_s is not None:
        boot.notifier.watchdog()
        await trio.sleep(boot.watchdog_s)


def open_backups(boot: Boot, ledger: Ledger, clock: Clock) -> BackupRoom:
    """Who makes backups of this house. The demo's configuration is in none."""
    settle = partial(ledger.reports.requests, 1)  # a report waits until what was posted before it is in the file
    config = None if boot.places.simulated else boot.places.config_file
    return BackupRoom(boot.places.state_dir, config, zone_name(boot.plan.loaded.settings), clock, settle)


def spare_the_collector() -> None:
    """What is here now stays: the garbage collector need not look at it again each time, nor look so often.

    It was off since the process began, and does not look now either: a whole look takes 40 to 80 ms, in which the
    first client would wait, and finds less than it costs (docs/decisions/0022).
    """
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    gc.enable()


def tell_ready(boot: Boot, settings: Settings, proxy: HttpServer) -> None:
    addresses = proxy.addresses
    logger.info(
        "ready on %s; models: %d, upstreams: %d",
        ", ".join(addresses),
        len(settings.models),
        len(settings.upstreams),
    )
    boot.notifier.ready(f"serving on {', '.join(addresses)}")
    boot.announce(addresses)


def zone_name(settings: Settings) -> str:
    """The zone in which the ledger's days begin."""
    return settings.ledger.timezone or machine_zone()


@dataclass(frozen=True, slots=True)
class Rooms:
    """What outlives every generation, and takes in what a reload changes."""

    cache: Cache
    ledger: Ledger
    prices: Prices
    residency: Residency
    port: Port
    breakers: Breakers
    projects: Projects


async def take_in(rooms: Rooms, plan: Plan) -> None:
    """What a reload changes outside the generation. Raises ``HouseFault`` or ``ConfigError``; then nothing has."""
    settings, ledger = plan.loaded.settings, rooms.ledger
    rooms.port.check(plan)
    await ledger.take_in_budgets(read_rules(all_budgets(settings, rooms.projects)), read_rates(settings))
    set_level(settings.log.level)
    ledger.sessions.rules = session_rules(settings)
    ledger.upkeep.retention_days = settings.ledger.retention_days
    rooms.prices.take_settings(settings)
    rooms.cache.configure(settings.cache)
    rooms.residency.configure(settings, plan.blueprint.keys)
    rooms.breakers.configure(settings)
    rooms.port.certificate = plan.certificate


async def take_budgets(ledger: Ledger, projects: Projects, house: House) -> None:
    """Another project is trusted, or none any more: its limit stands beside the configuration's."""
    settings = house.plan.loaded.settings
    await ledger.take_in_budgets(read_rules(all_budgets(settings, projects)), read_rates(settings))


def all_budgets(settings: Settings, projects: Projects) -> Mapping[str, Budget]:
    """The configuration's, and those of trusted projects, whose names no configuration can have."""
    return {**projects.budgets(), **settings.budgets}


def take_baseline(ledger: Ledger, prices: Prices) -> None:
    """Another configuration, price book or time: savings are counted against the baseline's price of now."""
    ledger.baseline = baseline_price(prices.settings, prices.quotes, prices.clock.now_ms())
