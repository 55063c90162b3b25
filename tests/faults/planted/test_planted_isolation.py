"""Defects that would mix principals up, or let in whoever comes, planted one by one; the checks must see each."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from lodestard import endpoints
from lodestard.cache import records
from lodestard.cache.key import digest_request
from lodestard.domain.client import KnownClient, Principal
from lodestard.endpoints import Endpoints
from lodestard.exchange import Exchange
from lodestard.flights import RetryKey
from lodestard.gate import Gate
from lodestard.http.door import Door
from lodestard.pipeline import carry
from tests.fakes.world import World, open_world
from tests.faults import test_isolation as checks
from tests.faults.doses import Figure
from tests.faults.isolation import keep_apart, key_of, name_principals, open_trap, try_to_mislead, write_clients
from tests.faults.planted.finding import found

PRINCIPALS = name_principals(3)
Check = Callable[[World], Awaitable[object]]


def say_nothing(_figure: Figure) -> None:
    """The table is for what held."""


async def look(folder: Path, check: Check) -> None:
    async with open_world(folder, write_clients(["ann", "bob", *PRINCIPALS])) as world:
        await check(world)


async def apart(world: World) -> None:
    await keep_apart(world, PRINCIPALS, 1)


async def gated(world: World) -> None:
    await checks.test_every_carrier_at_every_endpoint((world, True), say_nothing)


async def walled(world: World) -> None:
    await checks.test_pages_and_names_from_elsewhere_reach_nothing((world, True), say_nothing)


async def unmoved(world: World) -> None:
    async with open_trap() as trap:
        await try_to_mislead(world, trap, {"authorization": f"Bearer {key_of('ann')}"})


async def test_a_cache_for_all(ram_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "digest_request", lambda request, _principal: digest_request(request, ""))
    with found("one answer, . principals|went to"):
        await look(ram_path, apart)


async def test_an_idempotency_key_for_all(ram_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def retry_key(self: Exchange) -> RetryKey | None:
        given = self.http.headers.get("idempotency-key")
        return RetryKey("everybody", given) if given else None

    monkeypatch.setattr(Exchange, "retry_key", property(retry_key))
    with found("Idempotency-Key|idempotency_mismatch|400"):
        await look(ram_path, apart)


async def test_everybody_has_one_name(ram_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    admit = Gate.admit

    def admit_as_one(self: Gate, *how: Any) -> Principal:
        admit(self, *how)
        return Principal(name="one")

    monkeypatch.setattr(Gate, "admit", admit_as_one)
    with found("went to|principals"):
        await look(ram_path, apart)


async def test_a_revoked_key_that_opens(ram_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KnownClient, "state", lambda _self, _now_ms: "active")
    with found("revoked as bearer .* let in"):
        await look(ram_path, gated)


async def test_a_path_without_a_gate(ram_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "OPEN", endpoints.OPEN | {"/models"})
    with found("at GET /v1/models: let in"):
        await look(ram_path, gated)


async def test_an_endpoint_for_insiders_at_the_port(ram_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Endpoints, "__call__", Endpoints.serve_insider)
    with found("let in"):
        await look(ram_path, gated)


@pytest.mark.parametrize("rule", ["_knows", "_trusts"])
async def test_a_door_that_stands_open(ram_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str) -> None:
    monkeypatch.setattr(Door, rule, lambda *_: True)
    with found("let in with 200"):
        await look(ram_path, walled)


async def test_a_header_that_chooses_a_host(ram_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def carry_elsewhere(exchange: Exchange, runtime: Any) -> None:
        if url := exchange.http.headers.get("x-base-url"):
            async with httpx.AsyncClient() as client:
                with pytest.raises(httpx.HTTPError):
                    await client.get(url if "://" in url else f"http://{url}")
        await carry(exchange, replace(runtime))

    monkeypatch.setattr("lodestard.endpoints.serving.carry", carry_elsewhere)
    with found("a host that nobody configured"):
        await look(ram_path, unmoved)
