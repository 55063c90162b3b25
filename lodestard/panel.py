"""The panel: what the control socket's verbs can ask of the house. Implements ``control.verbs.desk.Desk``.

Law: joins and decides nothing: every member asks one room and says it in the control socket's words.
"""

import logging
import platform
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from os import getpid
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import msgspec
import trio

from lodestard.advice.adviser import Adviser
from lodestard.budget import itemise
from lodestard.cache import BadLine, Cache, read_lines
from lodestard.config import ConfigError, ConfigFault
from lodestard.config.diff import Changes
from lodestard.config.show import show
from lodestard.config.write import read_change
from lodestard.control.messages import (
    CacheReport,
    ConfigEntry,
    ConfigProblem,
    ConfigReport,
    ConfigValues,
    LedgerVerification,
    Listener,
    ReloadReport,
    RestartReport,
)
from lodestard.control.verbs.desk import Asked, BookState, HouseState, TextSink, WantedExport
from lodestard.domain.bill import Bill
from lodestard.domain.errors import CallerFault, Code, HouseFault
from lodestard.domain.host_ports import ResidencyDesk
from lodestard.domain.news import AttemptEnded, RequestEnded
from lodestard.domain.price import Price
from lodestard.domain.request import Caller
from lodestard.domain.usage import Usage
from lodestard.endpoints import Endpoints
from lodestard.house import House
from lodestard.http import HttpServer, Load
from lodestard.inside import InnerExchange, ask_inside
from lodestard.ledger import Ledger, Reports, SessionReports, SessionRow, verify
from lodestard.ledger.budgets import Budgets
from lodestard.ledger.exporting import ExportOptions, stream_export
from lodestard.ledger.feedback import FeedbackBook
from lodestard.log import Level, set_level
from lodestard.prices.refresh import Prices
from lodestard.projects import Projects, Switches
from lodestard.projects.watch import can_watch
from lodestard.runtime import Runtime
from lodestard.store import open_snapshot

LEDGER_FILE = "ledger.db"
MIB = 1 << 20
OURS = "lodestard"
RUNS_ON = ("apsw", "genai-prices", "httptools", "msgspec", "trio")


