"""Clients with keys of their own: who gets in, as whom, and what is shared with nobody."""

import logging
import socket
from collections.abc import AsyncIterator, Mapping
from itertools import product
from pathlib import Path
from socket import AF_INET, AF_UNIX
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from lodestard.classify.principal import Refusal
from lodestard.config import ConfigError
from lodestard.domain.client import digest_of, write_key
from lodestard.domain.errors import HouseFault
from lodestard.domain.question import Question
from lodestard.domain.settings import Server, Settings
from lodestard.doors import open_listeners
from lodestard.gate import MOST_PEERS, QUIET_NS, Gate
from lodestard.http import find_exposed
from lodestard.modules import metrics
from lodestard.start import known_reason
from tests.fakes.world import CHAT, Answer, Stage, World, chat, is_question, open_world

ANN, BOB, GONE = (write_key(bytes([number] * 20)) for number in range(3))
CLIENTS = f"""
[clients.ann]
key_sha256 = "{digest_of(ANN).hex()}"
project = "web"
user = "ann"
models = ["local-llama", "gpt-4o-mini"]

[clients.bob]
key_sha256 = "{digest_of(BOB).hex()}"
requests_per_minute = 2

[clients.gone]
key_sha256 = "{digest_of(GONE).hex()}"
enabled = false
"""
KEYLESS = CLIENTS + "\n[server]\nkeyless_loopback = true\n"


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path, CLIENTS, stage=Stage(modules=(metrics.MODULE,))) as opened:
        yield opened


async def ask(world: World, key: str, alias: str = "local-llama", **members: Any) -> Answer:
    return await world.ask(alias, headers=bearer(key), **members)


async def test_a_key_opens_and_names_whoever_asks(world: World) -> None:
    answer = await world.ask("local-llama", headers={**bearer(ANN), "x-lodestar-project": "theirs"}, user="eve")
    assert answer.status == 200
    row = await world.row()
    assert (row.principal, row.project, row.user) == ("ann", "web", "ann")
    sums = await world.ledger.reports.costs("principal")
    assert [(each.key, each.requests) for each in sums] == [("ann", 1)]


@pytest.mark.parametrize("headers", [{}, bearer("sk-x"), bearer(GONE), {"x-api-key": "lodestar:web"}])
async def test_without_a_good_key_nothing_is_reached(world: World, headers: Mapping[str, str]) -> None:
    paths = (CHAT, "/v1/models", "/v1/models/local-llama", "/metrics", "/nothing")
    for method, path in product(("GET", "POST", "HEAD"), paths):
        body = chat("local-llama") if method == "POST" else None
        answer = await world.request(method, path, body, headers)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer"), (method, path)
        if method != "HEAD":
            assert (answer.error["code"], answer.error["type"]) == ("invalid_api_key", "invalid_request_error")
    assert not await world.rows()
    seen = [request for upstream in world.upstreams.values() for request in upstream.app.requests]
    assert not [request.path for request in seen if is_question(request)]


async def test_probes_need_no_key(world: World) -> None:
    for path in ("/health/live", "/health/ready", "/"):
        assert (await world.request("GET", path)).status == 200


async def test_a_key_sees_and_uses_the_models_that_it_may(world: World) -> None:
    listed = await world.request("GET", "/v1/models", headers=bearer(ANN))
    assert {model["id"] for model in listed.json["data"]} == {"local-llama", "gpt-4o-mini"}
    assert (await world.request("GET", "/v1/models/local-llama", headers=bearer(ANN))).status == 200
    assert (await world.request("GET", "/v1/models/gpt-4o", headers=bearer(ANN))).status == 404
    for alias in ("gpt-4o", "openai/gpt-4o", "auto", "nobody"):
        refused = await ask(world, ANN, alias)
        assert (refused.status, refused.error["code"]) == (404, "model_not_found")
        assert "it may use: gpt-4o-mini, local-llama" in refused.error["message"]
    assert (await ask(world, BOB, "gpt-4o")).status == 200


