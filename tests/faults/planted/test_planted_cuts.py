"""Defects that a cut answer would bring to light, planted one by one; the check must see each."""

from pathlib import Path
from typing import Any

import pytest

from lodestard import generation, pipeline
from lodestard.domain.errors import Code, UpstreamFault
from lodestard.protocols.anthropic import messages_write
from lodestard.protocols.ollama import client_write
from lodestard.protocols.openai import chat_write
from lodestard.protocols.responses import events as responses_events
from lodestard.upstream.sender import Sending
from tests.fakes.world import open_world
from tests.faults.cuts import FORMS, Form, Outcome, cut_at, measure
from tests.faults.dialects import OVERLAY
from tests.faults.interposed import CutWire
from tests.faults.planted.finding import found

PAID_STREAM = Form("gpt-4o-mini", stream=True)


async def cut_before_the_end(folder: Path, form: Form, *, before: int) -> None:
    async with open_world(folder, OVERLAY) as world:
        size = await measure(world, form)
        await cut_at(world, form, CutWire(size - before, rst=False), Outcome())


@pytest.mark.parametrize("form", [form for form in FORMS if form.stream], ids=str)
async def test_a_cut_that_is_swallowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Form) -> None:
    read = Sending.receive

    async def swallow(self: Sending) -> Any:
        try:
            return await read(self)
        except UpstreamFault as fault:
            if fault.code is not Code.UPSTREAM_CUT:
                raise
            self._ended = True
            return []

    monkeypatch.setattr(Sending, "receive", swallow)
    with pytest.raises(BaseException) as caught:
        await cut_before_the_end(tmp_path, form, before=200)
    assert caught.group_contains(AssertionError, match="taken for whole")


async def test_a_cut_answer_that_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fly = pipeline.fly

    async def fly_and_keep(flight: Any, runtime: Any) -> None:
        await fly(flight, runtime)
        runtime.cache.keep_nowait(flight.ticket, flight.landing.reply, flight.target, flight.cost_nano_usd)

    monkeypatch.setattr(generation, "fly", fly_and_keep)
    monkeypatch.setattr("lodestard.cache.room.worth_keeping", lambda _reply: True)
    with pytest.raises(BaseException) as caught:
        await cut_before_the_end(tmp_path, PAID_STREAM, before=200)
    assert caught.group_contains(AssertionError)


async def test_a_cut_answer_that_is_not_charged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "may_be_billed", lambda _error, _record: False)
    with pytest.raises(BaseException) as caught:
        await cut_before_the_end(tmp_path, PAID_STREAM, before=200)
    assert caught.group_contains(AssertionError, match="billed")


WRITERS = {
    "openai": chat_write.StreamWriter,
    "anthropic": messages_write.StreamWriter,
    "responses": responses_events.StreamWriter,
    "ollama": client_write.LineWriter,
}


@pytest.mark.parametrize("client", WRITERS)
async def test_a_broken_answer_that_ends_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: str) -> None:
    writer = WRITERS[client]
    monkeypatch.setattr(writer, "fail", lambda self, _fault: self.close())
    with found(f"client='{client}'.* cut at byte"):
        await cut_before_the_end(tmp_path, Form("gpt-4o-mini", stream=True, client=client), before=200)
