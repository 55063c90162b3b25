"""The module gpu at work: a fake exporter on loopback, a fake residency, and what the house gets to know."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from lodestard.domain.news import Alert
from lodestard.domain.residency import HostState
from lodestard.domain.settings import Settings, Upstream
from lodestard.domain.telemetry import Telemetry
from lodestard.modules.gpu import MODULE
from lodestard.modules.gpu.page_source import MAX_PAGE_BYTES, PageSource
from lodestard.modules.gpu.settings import Card, GpuSettings
from lodestard.modules.gpu.troubles import Trouble
from lodestard.runtime import Runtime
from tests.fakes.gpu_recordings import WHOLE, a_host, a_model, recorded
from tests.fakes.nvidia_smi import ROW, install, is_alive, starts
from tests.fakes.rooms import ScriptedSender, make_runtime
from tests.fakes.scripted_server import Peer, ScriptedServer, listening

BUSY = recorded("exporter_healthy_busy.prom")
HOT = BUSY.replace("} 61\n", "} 92\n")
PLAIN = "content-type: text/plain; version=0.0.4; charset=utf-8"


@pytest.fixture
def clock() -> MockClock:
    """httpx is imported on a real thread, which must not make time jump."""
    return MockClock(autojump_threshold=0.02)


@dataclass
class FakeExporter:
    """Answers each look with what it says now: a page, a status, or nothing at all."""

    page: str = BUSY
    status: str = "200 OK"
    silent: bool = False
    looks: int = 0

    async def serve(self, peer: Peer) -> None:
        while await peer.read_request():
            self.looks += 1
            if self.silent:
                await trio.sleep_forever()
            body = self.page.encode()
            head = f"HTTP/1.1 {self.status}\r\n{PLAIN}\r\ncontent-length: {len(body)}\r\n\r\n"
            await peer.send(head.encode() + body)


@dataclass
class FakeResidency:
    states: dict[str, HostState] = field(default_factory=lambda: {"t600": WHOLE})

    @property
    def hosts(self) -> Sequence[str]:
        return tuple(self.states)

    def state(self, host: str) -> HostState:
        return self.states[host]


@dataclass
class House:
    """A runtime with the module at work in it."""

    runtime: Runtime
    alerts: list[Alert] = field(default_factory=list)
    ended: trio.Event = field(default_factory=trio.Event)

    @property
    def card(self) -> Telemetry:
        card = self.runtime.hooks.telemetry("t600")
        assert card is not None
        return card

    @property
    def codes(self) -> list[str]:
        return [finding.code for finding in self.card.findings]

    @property
    def line(self) -> str:
        part = self.runtime.hooks.status_parts["gpu"]()
        assert isinstance(part, dict)
        return str(part["t600"])

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(alert.severity, alert.title) for alert in self.alerts]


@asynccontextmanager
async def at_work(
    settings: GpuSettings, *, residency: FakeResidency | None = None, watched: bool = True, **members: Any
) -> AsyncIterator[House]:
    upstreams = {"t600": Upstream(dialect="ollama", url="http://127.0.0.1:11434", free=True)}
    async with trio.open_nursery() as nursery:
        runtime = replace(
            make_runtime(nursery, ScriptedSender({}), settings=Settings(upstreams=upstreams)),
            residency=(residency or FakeResidency()) if watched else None,
            **members,
        )
        house = House(runtime)
        runtime.hooks.alert.always(house.alerts.append)

        async def run() -> None:
            await MODULE.run(runtime, settings)
            house.ended.set()

        nursery.start_soon(run)
        await trio.sleep(0.5)
        yield house
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def exporting(exporter: FakeExporter, **members: Any) -> AsyncIterator[tuple[House, ScriptedServer]]:
    """The module at work on an exporter at a loopback port."""
    async with listening(exporter.serve) as (server, port):
        url = f"http://127.0.0.1:{port}/metrics"
        settings = GpuSettings(cards={"t600": Card(source="exporter", url=url)}, **members)
        async with at_work(settings) as house:
            await trio.sleep(1)
            yield house, server


async def test_what_an_exporter_says_is_known(clock: MockClock) -> None:
    exporter = FakeExporter()
    async with exporting(exporter, tariff_per_kwh=Decimal("0.31"), currency="EUR") as (house, server):
        first = house.card
        assert (first.state, first.source, first.temperature_c, first.power_w) == ("ok", "exporter", 61, 39.62)
        assert first.energy is None
        await trio.sleep(600)
        assert 58 <= exporter.looks <= 62
        assert server.requests[0].startswith(b"GET /metrics HTTP/1.1\r\n")
        energy = house.card.energy
        assert energy is not None
        assert energy.watt_seconds == pytest.approx(39.62 * energy.measured_s)
        assert 580 < energy.measured_s <= 602
        assert (energy.cost, energy.currency) == ("0.0020", "EUR")
        assert house.line == "NVIDIA T600, 97 % busy, 3.5 of 4.0 GiB, 61 °C, 39.6 of 40 W, 0.007 kWh (0.0020 EUR)"
        assert house.alerts == []


async def test_a_fault_is_told_once_and_its_end_too(clock: MockClock) -> None:
    exporter = FakeExporter(page=HOT)
    async with exporting(exporter) as (house, _):
        await trio.sleep(20)
        assert house.codes == []
        await trio.sleep(300)
        assert house.codes == ["hot"]
        assert house.line.endswith("; 92 °C: it slows down at about 93 °C")
        exporter.page = BUSY
        await trio.sleep(40)
        assert house.codes == ["hot"]
        await trio.sleep(60)
        assert house.codes == []
        assert house.told == [
            ("warning", "GPU of t600: 92 °C: it slows down at about 93 °C"),
            ("info", "GPU of t600: no longer: 92 °C: it slows down at about 93 °C"),
        ]


async def test_a_model_that_does_not_fit_is_told(clock: MockClock) -> None:
    residency = FakeResidency({"t600": a_host(a_model(cpu_percent=35, context_tokens=8_192))})
    async with at_work(GpuSettings(), residency=residency) as house:
        await trio.sleep(60)
        assert house.card.source == "ps"
        assert house.line == "3.3 GiB; 35 % of layers on the CPU: context 8192 of deepseek-coder:6.7b"
        assert house.told == [
            ("warning", "GPU of t600: 35 % of layers on the CPU: context 8192 of deepseek-coder:6.7b")
        ]


async def test_an_exporter_that_fails_leaves_the_last_figures_for_a_while(
    clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "lodestard")
    exporter = FakeExporter()
    async with exporting(exporter) as (house, _):
        exporter.status, exporter.page = "503 Service Unavailable", ""
        await trio.sleep(20)
        assert (house.card.state, house.card.temperature_c) == ("ok", 61)
        assert house.card.problem == "the exporter answers 503"
        await trio.sleep(60)
        assert (house.card.state, house.card.temperature_c) == ("unknown", None)
        assert house.codes == ["page_refused"]
        assert house.line == "unknown: NVIDIA T600; the exporter answers 503"
        exporter.status, exporter.page = "200 OK", BUSY
        await trio.sleep(100)
        assert (house.card.state, house.card.problem, house.codes) == ("ok", "", [])
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("lodestard.modules.gpu")]
    assert lines == ["the card of t600 can't be read: the exporter answers 503", "the card of t600 can be read again"]


async def test_one_that_does_not_answer_is_not_waited_for(clock: MockClock) -> None:
    exporter = FakeExporter()
    async with exporting(exporter) as (house, _):
        exporter.silent = True
        await trio.sleep(35)
        assert house.card.problem == "no page within 10 s"
        await trio.sleep(15)
        assert house.card.state == "unknown"


async def test_a_page_without_an_end_is_not_read(clock: MockClock) -> None:
    exporter = FakeExporter(page="a 1\n" * (MAX_PAGE_BYTES // 4 + 1))
    async with exporting(exporter) as (house, _):
        assert (house.card.state, house.card.fault) == ("unknown", "page_unreadable")


async def test_nobody_listens(clock: MockClock) -> None:
    settings = GpuSettings(cards={"t600": Card(source="dcgm", url="http://127.0.0.1:1/metrics")})
    async with at_work(settings) as house:
        await trio.sleep(1)
        assert (house.card.state, house.card.fault) == ("unknown", "unreachable")
        assert house.card.source == "dcgm"


async def test_plain_text_may_go_to_another_machine(clock: MockClock) -> None:
    """The house's own door refuses it to whoever may have a secret; a look at a card has none."""
    asked: list[tuple[str, bool]] = []

    @asynccontextmanager
    async def open_origin(
        url: str, name: str, *, plain_text_ok: bool = False
    ) -> AsyncIterator[httpx.AsyncBaseTransport]:
        asked.append((url, plain_text_ok))
        yield httpx.MockTransport(answer)

    def answer(request: httpx.Request) -> httpx.Response:
        assert "authorization" not in request.headers
        return httpx.Response(301, headers={"location": "http://elsewhere.example/"})

    async with at_work(GpuSettings(cards={}), open_origin=open_origin) as house:
        url = "http://192.168.1.50:9835/metrics"
        source = PageSource(house.runtime, "t600", Card(source="exporter", url=url))
        assert await source.look() == Trouble(code="page_refused", text="the exporter answers 301")
    assert asked == [(url, True)]


