"""Defects at the doors of the dialects, planted one by one; the checks must see each."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lodestard import endpoints
from lodestard.cache import records
from lodestard.cache.key import digest_request
from lodestard.dialogues import Dialogues
from lodestard.protocols.anthropic import messages_read, passing
from lodestard.protocols.error_bodies import openai_error
from lodestard.thoughts import Thoughts
from lodestard.upstream import sender
from tests.fakes.world import World, open_world
from tests.faults.doors import (
    SECRET,
    drop_secrets,
    knock_everywhere,
    send_headers,
    steal_kept_answers,
    steal_responses,
    steal_thoughts,
)
from tests.faults.planted.finding import found
from tests.faults.test_doors import configure

Check = Callable[[World], Awaitable[object]]


async def look(folder: Path, check: Check) -> None:
    async with open_world(folder, configure()) as world:
        await check(world)


PATHS = ("/responses", "/responses/local-llama", "/messages/count_tokens", "/embeddings", "/api/chat", "/api/ps")


@pytest.mark.parametrize("path", PATHS)
async def test_a_door_that_is_open(ram_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(endpoints, "OPEN", endpoints.OPEN | {path})
    with found(f"at [A-Z]+ (/v1)?{path}: let in"):
        await look(ram_path, knock_everywhere)


async def test_a_new_path_that_is_open(ram_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    route = endpoints.ROUTES["/models"]
    monkeypatch.setitem(endpoints.ROUTES, "/brand/new", route)
    monkeypatch.setattr(endpoints, "OPEN", endpoints.OPEN | {"/brand/new"})
    with found("at GET /v1/brand/new: let in"):
        await look(ram_path, knock_everywhere)


@pytest.mark.parametrize("path", ["messages", "api/chat"])
async def test_a_refusal_in_foreign_words(ram_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    def write(_dialect: str, fault: Any, _request_id: str) -> Any:
        headers = [("content-type", "application/json"), ("www-authenticate", "Bearer")]
        return 401, headers, msgspec.json.encode(openai_error(fault))

    monkeypatch.setattr("lodestard.protocols.error_bodies.write_error", write)
    routes = {name: route for name, route in endpoints.ROUTES.items() if name == f"/{path}"}
    monkeypatch.setattr("tests.faults.doors.ROUTES", routes)
    with found("another dialect's refusal"):
        await look(ram_path, knock_everywhere)


async def test_a_shelf_for_all(ram_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    common = Dialogues().shelf("all")
    monkeypatch.setattr(Dialogues, "shelf", lambda _self, _principal: common)
    with found("another's response"):
        await look(ram_path, steal_responses)


async def test_thoughts_for_all(ram_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep, restore = Thoughts.keep, Thoughts.restore
    monkeypatch.setattr(Thoughts, "keep", lambda self, _whose, *what: keep(self, "all", *what))
    monkeypatch.setattr(Thoughts, "restore", lambda self, _whose, *what: restore(self, "all", *what))
    with found("thoughts before bob's calls"):
        await look(ram_path, steal_thoughts)


async def test_a_cache_for_all(ram_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "digest_request", lambda request, _principal: digest_request(request, ""))
    with found("another's answer was kept"):
        await look(ram_path, steal_kept_answers)


async def test_headers_that_go_on(ram_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = ("cookie", *messages_read.HEEDED)
    monkeypatch.setattr(messages_read, "HEEDED", more)
    monkeypatch.setattr("lodestard.protocols.anthropic.messages.AnthropicMessages.heeded", more)
    monkeypatch.setattr(passing, "HEEDED", more)
    with found("a client's headers went to anthropic"):
        await look(ram_path, send_headers)


@pytest.mark.parametrize("defect", ["words", "length"])
async def test_too_much_that_is_told(ram_path: Path, monkeypatch: pytest.MonkeyPatch, defect: str) -> None:
    tells: Mapping[str, Any] = {"words": lambda names: (*names, SECRET), "length": tuple}
    monkeypatch.setattr(sender, "few_of", tells[defect])
    with found("a client's word in the headers|characters of headers"):
        await look(ram_path, drop_secrets)
