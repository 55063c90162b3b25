"""Defects that random traffic would bring to light, planted one by one; the checks must see each."""

import logging
from pathlib import Path
from typing import Any

import pytest
import trio

from lodestard import pipeline
from lodestard.domain.usage import Usage
from lodestard.flights import Flights
from lodestard.ledger.ledger import Ledger
from tests.fakes import world as worlds
from tests.fakes.world import open_world
from tests.faults.traffic import OVERLAY, Storm, blow, check_providers, check_secrets

SEED = 1


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worlds, "PATIENCE_S", 1.5)


async def one_round(folder: Path) -> None:
    async with open_world(folder, OVERLAY) as world:
        await blow(world, Storm(SEED))
    check_providers(world)


async def test_broken_answers_that_are_not_charged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "may_be_billed", lambda _error, _record: False)
    with pytest.raises(AssertionError, match="billed"):
        await one_round(tmp_path)


async def test_output_that_is_not_charged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    capture = Ledger.capture

    def capture_prompt(self: Ledger, attempt: Any, usage: Usage | None) -> int:
        return capture(self, attempt, usage and Usage(prompt_tokens=usage.prompt_tokens))

    monkeypatch.setattr(Ledger, "capture", capture_prompt)
    with pytest.raises(AssertionError, match="billed"):
        await one_round(tmp_path)


async def test_a_task_that_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = Flights.start

    def start_and_forget(self: Flights, flight: Any) -> None:
        start(self, flight)
        self._nursery.start_soon(trio.sleep, 3.0)

    monkeypatch.setattr(Flights, "start", start_and_forget)
    with pytest.raises(BaseException) as caught:
        await one_round(tmp_path)
    assert caught.group_contains(AssertionError, match="sockets at rest")


async def test_a_prompt_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def tell_and_carry(exchange: Any, runtime: Any) -> None:
        logging.getLogger("lodestard").warning("asked: %s", exchange.request.conversation.messages)
        await pipeline.carry(exchange, runtime)

    monkeypatch.setattr("lodestard.endpoints.serving.carry", tell_and_carry)
    await one_round(tmp_path)
    with pytest.raises(AssertionError, match="the log"):
        check_secrets(tmp_path, caplog.text)