async def test_without_a_table_every_host_of_residency_is_watched(clock: MockClock) -> None:
    async with at_work(GpuSettings()) as house:
        await trio.sleep(1)
        assert (house.card.source, house.card.state) == ("ps", "ok")
        assert house.card.memory_used_bytes == 3_412 * 2**20
        assert house.runtime.hooks.telemetry("openai") is None
    async with at_work(GpuSettings(), watched=False) as house:
        assert house.runtime.hooks.telemetry("t600") is None
        assert house.runtime.hooks.status_parts["gpu"]() == {}
    async with at_work(GpuSettings(cards={"t600": Card()}), watched=False) as house:
        assert (house.card.state, house.card.fault) == ("unknown", "no_residency")


async def test_a_table_of_nobody_is_told(clock: MockClock) -> None:
    async with at_work(GpuSettings(cards={"t60": Card()})) as house:
        await trio.sleep(60)
        card = house.runtime.hooks.telemetry("t60")
        assert card is not None
        assert (card.state, card.problem) == ("unknown", "no upstream is called t60")
        assert house.told == [("error", "GPU of t60: no upstream is called t60")]


async def test_silence_is_noticed(clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that gives one reading and then nothing, not even that it has failed."""

    async def once(self: Any) -> None:
        self._hear(Telemetry(source="local", state="ok", temperature_c=50))
        await trio.sleep_forever()

    monkeypatch.setattr("lodestard.modules.gpu.smi_source.SmiSource.run", once)
    async with at_work(GpuSettings(cards={"t600": Card(source="local")})) as house:
        await trio.sleep(25)
        assert house.card.state == "ok"
        await trio.sleep(60)
        assert (house.card.state, house.card.temperature_c) == ("stale", 50)
        assert house.codes == ["stale"]
        assert house.line.startswith("stale: 50 °C; no reading for ")


async def test_it_ends_with_its_generation(clock: MockClock) -> None:
    async with at_work(GpuSettings()) as house:
        hooks = house.runtime.hooks
        hooks.retired.tell(None)
        await house.ended.wait()
        assert hooks.telemetry("t600") is None
        assert "gpu" not in hooks.status_parts


async def test_nothing_is_left_when_it_ends(clock: MockClock) -> None:
    async with at_work(GpuSettings()) as house:
        assert house.card.state == "ok"
    assert house.runtime.hooks.telemetry("t600") is None
    assert "gpu" not in house.runtime.hooks.status_parts


async def test_a_real_process_in_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the real clock: cancelling the module leaves no process behind."""
    monkeypatch.setenv("PATH", str(tmp_path))
    install(tmp_path, f"while True:\n    say({ROW!r})\n    time.sleep(0.05)")
    async with at_work(GpuSettings(cards={"t600": Card(source="local")}, interval_s=1)) as house:
        for _ in range(1_000):
            if house.card.state == "ok":
                break
            await trio.sleep(0.01)
        assert house.card.card == "NVIDIA T600"
    ((pid, _),) = starts(tmp_path)
    assert not is_alive(pid)
