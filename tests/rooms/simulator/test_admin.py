"""What simulated providers say they billed: by day, in pages, for admin keys alone."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from lodestard.simulator.__main__ import read_arguments
from lodestard.simulator.paid.anthropic_app import AnthropicApp
from lodestard.simulator.paid.openai_app import OpenAIApp
from lodestard.simulator.paid.providers import ANTHROPIC, OPENAI, AdminHabits, Provider
from lodestard.simulator.server import Simulator
from lodestard.simulator.world import simulate_provider
from tests.fakes.sim_client import SimClient

Connect = Callable[[Simulator], Awaitable[SimClient]]
DAY_S = 86_400
FIRST_S = 20_000 * DAY_S
ADMIN = {"authorization": "Bearer sk-admin-1"}
ANT_ADMIN = {"x_api_key": "sk-ant-admin01-x", "anthropic_version": "2023-06-01"}
MESSAGE = {"model": ANTHROPIC.models[0].name, "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi there"}]}


class Wall:
    """A wall clock that a test turns."""

    def __init__(self) -> None:
        self.now_s = FIRST_S + 10

    def __call__(self) -> int:
        return self.now_s * 1_000_000_000


def simulated(provider: Provider, wall: Wall, **habits: Any) -> Simulator:
    admin = AdminHabits(**habits)
    return simulate_provider(msgspec.structs.replace(provider, admin=admin, key="sk-model"), wall_ns=wall)


async def traffic(simulator: Simulator, client: SimClient, wall: Wall) -> list[int]:
    """Two requests on the first day, none on the second, one on the third; each day's bill in nano-USD."""
    assert isinstance(simulator.app, OpenAIApp | AnthropicApp)
    meter = simulator.app.desk.meter
    path, body = (
        ("/v1/messages", MESSAGE) if isinstance(simulator.app, AnthropicApp) else ("/v1/chat/completions", CHAT)
    )
    bills = []
    for requests in (2, 0, 1):
        before = meter.nano_usd
        for _ in range(requests):
            reply = await client.ask("POST", path, body, x_api_key="sk-model", anthropic_version="2023-06-01")
            assert reply.status == 200
        bills.append(meter.nano_usd - before)
        wall.now_s += DAY_S
    return bills


async def test_openai_s_costs_are_its_meter_s_by_day(connect: Connect) -> None:
    wall = Wall()
    simulator = simulated(OPENAI, wall)
    client = await connect(simulator)
    bills = await traffic(simulator, client, wall)
    reply = await client.ask("GET", f"/v1/organization/costs?start_time={FIRST_S}&limit=30", **ADMIN)
    page = reply.json
    assert (page["object"], page["has_more"], page["next_page"]) == ("page", False, None)
    assert [bucket["start_time"] for bucket in page["data"]] == [FIRST_S + day * DAY_S for day in range(4)]
    amounts = msgspec.json.decode(reply.body, type=Page, strict=False)
    nano = [sum(int(one.amount.value * 10**9) for one in bucket.results) for bucket in amounts.data]
    assert nano == [*bills, 0]
    assert [len(bucket["results"]) for bucket in page["data"]] == [1, 0, 1, 0]
    usage = (await client.ask("GET", f"/v1/organization/usage/completions?start_time={FIRST_S}", **ADMIN)).json
    assert usage["data"][0]["results"][0]["num_model_requests"] == 2
    assert usage["data"][1]["results"] == []


class Amount(msgspec.Struct):
    value: Decimal


class Result(msgspec.Struct):
    amount: Amount


class Bucket(msgspec.Struct):
    results: list[Result]


class Page(msgspec.Struct):
    data: list[Bucket]


async def test_anthropic_s_costs_are_cents_in_text(connect: Connect) -> None:
    wall = Wall()
    simulator = simulated(ANTHROPIC, wall)
    client = await connect(simulator)
    bills = await traffic(simulator, client, wall)
    query = "starting_at=2024-10-04T00:00:00Z&limit=31&group_by[]=description"
    page = (await client.ask("GET", f"/v1/organizations/cost_report?{query}", **ANT_ADMIN)).json
    assert page["data"][0]["starting_at"] == "2024-10-04T00:00:00Z"
    cents = [sum((Decimal(one["amount"]) for one in bucket["results"]), Decimal()) for bucket in page["data"]]
    assert [int(amount * 10**7) for amount in cents] == [*bills, 0]
    usage = (
        await client.ask(
            "GET", "/v1/organizations/usage_report/messages?starting_at=2024-10-04T00:00:00Z", **ANT_ADMIN
        )
    ).json
    assert usage["data"][0]["results"][0]["output_tokens"] > 0


