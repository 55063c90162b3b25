"""The verbs over a whole house: its own rooms, in front of simulated upstreams."""

import dataclasses
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from lodestard.control.arguments import read_arguments
from lodestard.control.messages import AskItem, CacheWarmed, Explanation, Status, TestResult
from lodestard.control.messages.prices import CostExplanation, PriceCheck, PricesReport
from lodestard.control.verbs import core_verbs
from lodestard.domain.errors import Code, Fault
from lodestard.inside import read_chunk, read_fault
from lodestard.panel import Panel, Places, moves, state_word, verify_file, versions
from tests.fakes.world import CHAT, World, chat, eventually, open_world


class Verbs:
    """Calls verbs as the control socket's handler does, through JSON."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self._verbs = core_verbs(panel)

    async def call(self, name: str, **arguments: Any) -> Any:
        verb = self._verbs[name]
        assert verb.answer is not None
        answer = await verb.answer(read_arguments(verb, msgspec.json.encode(arguments)))
        return msgspec.json.decode(msgspec.json.encode(answer), type=type(answer))

    async def stream(self, name: str, items: list[Any], **arguments: Any) -> list[Any]:
        verb = self._verbs[name]
        assert verb.stream is not None

        async def emit(item: object) -> None:
            items.append(item)

        await verb.stream(read_arguments(verb, msgspec.json.encode(arguments)), emit)
        return items


@asynccontextmanager
async def opened(folder: Path, overlay: str = "") -> AsyncIterator[tuple[World, Verbs]]:
    async with open_world(folder, overlay) as world:
        places = Places(folder / "lodestard.toml", folder / "state", folder / "control.sock", simulated=True)
        yield (
            world,
            Verbs(
                Panel(
                    world.house, world.ledger, world.cache, world.prices, world.proxy, places, desks=world.panel.desks
                )
            ),
        )


async def test_ask_goes_through_the_endpoint_and_is_accounted_for(tmp_path: Path) -> None:
    async with opened(tmp_path) as (world, verbs):
        world.openai.say("Because it is.")
        *pieces, last = await verbs.stream("ask", [], question="why?", model="gpt-4o-mini")
        assert "".join(piece.text for piece in pieces) == "Because it is."
        assert isinstance(last, AskItem)
        assert last.target == "openai/gpt-4o-mini"
        assert last.cost_nano_usd == world.openai.bill_nano_usd > 0
        (row,) = (await verbs.call("requests")).requests
        assert (row.request_id, row.outcome, row.stream) == (last.request_id, "ok", True)
        told: Explanation = await verbs.call("explain", id=last.request_id[-8:])
        (attempt,) = told.attempts
        assert (attempt.state, attempt.outcome, attempt.cost_nano_usd) == ("captured", "ok", last.cost_nano_usd)
        assert attempt.hold_nano_usd >= attempt.cost_nano_usd
        assert told.candidates[0].target == "openai/gpt-4o-mini"


async def test_ask_raises_what_can_not_even_be_read(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, verbs):
        with pytest.raises(Fault) as caught:
            await verbs.stream("ask", [], question="why?", model="")
        assert (caught.value.code, caught.value.param) == (Code.INVALID_REQUEST, "model")
        assert (await verbs.call("requests")).requests == ()


async def test_ask_raises_what_the_endpoint_refuses(tmp_path: Path) -> None:
    async with opened(tmp_path) as (world, verbs):
        with pytest.raises(Fault) as caught:
            await verbs.stream("ask", [], question="why?", model="gpt-4-o")
        assert (caught.value.code, caught.value.param) == (Code.MODEL_NOT_FOUND, "model")
        world.openai.fail("cut=300")
        heard: list[Any] = []
        with pytest.raises(Fault):
            await verbs.stream("ask", heard, question="why?", model="gpt-4o")


async def test_ask_that_is_cancelled_is_a_client_that_left(tmp_path: Path) -> None:
    async with opened(tmp_path) as (world, verbs), trio.open_nursery() as nursery:
        heard: list[Any] = []

        async def ask() -> None:
            await verbs.stream("ask", heard, question="why?", model="local-llama")

        with world.ollama.held(after=3):
            nursery.start_soon(ask)
            await eventually(lambda: heard, "the first piece")
            await world.ollama.wait_held()
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await world.ollama.wait_left()
                row = await world.row()
        assert row.outcome == Code.CLIENT_LEFT.value


async def test_ask_whose_reader_breaks_is_a_client_that_left(tmp_path: Path) -> None:
    async with opened(tmp_path) as (world, verbs):
        ask = verbs._verbs["ask"].stream
        assert ask is not None

        async def emit(_item: object) -> None:
            raise ConnectionError("gone")

        with pytest.raises(ConnectionError):
            await ask({"question": "why?", "model": "local-llama", "folder": ""}, emit)
        assert (await world.row()).outcome == Code.CLIENT_LEFT.value


async def test_status_costs_and_models_say_the_same_as_the_ledger(tmp_path: Path) -> None:
    async with opened(tmp_path) as (world, verbs):
        await world.ask("gpt-4o", max_tokens=50)
        await world.ask("local-llama", temperature=0)
        await world.ask("local-llama", temperature=0)
        await world.settle()
        status: Status = await verbs.call("status")
        assert (status.state, status.simulated, status.listeners[0].address) == ("ready", True, world.address)
        assert status.config == str(tmp_path / "lodestard.toml")
        today = status.today
        assert (today.requests, today.free_requests, today.cache_hits, today.cache_lookups) == (3, 2, 1, 2)
        assert today.cost_nano_usd == world.openai.bill_nano_usd
        assert {upstream.name: upstream.connections for upstream in status.upstreams}["openai"] == 1
        costs = await verbs.call("costs", since="today")
        assert costs.total.cost_nano_usd == today.cost_nano_usd
        assert costs.total.saved_nano_usd == today.saved_nano_usd
        assert sum(row.requests for row in costs.rows) == today.requests
        models = {model.alias: model for model in (await verbs.call("models")).models}
        assert models["gpt-4o"].targets[0].input_pico_usd == 2_500_000
        assert models["unpriced"].targets[0].note


async def test_a_cost_is_explained_with_the_price_that_it_was_made_with(tmp_path: Path) -> None:
    listed = '[upstreams.openai]\nprice_provider = "openai"\n'
    async with opened(tmp_path, listed) as (world, verbs):
        answer = await world.ask("unpriced", max_completion_tokens=200)
        await world.settle()
        explained: CostExplanation = await verbs.call("costs.explain", id=answer.id)
        (attempt,) = explained.attempts
        pico_usd = sum(line.tokens * line.rate_pico_usd for line in attempt.lines)
        assert -(-pico_usd // 1_000) == attempt.cost_nano_usd == explained.cost_nano_usd == world.openai.bill_nano_usd
        assert attempt.given_back_nano_usd == attempt.hold_nano_usd - attempt.cost_nano_usd
        prices: PricesReport = await verbs.call("prices", model="unpriced")
        assert prices.prices[0].now is not None
        assert prices.prices[0].now.version == attempt.price_version
        check: PriceCheck = await verbs.call("prices.check")
        assert {finding.target for finding in check.findings if finding.kind == "unpriced"} == set()
        assert prices.list_version == check.list_version != ""


async def test_models_are_tested_within_the_price_that_was_said(tmp_path: Path) -> None:
    async with opened(tmp_path) as (world, verbs):
        plans = {plan.alias: plan for plan in (await verbs.call("models.plan", aliases=["gpt-4o", "gone"])).calls}
        results: list[TestResult] = await verbs.stream("models.test", [], aliases=["gpt-4o", "gone"])
        good, gone = results
        assert (good.outcome, good.cost_nano_usd) == ("ok", world.openai.bill_nano_usd)
        assert 0 < good.cost_nano_usd <= (plans["gpt-4o"].max_cost_nano_usd or 0)
        assert gone.outcome == "upstream_unreachable"
        assert gone.detail


async def test_the_cache_is_warmed_exported_cleared_and_taken_in_again(tmp_path: Path) -> None:
    async with opened(tmp_path, "[cache]\ndisk = false\n") as (world, verbs):
        request = {"model": "local-llama", "messages": [{"role": "user", "content": "hi"}], "temperature": 0}
        warm = [msgspec.json.encode(request).decode(), msgspec.json.encode({**request, "temperature": 1}).decode()]
        first: list[CacheWarmed] = await verbs.stream("cache.warm", [], lines=[*warm, *warm[:1]])
        assert [item.outcome for item in first] == ["kept", "not kept", "hit"]
        exported = [bytes(line).decode() for line in await verbs.stream("cache.export", [])]
        assert len(exported) == 1
        assert (await verbs.call("cache.clear", model="local-llama")).entries == 1
        again: list[CacheWarmed] = await verbs.stream("cache.warm", [], lines=[*exported, '{"reply": 1}'])
        assert [item.outcome for item in again] == ["kept", "not kept"]
        assert again[1].detail
        report = await verbs.call("cache.stats")
        assert (report.memory_entries, report.hits) == (1, 1)
        answer = await world.request("POST", "/v1/chat/completions", request)
        assert answer.lodestar["cache"] == "hit"


async def test_the_configuration_is_checked_shown_and_reloaded(tmp_path: Path) -> None:
    async with opened(tmp_path) as (world, verbs):
        assert (await verbs.call("config.check")).ok
        values = {entry.key: entry for entry in (await verbs.call("config.show")).entries}
        assert values["upstreams.t600.concurrency"].value == "4"
        assert values["upstreams.t600.concurrency"].origin.startswith(str(tmp_path / "lodestard.toml:"))
        assert values["server.drain_s"].origin == "default"
        assert (await verbs.call("config.reload")).changed == ()
        (tmp_path / "conf.d").mkdir()
        drop_in = tmp_path / "conf.d" / "mine.toml"
        drop_in.write_text('[log]\nlevel = "debug"\n[cache]\ndisk = false\n')
        report = await verbs.call("config.reload")
        assert (report.ok, report.changed, report.restart) == (True, ("cache.disk", "log.level"), ("cache.disk",))
        drop_in.write_text('[log]\nlevle = "debug"\n')
        for verb in ("config.check", "config.reload"):
            report = await verbs.call(verb)
            assert not report.ok
            assert (report.faults[0].key, report.faults[0].line) == ("log.levle", 2)
        assert world.house.runtime.settings.log.level == "debug"


async def test_the_house_is_verified_examined_and_drained(tmp_path: Path) -> None:
    async with opened(tmp_path) as (world, verbs):
        await world.ask("gpt-4o", max_tokens=50)
        await world.settle()
        report = await verbs.call("ledger.verify")
        assert (report.ok, report.requests, report.cost_nano_usd) == (True, 1, world.openai.bill_nano_usd)
        findings = {finding.code for finding in (await verbs.call("doctor")).findings}
        assert {"upstream_down", "model_missing"} <= findings
        assert (await verbs.call("version")).runs_on["sqlite"]
        was = (await verbs.call("log-level", level="warning")).was
        assert (await verbs.call("log-level", level=was if was in ("debug", "info") else "info")).was == "warning"
        async with world.open() as talk:
            with world.ollama.held():  # the house stays for as long as a request is under way
                await talk.send("POST", CHAT, chat("local-llama"))
                await world.ollama.wait_asked()
                await verbs.call("drain")
                assert (await verbs.call("status")).state == "draining"
            assert (await talk.receive()).ended == "whole"


async def test_a_unit_is_made_ready_for_the_restart_that_systemd_does(tmp_path: Path) -> None:
    async with opened(tmp_path) as (world, verbs):
        assert world.house.drain_s == 120.0
        places = dataclasses.replace(verbs.panel.places, unit="lodestard.service")
        report = await Verbs(dataclasses.replace(verbs.panel, places=places)).call("restart")
        assert (report.ok, report.unit, report.drain_s, report.moves) == (True, "lodestard.service", 20.0, False)
        assert (world.house.draining, world.house.restarts_with) == (False, None)
        world.house.begin_drain()  # the SIGTERM that comes is a restart's
        assert world.house.drain_s == 20.0


async def test_what_would_not_start_is_not_restarted(tmp_path: Path) -> None:
    async def rehearse() -> str:
        return "No module named 'trio'"

    async with opened(tmp_path) as (world, verbs):
        world.house.rehearse = rehearse
        with pytest.raises(Fault, match="this one serves on: No module named 'trio'"):
            await verbs.call("restart")
        assert not world.house.draining
        (tmp_path / "conf.d").mkdir(exist_ok=True)
        (tmp_path / "conf.d" / "wrong.toml").write_text("[log]\nlevle = 1\n")
        report = await verbs.call("restart")
        assert (report.ok, report.faults[0].key, report.faults[0].line) == (False, "log.levle", 2)
        assert (await world.ask("gpt-4o", max_tokens=5)).status == 200


def test_where_the_control_socket_goes() -> None:
    here = Path("/run/lodestard.sock")
    assert not moves(here, "")
    assert not moves(here, "/run/lodestard.sock")
    assert moves(here, "/run/elsewhere.sock")


def test_words_and_versions() -> None:
    assert state_word("", draining=False) == "ready"
    assert state_word("every upstream is down", draining=False) == "degraded"
    assert state_word("", draining=True) == "draining"
    assert {"python", "sqlite", "trio"} <= set(versions())


def test_a_ledger_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Fault) as caught:
        verify_file(tmp_path / "ledger.db")
    assert caught.value.code is Code.STORE_UNAVAILABLE


@pytest.mark.parametrize(
    ("chunk", "expected"),
    [
        ({"choices": [{"delta": {"content": "a"}}]}, ("a", "")),
        ({"choices": [{"delta": {"reasoning_content": "b", "content": None}}]}, ("", "b")),
        ({"choices": []}, ("", "")),
        ({}, ("", "")),
        ({"choices": [{}]}, ("", "")),
    ],
)
def test_chunks(chunk: Mapping[str, Any], expected: tuple[str, str]) -> None:
    assert read_chunk(chunk) == expected


def test_faults_are_read_back() -> None:
    fault = read_fault(b'{"error": {"code": "budget_refused", "message": "No.", "param": "model"}}')
    assert (fault.code, fault.message, fault.param) == (Code.BUDGET_REFUSED, "No.", "model")
    for odd in (b'{"error": "text"}', b'{"error": {"code": "newer"}}', b"{}"):
        assert read_fault(odd).code is Code.INTERNAL
