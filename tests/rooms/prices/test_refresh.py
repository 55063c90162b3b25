"""The price book of a running house: a real child process, a clock, and everything that can go wrong with both."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import trio
from trio.testing import MockClock

from lodestard.domain.price import Price, Quote
from lodestard.domain.settings import Model, PriceBook, Settings, Upstream
from lodestard.prices import refresh
from lodestard.prices.book import PriceList, Wanted, open_book, plan_list
from lodestard.prices.child import COMMAND, ListFailed, environment, run_extract
from lodestard.prices.list_file import load_list, save_list
from lodestard.prices.refresh import FILE, Prices, open_prices, package_version

HOUR_MS = 3_600_000
WANTED = (
    Wanted(name="openai/gpt-4o", model="gpt-4o", url="https://api.openai.com/v1"),
    Wanted(name="xai/grok-beta", model="grok-beta", url="https://api.x.ai/v1"),
)
SETTINGS = Settings(
    upstreams={
        "openai": Upstream(dialect="openai", url="https://api.openai.com/v1"),
        "xai": Upstream(dialect="openai", url="https://api.x.ai/v1"),
    },
    models={"a": Model(route=("openai/gpt-4o", "xai/grok-beta"))},
)


class TrioClock:
    """Wall time by trio's clock, so that it jumps with it."""

    def now_ms(self) -> int:
        return round(trio.current_time() * 1_000) + 1_700_000_000_000

    def monotonic_ns(self) -> int:
        return round(trio.current_time() * 1e9)


def listed(made_ms: int, wanted: tuple[Wanted, ...] = WANTED, *, changes_ms: int = 0) -> PriceList:
    """A list that prices everything alike; ``changes_ms``: with a price that changes then."""
    first = Price(input_pico_usd=1, output_pico_usd=1, source="genai-prices")
    later = msgspec.structs.replace(first, input_pico_usd=2, since_ms=changes_ms)
    quote = Quote(prices=(first, later) if changes_ms else (first,))
    return PriceList(
        version=package_version(), made_ms=made_ms, asked=wanted, quotes={want.name: quote for want in wanted}
    )


# -- the child -----------------------------------------------------------------------------------------------------


async def test_the_child_answers_for_what_is_configured() -> None:
    found = await run_extract(WANTED, 30.0)

    assert found.version == package_version() == "0.2.3"
    assert found.quotes["openai/gpt-4o"].prices[-1].knows_tier("priority")
    assert "no 'grok-beta' of x-ai" in found.quotes["xai/grok-beta"].problem


def test_the_child_sees_nothing_of_our_environment() -> None:
    assert set(environment()) == {"PYTHONPATH", "PYTHONUTF8"}
    assert COMMAND[0] == sys.executable


def python(program: str) -> tuple[str, ...]:
    return (sys.executable, "-c", program)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (python("import sys; sys.exit('no such list')"), "no such list"),
        (python("raise SystemExit(3)"), "ended with 3"),
        (python("print('{}')"), "makes no sense"),
        (python("print('x' * 100)"), "makes no sense"),
        (python("while True: print('x' * 100_000)"), "can't be read"),
        (python("import sys\nwhile True: sys.stderr.write('x' * 9_000)"), "can't be read"),
        (("/nowhere/python",), "could not be asked: .*No such file"),
        (("cat",), "makes no sense"),
    ],
)
async def test_a_child_that_fails_is_a_reason(command: tuple[str, ...], why: str) -> None:
    with pytest.raises(ListFailed, match=why):
        await run_extract(WANTED, 30.0, command)


async def test_an_answer_to_another_question_is_not_believed() -> None:
    other = msgspec.json.encode(listed(1, WANTED[:1])).decode()
    with pytest.raises(ListFailed, match="something else"):
        await run_extract(WANTED, 30.0, python(f"import sys; sys.stdin.read(); print({other!r})"))


async def test_a_child_that_hangs_is_killed() -> None:
    started = trio.current_time()
    with pytest.raises(ListFailed, match=r"within 0\.3 s"):
        await run_extract(WANTED, 0.3, python("import signal, time; signal.signal(15, lambda *_: 0); time.sleep(60)"))
    assert trio.current_time() - started < 10