async def test_pages_follow_each_other(connect: Connect) -> None:
    wall = Wall()
    simulator = simulated(OPENAI, wall, page_buckets=3)
    client = await connect(simulator)
    await traffic(simulator, client, wall)
    end_s = FIRST_S + 4 * DAY_S
    seen: list[int] = []
    page = ""
    for _ in range(9):
        query = f"start_time={FIRST_S}&end_time={end_s}&limit=2{page}"
        got = (await client.ask("GET", f"/v1/organization/costs?{query}", **ADMIN)).json
        seen += [bucket["start_time"] for bucket in got["data"]]
        if not got["has_more"]:
            break
        page = f"&page={got['next_page']}"
    assert seen == [FIRST_S + day * DAY_S for day in range(4)]


async def test_a_planted_untruth_is_on_days_with_traffic_alone(connect: Connect) -> None:
    wall = Wall()
    simulator = simulated(OPENAI, wall, extra_cents=7)
    client = await connect(simulator)
    bills = await traffic(simulator, client, wall)
    reply = await client.ask("GET", f"/v1/organization/costs?start_time={FIRST_S}", **ADMIN)
    amounts = msgspec.json.decode(reply.body, type=Page, strict=False)
    nano = [sum(int(one.amount.value * 10**9) for one in bucket.results) for bucket in amounts.data]
    assert nano == [bills[0] + 70_000_000, 0, bills[2] + 70_000_000, 0]


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"authorization": "Bearer sk-model"}, 403), ({"authorization": "Basic sk-admin"}, 401)],
)
async def test_openai_s_administration_is_for_admin_keys(
    connect: Connect, headers: dict[str, str], status: int
) -> None:
    client = await connect(simulated(OPENAI, Wall()))
    reply = await client.ask("GET", f"/v1/organization/costs?start_time={FIRST_S}", **headers)
    assert reply.status == status
    assert "message" in reply.json["error"]


async def test_one_key_may_be_wanted(connect: Connect) -> None:
    client = await connect(simulated(OPENAI, Wall(), key="sk-admin-2"))
    path = f"/v1/organization/costs?start_time={FIRST_S}"
    assert (await client.ask("GET", path, **ADMIN)).status == 403
    assert (await client.ask("GET", path, authorization="Bearer sk-admin-2")).status == 200
    anthropic = await connect(simulated(ANTHROPIC, Wall()))
    path = "/v1/organizations/cost_report?starting_at=2024-10-04T00:00:00Z"
    refused = await anthropic.ask("GET", path, x_api_key="sk-model", anthropic_version="2023-06-01")
    assert refused.status == 401


@pytest.mark.parametrize(
    "query",
    ["", "start_time=x", "start_time=1&limit=0", "start_time=1&limit=999", "start_time=1&limit=x",
     "start_time=1&bucket_width=1h", "start_time=1&page=zzz"],
)  # fmt: skip
async def test_what_it_does_not_understand(connect: Connect, query: str) -> None:
    client = await connect(simulated(OPENAI, Wall()))
    assert (await client.ask("GET", f"/v1/organization/costs?{query}", **ADMIN)).status == 400
    anthropic = await connect(simulated(ANTHROPIC, Wall()))
    assert (await anthropic.ask("GET", f"/v1/organizations/cost_report?{query}", **ANT_ADMIN)).status == 400
    assert (await anthropic.ask("GET", "/v1/organizations/users", **ANT_ADMIN)).status == 404
    assert (await client.ask("GET", "/v1/organization/users", **ADMIN)).status == 404


async def test_other_projects_have_billed_nothing(connect: Connect) -> None:
    wall = Wall()
    simulator = simulated(OPENAI, wall)
    client = await connect(simulator)
    await traffic(simulator, client, wall)
    path = f"/v1/organization/costs?start_time={FIRST_S}"
    ours = (await client.ask("GET", f"{path}&project_ids[]=proj_simulated", **ADMIN)).json
    others = (await client.ask("GET", f"{path}&project_ids[]=proj_other", **ADMIN)).json
    assert ours["data"][0]["results"]
    assert not [bucket for bucket in others["data"] if bucket["results"]]


def test_the_command_line_can_plant_it() -> None:
    arguments = read_arguments(["--openai-port", "0", "--admin-extra-cents", "7", "--admin-page-buckets", "2"])
    assert (arguments.admin_extra_cents, arguments.admin_page_buckets, arguments.admin_key) == (7, 2, None)