class PoolFigures(Protocol):
    """One upstream's pool, as its room tells it."""

    @property
    def open(self) -> int: ...
    @property
    def leased(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are. ``simulated``: the upstreams are the demo's. ``unit``: what systemd runs us as."""

    config_file: Path
    state_dir: Path
    control_socket: Path
    simulated: bool = False
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Desks:
    """What people tell the house of their projects."""

    projects: Projects
    switches: Switches


@dataclass(frozen=True, slots=True)
class Panel:
    """The house from the control socket's side. ``timezone`` is the ledger's."""

    house: House
    ledger: Ledger
    cache: Cache
    prices: Prices
    proxy: HttpServer
    places: Places
    timezone: str = "UTC"
    desks: Desks | None = None

    @property
    def runtime(self) -> Runtime:
        return self.house.runtime

    def hear_ended(self, hear: Callable[[RequestEnded], object]) -> AbstractContextManager[None]:
        return self.house.foundation.ended.listen(hear)

    def hear_attempts(self, hear: Callable[[AttemptEnded], object]) -> AbstractContextManager[None]:
        return self.house.foundation.attempts.listen(hear)

    @property
    def reports(self) -> Reports:
        return self.ledger.reports

    @property
    def budgets(self) -> Budgets:
        return self.ledger.budgets

    @property
    def residency(self) -> ResidencyDesk | None:
        return cast("ResidencyDesk | None", self.runtime.residency)

    @property
    def advice(self) -> Adviser:
        file = self.places.state_dir / LEDGER_FILE
        return Adviser(self.runtime, file, self.prices.book.quotes, self.ledger.reports.shadows)

    async def unreconciled_nano_usd(self, month: str) -> int | None:
        return await self.ledger.reconciliation.month_nano_usd(month)

    def state(self) -> HouseState:
        why, totals = self.house.why_not_ready, self.ledger.totals()
        control = Listener(address=str(self.places.control_socket), kind="control")
        certificate = self.house.plan.certificate
        pools = cast("Mapping[str, PoolFigures]", getattr(self.runtime.sender, "status", {}))
        return HouseState(
            state=state_word(why, draining=self.house.draining),
            why=why,
            config_file=str(self.places.config_file),
            state_dir=str(self.places.state_dir),
            simulated=self.places.simulated,
            listeners=(*(Listener(address=address) for address in self.proxy.addresses), control),
            connections=self.proxy.connections,
            exchanges=self.proxy.exchanges,
            held_nano_usd=totals.held_nano_usd,
            open_requests=totals.open_requests,
            ended_today=totals.requests_today,
            overload=tell_load(self.house.foundation.load),
            pools={name: (pool.open, pool.leased) for name, pool in pools.items()},
            certificate=certificate.file if certificate is not None else "",
            certificate_expires_ms=certificate.expires_ms if certificate is not None else 0,
        )

    def versions(self) -> Mapping[str, str]:
        return versions()

    def begin_drain(self) -> None:
        self.house.begin_drain()

    async def restart(self) -> RestartReport:
        try:
            plan = await self.house.plan_restart()
        except ConfigError as error:
            return RestartReport(ok=False, faults=problems(error.faults))
        if self.places.unit:
            self.house.expect_restart()
        else:
            self.house.begin_restart(plan)
        return RestartReport(
            ok=True,
            unit=self.places.unit,
            pid=getpid(),
            exchanges=self.proxy.exchanges,
            drain_s=self.house.drain_s,
            moves=moves(self.places.control_socket, plan.loaded.settings.control.socket),
        )

    def set_log_level(self, level: str) -> str:
        was = logging.getLevelName(logging.getLogger(OURS).getEffectiveLevel()).lower()
        set_level(cast("Level", level))
        return was

    async def verify_ledger(self) -> LedgerVerification:
        await self.ledger.reports.requests(1)  # a report waits until what was posted before it is in the file
        return await trio.to_thread.run_sync(verify_file, self.places.state_dir / LEDGER_FILE)

    async def cache_report(self) -> CacheReport:
        return msgspec.convert(await self.cache.stats(), CacheReport, from_attributes=True)

    async def clear_cache(self, target: str, older_than_s: float | None) -> int:
        return await self.cache.clear(model=target or None, older_than_s=older_than_s)

    async def take_in_answer(self, line: bytes) -> str:
        for read in read_lines([line]):
            if isinstance(read, BadLine):
                return read.reason
            return "" if self.cache.take_in(read) else "too old or too large"
        return "empty"

    def export_cache(self) -> AsyncIterator[bytes]:
        return self.cache.export()

    def export_costs(self, wanted: WantedExport) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        options = ExportOptions(
            format=wanted.form, since_ms=wanted.since_ms or 0, until_ms=wanted.until_ms, names=wanted.names
        )
        return stream_export(self.places.state_dir / LEDGER_FILE, options)

    async def check_config(self) -> ConfigReport:
        try:
            plan = await trio.to_thread.run_sync(self.house.read_plan)
        except ConfigError as error:
            return ConfigReport(ok=False, faults=problems(error.faults))
        return ConfigReport(ok=True, files=(str(self.places.config_file),), warnings=problems(plan.loaded.warnings))

    def config_values(self) -> ConfigValues:
        entries = (
            ConfigEntry(key=shown.key, value=msgspec.json.encode(shown.value).decode(), origin=shown.origin)
            for shown in show(self.house.plan.loaded)
        )
        return ConfigValues(entries=tuple(entries))

    async def reload_config(self) -> ReloadReport:
        return await self._report(self.house.reload)

    async def _report(self, take_in: Callable[[], Awaitable[Changes]]) -> ReloadReport:
        try:
            changes = await take_in()
        except ConfigError as error:
            return ReloadReport(ok=False, faults=problems(error.faults))
        return ReloadReport(ok=True, changed=changes.changed, restart=changes.need_restart)

    async def change_config(self, key: str, value: str | None) -> ReloadReport:
        self._refuse_in_demo()
        return await self._report(lambda: self.house.change(read_change(key, value)))

    async def change_configs(self, change: Mapping[tuple[str, ...], Any]) -> ReloadReport:
        self._refuse_in_demo()
        return await self._report(lambda: self.house.change(change))

    def _refuse_in_demo(self) -> None:
        if self.places.simulated:
            raise CallerFault(Code.NOT_SUPPORTED, "The demo's configuration stays as it is; start one of your own.")

    async def ask(self, body: bytes, sink: TextSink, folder: str = "") -> Asked:
        exchange = InnerExchange(body, sink, self.runtime.clock.monotonic_ns(), folder)
        return await ask_inside(Endpoints(self.house).serve_insider, exchange)

    @property
    def session_reports(self) -> SessionReports:
        return self.ledger.session_reports

    def start_session(self, name: str, labels: Caller) -> SessionRow:
        return self.ledger.sessions.start(name, labels, self.ledger.now_ms())

    def end_session(self, session_id: str) -> SessionRow:
        return self.ledger.sessions.end(session_id, self.ledger.now_ms())

    @property
    def projects(self) -> Projects:
        return self._told.projects

    @property
    def switches(self) -> Switches:
        return self._told.switches

    @property
    def _told(self) -> Desks:
        if self.desks is None:
            raise HouseFault(Code.NOT_SUPPORTED, "Nobody here looks after projects.")
        return self.desks

    async def can_watch(self, folder: str, sha256: str) -> bool:
        return await can_watch(folder, sha256)

    @property
    def feedback(self) -> FeedbackBook:
        return self.ledger.feedback

    def price_book(self) -> BookState:
        book = self.prices.book
        return BookState(
            quotes=book.quotes,
            version=book.version,
            made_ms=book.made_ms,
            problem=self.prices.problem,
            covered=self.prices.covered,
        )

    def itemise(self, usage: Usage, price: Price) -> Bill | None:
        return itemise(usage, price)


def moves(control_socket: Path, configured: str) -> bool:
    """Whether the control socket will be elsewhere. Pure but for the home folder."""
    return bool(configured) and Path(configured).expanduser() != control_socket


def state_word(why_not_ready: str, *, draining: bool) -> Literal["ready", "degraded", "draining"]:
    """The state of the house in one word. Pure."""
    if draining:
        return "draining"
    return "degraded" if why_not_ready else "ready"


def tell_load(load: Load) -> str:
    """What is or was too much for the house, in words; empty where nothing was within a minute."""
    if not load.sends_away:
        return ""
    held = f"{load.held_bytes / MIB:.0f} of {load.limit_bytes / MIB:.0f} MiB are held for clients"
    away = f"{load.shed_requests} requests and {load.turned_away} connections were sent away (503) so far"
    return f"{held}; {away}"


def versions() -> dict[str, str]:
    """Python's and our libraries' versions; SQLite's is in APSW's."""
    # Here, for who never asks: it reads a package's notes with the parser for mails. 12 ms and 1.5 MB.
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in RUNS_ON:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    if "apsw" in found:
        found["sqlite"] = ".".join(found["apsw"].split(".")[:3])
    return found


def verify_file(path: Path, *, idle: bool = False) -> LedgerVerification:
    """Check a ledger's file, read-only. Blocks. Raises ``HouseFault`` where it can't be opened."""
    with open_snapshot(path) as snapshot:
        report = verify(snapshot, idle=idle)
    spent = report.books.get("spent", 0) + report.books.get("unknown", 0)
    return LedgerVerification(
        ok=report.ok,
        file=str(path),
        requests=report.requests,
        attempts=report.attempts,
        cost_nano_usd=spent,
        faults=tuple(report.problems),
    )


def problems(faults: Iterable[ConfigFault]) -> tuple[ConfigProblem, ...]:
    """The configuration's faults in the control socket's words. Pure."""
    return tuple(
        ConfigProblem(message=fault.message, key=fault.key, file=fault.place.file, line=fault.place.line)
        for fault in faults
    )
