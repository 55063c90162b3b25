"""The module reconcile by itself: pages read exactly, days planned, differences judged, odd answers told."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import httpx
import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from lodestard.domain.bills import Bill, DayFigures, Look
from lodestard.domain.errors import Code, HouseFault
from lodestard.domain.money import MAX_NANO_USD
from lodestard.domain.secret import Secret
from lodestard.domain.settings import KeySource
from lodestard.ledger import SCHEMA
from lodestard.ledger.reconciliation import Reconciliation
from lodestard.modules.reconcile import MODULE
from lodestard.modules.reconcile.bills import (
    BillError,
    nano_usd_of,
    read_anthropic_costs,
    read_anthropic_usage,
    read_openai_costs,
    read_openai_usage,
)
from lodestard.modules.reconcile.judge import Day, day_of, judge, make_day, plan_days, start_s, tolerance_nano_usd
from lodestard.modules.reconcile.settings import AnthropicAccount, OpenAIAccount, ReconcileSettings
from lodestard.runtime import Runtime
from tests.fakes.memory_store import MemoryStore
from tests.fakes.rooms import FakeLedger, Script, ScriptedSender, make_runtime

DAY_S = 86_400
TODAY = date(2026, 9, 21)  # the fakes' clock: 1,790,000,000 s
SETTINGS = ReconcileSettings(openai=OpenAIAccount(upstream="openai", key=KeySource(env="ADMIN")))


# -- pages -------------------------------------------------------------------------------------------------------


def openai_page(*amounts: str, start: int = 0, **members: Any) -> bytes:
    results = ",".join(f'{{"amount":{{"value":{amount},"currency":"usd"}}}}' for amount in amounts)
    more = "".join(f',"{name}":{msgspec.json.encode(value).decode()}' for name, value in members.items())
    page = f'{{"data":[{{"start_time":{start},"results":[{results}]}}],"has_more":false{more}}}'
    return page.replace('"has_more":false,"has_more"', '"has_more"').encode()


@pytest.mark.parametrize(
    ("amounts", "nano"),
    [
        ((), 0),
        (("0.06",), 60_000_000),
        (('"0.06"',), 60_000_000),
        (("1e-9", "0.1", "0.2"), 300_000_001),
        (("0.00000000049999999999999999999999",), 1),
        (("1.0000000000000000000001",), 1_000_000_001),
        (("5", "-4.5"), 500_000_000),
        (("-0.0",), 0),
    ],
)
def test_amounts_are_read_as_they_stand(amounts: tuple[str, ...], nano: int) -> None:
    (day,) = read_openai_costs(openai_page(*amounts)).days
    assert nano_usd_of(day.usd) == nano


@given(st.lists(st.integers(0, MAX_NANO_USD // 1_000), max_size=20))
def test_sums_are_exact_in_dollars_and_in_cents(amounts: list[int]) -> None:
    dollars = [f"{amount // 10**9}.{amount % 10**9:09d}" for amount in amounts]
    (openai,) = read_openai_costs(openai_page(*dollars)).days
    cents = [f"{amount // 10**7}.{amount % 10**7:07d}" for amount in amounts]
    results = [{"amount": amount, "currency": "USD"} for amount in cents]
    bucket = {"starting_at": "2026-09-21T00:00:00Z", "results": results}
    (anthropic,) = read_anthropic_costs(msgspec.json.encode({"data": [bucket], "has_more": False})).days
    assert nano_usd_of(openai.usd) == nano_usd_of(anthropic.usd) == sum(amounts)
    assert anthropic.start_s == start_s(TODAY)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no page"),
        (b"[]", "no page"),
        (b'{"data":[]}', "no page"),
        (b"\xff", "no page"),
        (b"[" * 100_000, "no page"),
        (openai_page().replace(b'"has_more":false', b'"has_more":true'), "not which"),
        (openai_page("true"), "no number"),
        (openai_page('"x"'), "no number"),
        (openai_page('"NaN"'), "beyond reason"),
        (openai_page('"Infinity"'), "beyond reason"),
        (openai_page("1e99"), "beyond reason"),
        (openai_page("1e-999999999"), "beyond reason"),
        (openai_page("1").replace(b"usd", b"eur"), "not in US dollars"),
    ],
)
def test_what_is_not_understood_is_refused(body: bytes, says: str) -> None:
    with pytest.raises(BillError, match=says):
        read_openai_costs(body)


def test_less_than_nothing_is_no_bill() -> None:
    (day,) = read_openai_costs(openai_page("-1")).days
    with pytest.raises(BillError, match="less than nothing"):
        nano_usd_of(day.usd)
    with pytest.raises(BillError, match="no beginning"):
        read_anthropic_costs(b'{"data":[{"starting_at":"soon","results":[]}],"has_more":false}')


def test_usage_is_summed() -> None:
    used = [{"input_tokens": 5, "output_tokens": 2}, {"input_tokens": 1}]
    page = msgspec.json.encode({"data": [{"start_time": 0, "results": used}], "has_more": False})
    (day,) = read_openai_usage(page).days
    assert (day.prompt_tokens, day.completion_tokens) == (6, 2)
    results = [
        {
            "uncached_input_tokens": 1,
            "cache_read_input_tokens": 2,
            "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
            "output_tokens": 5,
            "workspace_id": "w",
        },
        {"uncached_input_tokens": 100},
    ]
    page = msgspec.json.encode(
        {"data": [{"starting_at": "1970-01-02T00:00:00", "results": results}], "has_more": False}
    )
    (day,) = read_anthropic_usage(page).days
    assert (day.start_s, day.prompt_tokens, day.completion_tokens) == (DAY_S, 110, 5)
    assert read_anthropic_usage(page, ["w"]).days[0].prompt_tokens == 10
    assert read_anthropic_usage(page, ["default"]).days[0].prompt_tokens == 100


# -- days and differences ----------------------------------------------------------------------------------------


def a_look(day: date, *, final: bool) -> Look:
    return Look(
        id=1, at_ms=0, upstream="openai", day=day.isoformat(), ours_nano_usd=0, theirs_nano_usd=0, alarmed=False,
        final=final,
    )  # fmt: skip


def test_days_are_looked_at_until_they_are_final() -> None:
    now_ms = start_s(TODAY) * 1_000
    ago = [TODAY - timedelta(days=days) for days in range(8)]
    days = plan_days(now_ms, {}, ReconcileSettings(lookback_days=7), 90)
    assert [day.date for day in days] == ago[:0:-1]
    assert [day.date for day in days if not day.final] == [ago[2], ago[1]]
    known = {look.day: look for look in (a_look(ago[5], final=True), a_look(ago[4], final=False))}
    assert ago[5] not in [day.date for day in plan_days(now_ms, known, ReconcileSettings(), 90)]
    assert ago[4] in [day.date for day in plan_days(now_ms, known, ReconcileSettings(), 90)]
    assert [day.date for day in plan_days(now_ms, {}, ReconcileSettings(), 3)] == [ago[2], ago[1]]
    assert plan_days(now_ms, {}, ReconcileSettings(), 1) == []
    assert (days[0].name, days[0].start_ms) == (ago[7].isoformat(), start_s(ago[7]) * 1_000)


@given(st.integers(0, 10**13), st.integers(1, 30))
def test_a_day_is_final_so_many_days_after_its_end(now_ms: int, settle_days: int) -> None:
    for ago in range(settle_days + 4):
        day: Day = make_day(day_of(now_ms) - timedelta(days=ago), now_ms, settle_days)
        assert day.final == (now_ms - day.start_ms - DAY_S * 1_000 >= settle_days * DAY_S * 1_000)


AMOUNTS = st.one_of(st.integers(0, 10**9), st.integers(0, MAX_NANO_USD))


@given(AMOUNTS, AMOUNTS, st.booleans())
def test_alarm_is_beyond_one_percent_and_five_cents(ours: int, theirs: int, final: bool) -> None:
    verdict = judge(ours, theirs, ReconcileSettings(), final=final)
    far = abs(theirs - ours) > 50_000_000 and abs(theirs - ours) * 100 > max(ours, theirs)
    assert verdict.alarm == (far and (final or theirs > ours))
    assert judge(ours, ours, ReconcileSettings(), final=final).alarm is False


def test_tolerance_is_rounded_up() -> None:
    assert tolerance_nano_usd(10_000_000_001, 0, ReconcileSettings()) == 100_000_001
    assert tolerance_nano_usd(10, 0, ReconcileSettings(alarm_usd=Decimal(0), alarm_percent=Decimal(0))) == 0


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"alarm_percent": "101"}, "alarm_percent"),
        ({"alarm_usd": "-1"}, "not an amount"),
        ({"settle_days": 7}, "lookback_days"),
        ({"openai": {"upstream": "openai"}}, "admin key"),
    ],
)
def test_settings_that_can_t_be(members: dict[str, Any], says: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=says):
        msgspec.convert(members, ReconcileSettings)


# -- odd answers -------------------------------------------------------------------------------------------------

Answer = Callable[[httpx.Request], httpx.Response]


@dataclass(slots=True, eq=False)
class BillLedger(FakeLedger):
    """A ledger whose own figures are ``charged``."""

    port: Reconciliation = field(default_factory=lambda: Reconciliation(MemoryStore((SCHEMA,))))
    charged: int = 0
    broken: bool = False

    @property
    def reconciliation(self) -> "BillLedger":
        return self

    async def ours(self, upstream: str, day_start_ms: int) -> DayFigures:
        await trio.lowlevel.checkpoint()
        return DayFigures(nano_usd=self.charged, prompt_tokens=1, completion_tokens=1)

    async def post(self, bill: Bill) -> Look:
        return await self.port.post(bill)

    async def looks(self, limit: int) -> list[Look]:
        return await self.port.looks(limit)

    async def known(self, upstream: str, since_day: str) -> Mapping[str, Look]:
        if self.broken:
            raise HouseFault(Code.STORE_UNAVAILABLE, "the disk is gone")
        return await self.port.known(upstream, since_day)

    async def balance_nano_usd(self) -> int:
        return await self.port.balance_nano_usd()


@asynccontextmanager
async def comparing(
    answer: Answer, settings: ReconcileSettings = SETTINGS
) -> AsyncIterator[tuple[Runtime, BillLedger]]:
    """The module at work on an administration that answers as a test says."""

    @asynccontextmanager
    async def open_origin(
        url: str, name: str, *, plain_text_ok: bool = False
    ) -> AsyncIterator[httpx.AsyncBaseTransport]:
        assert not plain_text_ok, "its requests carry a key"
        yield httpx.MockTransport(answer)

    ledger = BillLedger()
    async with trio.open_nursery() as nursery:
        runtime = replace(
            make_runtime(nursery, ScriptedSender({"openai": Script([]), "claude": Script([])})),
            ledger=ledger,  # type: ignore[arg-type]
            open_origin=open_origin,
            secret=lambda _source: Secret("sk-admin-canary"),
        )
        nursery.start_soon(MODULE.run, runtime, settings)
        await trio.sleep(1)
        yield runtime, ledger
        nursery.cancel_scope.cancel()


def honest(request: httpx.Request) -> httpx.Response:
    """Every day from the first on has an empty bucket, on one page."""
    first = int(request.url.params["start_time"])
    end = int(request.url.params["end_time"])
    data = [{"start_time": at, "results": []} for at in range(first, end, DAY_S)]
    return httpx.Response(200, json={"data": data, "has_more": False})


async def look(runtime: Runtime) -> Any:
    answer = runtime.hooks.verbs["reconcile.run"].answer
    assert answer is not None
    return msgspec.to_builtins(await answer({"day": None}))


@pytest.fixture
def clock() -> MockClock:
    """httpx is imported on a real thread."""
    return MockClock(autojump_threshold=0.02)


async def test_its_schedule(clock: MockClock) -> None:
    asked: list[float] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/costs"):
            asked.append(trio.current_time())
        return httpx.Response(503) if len(asked) == 1 else honest(request)

    async with comparing(answer) as (runtime, _):
        assert "503" in str(runtime.hooks.status_parts["reconcile"]())
        await trio.sleep(30_000)
        assert "503" not in str(runtime.hooks.status_parts["reconcile"]())
    assert [later - earlier for earlier, later in pairwise(asked)] == pytest.approx([900, 21_600], abs=2)
    assert "reconcile" not in runtime.hooks.status_parts


def twice(request: httpx.Request) -> httpx.Response:
    first = int(request.url.params["start_time"])
    data = [{"start_time": first, "results": []}] * 2
    return httpx.Response(200, json={"data": data, "has_more": False})


def endless(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"data": [], "has_more": True, "next_page": "again"})


def forgetful(request: httpx.Request) -> httpx.Response:
    answer: Any = honest(request).json()
    data = [bucket for bucket in answer["data"] if bucket["start_time"] != start_s(date(2026, 9, 17))]
    return httpx.Response(200, json={**answer, "data": data})


def unreachable(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("openai's administration can't be reached", request=request)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda _: httpx.Response(500, text="secret words"), "it answers 500"),
        (lambda _: httpx.Response(302, headers={"location": "https://elsewhere/"}), "it redirects (302)"),
        (lambda _: httpx.Response(401), "it refuses the key (401)"),
        (lambda _: httpx.Response(200, text="secret words"), "it is no page of daily figures"),
        (unreachable, "can't be reached"),
        (twice, "two things of one day"),
        (endless, "more than 100 pages"),
        (forgetful, "says nothing of 2026-09-17"),
    ],
)
async def test_odd_answers_are_told_and_post_nothing_for_their_day(
    clock: MockClock, answer: Answer, says: str
) -> None:
    async with comparing(answer) as (runtime, ledger):
        report = await look(runtime)
        (problem,) = report["problems"]
        assert says in problem["what"]
        assert "secret words" not in problem["what"]
        assert "2026-09-17" not in [one.day for one in await ledger.looks(99)]


async def test_usage_that_can_t_be_seen_hinders_nothing(clock: MockClock) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return honest(request) if request.url.path.endswith("/costs") else httpx.Response(404)

    async with comparing(answer) as (runtime, ledger):
        assert (await look(runtime))["problems"] == []
        assert {one.detail.keys() == {"verdict"} for one in await ledger.looks(99)} == {True}


async def test_an_upstream_that_is_not_there_is_told(clock: MockClock) -> None:
    account = OpenAIAccount(upstream="opnai", key=KeySource(env="A"))
    async with comparing(honest, msgspec.structs.replace(SETTINGS, openai=account)) as (runtime, ledger):
        assert "no upstream is called 'opnai'" in str(await look(runtime))
        assert await ledger.looks(9) == []


async def test_a_ledger_that_fails_is_told_and_asked_again(
    clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with comparing(honest) as (_, ledger):
        ledger.broken = True
        await trio.sleep(22_000)
        assert "the disk is gone" in caplog.text
        ledger.broken = False
        await trio.sleep(1_000)
        assert len(await ledger.looks(99)) == 7


async def test_the_key_goes_as_each_provider_wants_it(clock: MockClock) -> None:
    seen: dict[str, httpx.Request] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        seen[request.url.path] = request
        return httpx.Response(500)

    anthropic = AnthropicAccount(upstream="claude", key=KeySource(env="B"), workspace_ids=("w",))
    openai = OpenAIAccount(upstream="openai", key=KeySource(env="A"), project_ids=("p", "q"))
    async with comparing(answer, msgspec.structs.replace(SETTINGS, openai=openai, anthropic=anthropic)):
        pass
    costs, report = seen["/v1/organization/costs"], seen["/v1/organizations/cost_report"]
    assert costs.headers["authorization"] == "Bearer sk-admin-canary"
    assert costs.url.params.get_list("project_ids[]") == ["p", "q"]
    assert (report.headers["x-api-key"], report.headers["anthropic-version"]) == ("sk-admin-canary", "2023-06-01")
    assert report.url.params["starting_at"] == "2026-09-14T00:00:00Z"
    assert report.url.params.get_list("group_by[]") == ["workspace_id"]
    assert costs.url.host == "api.openai.com"