async def test_a_key_s_rate_is_its_own(world: World) -> None:
    statuses = [(await ask(world, BOB)).status for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert (await ask(world, ANN)).status == 200


async def test_this_machine_s_own_may_need_no_key(tmp_path: Path) -> None:
    async with open_world(tmp_path, KEYLESS) as world:
        assert (await world.ask("gpt-4o-mini")).status == 200
        assert (await world.ask("gpt-4o-mini", headers=bearer("lodestar:web:s1"))).status == 200
        assert (await ask(world, ANN)).status == 200
        assert (await ask(world, GONE)).status == 401
        rows = await world.rows()
    assert [(row.principal, row.project) for row in rows] == [("local", ""), ("local", "web"), ("ann", "web")]


async def test_a_flood_of_wrong_keys_is_one_line_in_the_log_and_a_figure(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for number in range(5):
        assert (await ask(world, f"lodestar-guess-{number}")).status == 401
    assert (await world.request("GET", "/v1/models")).status == 401
    told = [record.getMessage() for record in caplog.records if "was refused" in record.getMessage()]
    assert told == ["127.0.0.1 was refused (key: unknown); told once a minute"]
    assert "lodestar-guess" not in caplog.text
    page = await world.request("GET", "/metrics", headers=bearer(BOB))
    assert 'lodestar_keys_refused_total{reason="unknown"} 5.0' in page.body.decode()
    assert 'lodestar_keys_refused_total{reason="none"} 1.0' in page.body.decode()


async def test_a_house_that_asks_itself_needs_no_key(world: World) -> None:
    messages = msgspec.Raw(msgspec.json.encode(chat("x")["messages"]))
    question = Question(origin="eval-idle", model="local-llama", members={"messages": messages})
    answered = await world.house.runtime.ask(question)
    assert answered.text
    assert (await world.row()).principal == "local"


async def test_where_others_can_reach_it_it_opens_with_keys_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opened the socket: nothing here names another address, so what was opened is said to be one."""
    monkeypatch.setattr("lodestard.doors.find_exposed", lambda _listeners: ("192.0.2.1:4000",))
    bare, keyed = tmp_path / "bare", tmp_path / "keyed"
    bare.mkdir()
    keyed.mkdir()
    with pytest.raises(BaseException) as refused:  # in groups of groups
        async with open_world(bare):
            pytest.fail("it opened")
    assert isinstance(error := known_reason(refused.value), ConfigError)
    assert "192.0.2.1:4000: not a loopback address" in str(error)
    async with open_world(keyed, CLIENTS) as world:
        (keyed / "conf.d" / "journey.toml").unlink()
        with pytest.raises(ConfigError, match=r"192\.0\.2\.1"):
            await world.house.reload()
        assert (await world.ask("local-llama")).status == 401
        assert (await ask(world, ANN)).status == 200


def test_which_sockets_others_can_reach() -> None:
    places = [("127.0.0.1", 1), ("0.0.0.0", 2), ("::1", 3, 0, 0), ("::", 4, 0, 0), ("192.0.2.1", 5)]
    listeners = [
        SimpleNamespace(socket=SimpleNamespace(family=AF_INET, getsockname=lambda place=place: place))
        for place in places
    ]
    listeners.append(SimpleNamespace(socket=SimpleNamespace(family=AF_UNIX, getsockname=lambda: "/run/x")))
    assert find_exposed(listeners) == ("0.0.0.0:2", "[::]:4", "192.0.2.1:5")  # type: ignore[arg-type]


async def test_a_budget_of_a_key_binds_whatever_else_is_said(tmp_path: Path) -> None:
    budget = '\n[budgets.ann]\nscope = "principal"\nof = "ann"\nusd = 0.00002\nat_limit = "refuse"\n'
    async with open_world(tmp_path, CLIENTS + budget) as world:
        refused = await world.ask("gpt-4o-mini", "word " * 400, headers={**bearer(ANN), "x-lodestar-user": "eve"})
        assert (refused.status, refused.error["code"]) == (400, "budget_refused")
        assert "client 'ann'" in refused.error["message"]
        assert (await ask(world, BOB, "gpt-4o-mini")).status == 200


def test_of_those_who_were_told_of_only_so_many_are_remembered(caplog: pytest.LogCaptureFixture) -> None:
    gate, refusal = Gate(), Refusal("none", "")
    for number in range(MOST_PEERS + 1):
        gate._log(f"peer {number}", refusal, number)
    assert len(gate._told_ns) == MOST_PEERS
    caplog.clear()
    for peer, now_ns, told in (("peer 0", 5, 1), ("peer 9", 5, 1), ("peer 9", QUIET_NS + 9, 2)):
        gate._log(peer, refusal, now_ns)
        assert len(caplog.records) == told


async def test_one_address_that_can_not_be_had_opens_none(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as probe:
        free, busy = probe.getsockname()[1], taken.getsockname()[1]
        probe.close()
        settings = Settings(server=Server(listen=(f"127.0.0.1:{free}", f"https://127.0.0.1:{busy}")))
        with pytest.raises(HouseFault, match="another process uses it"):
            await open_listeners(settings, {})
        with socket.create_server(("127.0.0.1", free)):
            pass