def test_what_the_daemon_imports_never_has_the_list_in_it() -> None:
    program = (
        "import sys, lodestard.__main__, lodestard.daemon, lodestard.prices.refresh\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('genai_prices', 'pydantic')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- the start -----------------------------------------------------------------------------------------------------


async def test_without_a_list_the_start_waits_for_one_and_keeps_it(tmp_path: Path) -> None:
    prices = await open_prices(tmp_path, SETTINGS, TrioClock())

    assert prices.problem == ""
    assert prices.covered
    assert prices.quotes["openai/gpt-4o"].prices
    kept = load_list(tmp_path / FILE)
    assert kept is not None
    assert kept.asked == plan_list(SETTINGS)


async def test_a_kept_list_of_the_same_targets_is_taken_without_asking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_list(tmp_path / FILE, listed(1))
    monkeypatch.setattr(refresh, "run_extract", never)

    prices = await open_prices(tmp_path, SETTINGS, TrioClock())

    assert prices.covered
    assert prices.quotes["openai/gpt-4o"].prices[0].input_pico_usd == 1


async def never(*_arguments: object) -> PriceList:
    raise AssertionError("nobody should be asked")


@pytest.mark.parametrize("spoil", [lambda file: file.write_bytes(b"{"), lambda file: file.mkdir()])
async def test_a_damaged_file_is_made_anew_or_told_of(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    spoil(tmp_path / FILE)

    prices = await open_prices(tmp_path, SETTINGS, TrioClock())

    assert prices.quotes["openai/gpt-4o"].prices
    assert ("can't be kept" in prices.problem) == (tmp_path / FILE).is_dir()


async def test_a_start_without_a_list_goes_on_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    save_list(tmp_path / FILE, msgspec.structs.replace(listed(1), version="0.0.1"))
    monkeypatch.setattr(refresh, "run_extract", fail)

    prices = await open_prices(tmp_path, SETTINGS, TrioClock())

    assert prices.problem == "it is broken"
    assert not prices.covered
    assert prices.quotes["openai/gpt-4o"].prices, "the old one stays"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    await prices.refresh()
    assert len(caplog.records) == 1, "told once"


async def fail(*_arguments: object) -> PriceList:
    raise ListFailed("it is broken")


async def test_nothing_is_asked_where_nothing_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "run_extract", never)
    off = msgspec.structs.replace(SETTINGS, price_book=PriceBook(enabled=False))

    prices = await open_prices(tmp_path, off, TrioClock())
    await prices.refresh()

    assert prices.covered
    assert prices.quotes == {}


# -- and then ------------------------------------------------------------------------------------------------------


class Lists:
    """Stands for the child: gives a list of whatever is asked, and counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[float] = []
        self.meanwhile: Callable[[], object] = lambda: None
        monkeypatch.setattr(refresh, "run_extract", self.run)
        monkeypatch.setattr(refresh, "save_list", lambda _path, _listed: None)

    async def run(self, wanted: tuple[Wanted, ...], _timeout_s: float) -> PriceList:
        self.asked.append(trio.current_time())
        await trio.sleep(1)
        self.meanwhile()
        return listed(TrioClock().now_ms(), wanted)


@pytest.fixture
def autojump_clock() -> MockClock:
    return MockClock(autojump_threshold=0.01)  # a thread works here


async def test_it_is_read_anew_when_it_is_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    lists = Lists(monkeypatch)
    settings = msgspec.structs.replace(SETTINGS, price_book=PriceBook(refresh_s=3_600))
    prices = Prices(tmp_path / FILE, TrioClock(), settings)
    changes: list[float] = []
    prices.on_change = lambda: changes.append(trio.current_time())

    with trio.move_on_after(3 * 3_600):
        await prices.run()

    assert [round(asked / 100) for asked in lists.asked] == [0, 36, 72]
    assert len(changes) == 3


async def test_one_that_cannot_be_made_is_tried_again_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    tried: list[float] = []

    async def fail_again(*_arguments: object) -> PriceList:
        tried.append(trio.current_time())
        raise ListFailed("it is broken")

    monkeypatch.setattr(refresh, "run_extract", fail_again)
    settings = msgspec.structs.replace(SETTINGS, price_book=PriceBook(refresh_s=3_600))

    prices = Prices(tmp_path / FILE, TrioClock(), settings)
    with trio.move_on_after(1_500):
        await prices.open()
        await prices.run()

    assert [round(at) for at in tried] == [0, 0, 600, 1_200], "at the start, right after it, and then with patience"


async def test_a_price_whose_time_comes_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    Lists(monkeypatch)
    clock = TrioClock()
    prices = Prices(tmp_path / FILE, clock, SETTINGS)
    prices.book = open_book(listed(clock.now_ms(), changes_ms=clock.now_ms() + HOUR_MS))
    told: list[int] = []
    prices.on_change = lambda: told.append(clock.now_ms())
    began_ms = clock.now_ms()

    with trio.move_on_after(2 * 3_600):
        await prices.run()

    assert [round((at - began_ms) / HOUR_MS, 3) for at in told] == [1.0]


async def test_another_configuration_is_asked_for_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    lists = Lists(monkeypatch)
    prices = Prices(tmp_path / FILE, TrioClock(), SETTINGS)
    moved = {**SETTINGS.upstreams, "xai": Upstream(dialect="openai", url="https://llm.example.org/v1")}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(prices.run)
        await trio.sleep(100)
        before = prices.quotes
        prices.take_settings(msgspec.structs.replace(SETTINGS, upstreams=moved))
        assert set(prices.quotes) == {"openai/gpt-4o"}, "no quote outlives the address that it was for"
        assert set(before) == {"openai/gpt-4o", "xai/grok-beta"}, "whoever holds the old book keeps it whole"
        await trio.sleep(100)
        assert set(prices.quotes) == {"openai/gpt-4o", "xai/grok-beta"}
        assert prices.covered
        nursery.cancel_scope.cancel()
    assert [round(asked / 100) for asked in lists.asked] == [0, 1]


async def test_a_reload_in_the_midst_of_it_asks_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    lists = Lists(monkeypatch)
    prices = Prices(tmp_path / FILE, TrioClock(), SETTINGS)
    shorter = msgspec.structs.replace(SETTINGS, models={"a": Model(route=("openai/gpt-4o",))})

    def reload_once() -> None:
        lists.meanwhile = lambda: None
        prices.take_settings(shorter)

    lists.meanwhile = reload_once
    with trio.move_on_after(100):
        await prices.run()

    assert len(lists.asked) == 2
    assert set(prices.quotes) == {"openai/gpt-4o"}


def test_a_list_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "PACKAGE", "no-such-package-anywhere")
    assert package_version() == ""


def test_the_file_holds_no_address_of_ours_but_what_was_asked(tmp_path: Path) -> None:
    save_list(tmp_path / FILE, listed(1))
    assert set(json.loads((tmp_path / FILE).read_text())) == {"form", "version", "made_ms", "asked", "quotes"}
