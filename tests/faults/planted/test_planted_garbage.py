"""Defects that garbage would bring to light, planted one by one; the check must see each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lodestard import pipeline
from lodestard.domain.errors import Code, UpstreamFault
from lodestard.domain.usage import Usage
from lodestard.protocols.anthropic.usage import Meter
from lodestard.protocols.gemini import answer as gemini_answer
from lodestard.protocols.openai import stream as openai_stream
from lodestard.protocols.openai.stream import ChatChunks
from lodestard.protocols.responses import stream as responses_stream
from lodestard.upstream.sender import Sending
from tests.fakes.world import open_world
from tests.faults.cuts import FORMS, Form
from tests.faults.dialects import OVERLAY
from tests.faults.garbage import Tally, ask_for_garbage
from tests.faults.mangling import Change, double_usage, spoil_usage, truncate
from tests.faults.planted.finding import found

ENOUGH = 40


CLAUDE = tuple(form for form in FORMS if form.alias == "claude-sonnet")
FLASH = tuple(form for form in FORMS if form.alias == "flash")
RESPONDING = tuple(form for form in FORMS if form.alias == "responding")


async def ask_much(folder: Path, *changes: Change, forms: Sequence[Form] = FORMS) -> None:
    async with open_world(folder, OVERLAY) as world:
        for seed in range(ENOUGH):
            await ask_for_garbage(world, seed, Tally(), changes, forms)


async def test_garbage_that_is_taken_for_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Sending.receive

    async def swallow(self: Sending) -> Any:
        try:
            return await read(self)
        except UpstreamFault as fault:
            if fault.code not in (Code.UPSTREAM_GARBAGE, Code.UPSTREAM_CUT):
                raise
            self._ended = True
            return []

    monkeypatch.setattr(Sending, "receive", swallow)
    with pytest.raises(BaseException) as caught:
        await ask_much(tmp_path, truncate)
    assert caught.group_contains(AssertionError, match="unreadable|not honest")


async def test_garbage_that_is_not_charged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "may_be_billed", lambda _error, _record: False)
    with pytest.raises(BaseException) as caught:
        await ask_much(tmp_path, truncate)
    assert caught.group_contains(AssertionError, match="charged 0")


async def test_usage_that_makes_no_sense_and_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_stream, "read_usage", lambda raw, *_tier: Usage() if bytes(raw) else None)
    with pytest.raises(BaseException) as caught:
        await ask_much(tmp_path, spoil_usage)
    assert caught.group_contains(AssertionError, match="charged")


def believe_anything(_raw: object, *_tier: str) -> Usage:
    return Usage(completion_tokens=1)


def believe_the_last(self: Meter, raw: Any, *, final: bool) -> None:
    read_report(self, raw, final=final)
    self._counts |= {"prompt": 0, "output": 0}
    read_report(self, raw, final=final)


read_report = Meter.read
BELIEVED = {
    "gemini": (gemini_answer, "read_usage", believe_anything, FLASH, spoil_usage),
    "gemini, the last": (gemini_answer, "larger", lambda _known, new: new, FLASH, double_usage),
    "responses": (responses_stream, "read_usage", believe_anything, RESPONDING, spoil_usage),
    "anthropic": (Meter, "usage", property(lambda _self: Usage()), CLAUDE, spoil_usage),
    "anthropic, the last": (Meter, "read", believe_the_last, CLAUDE, double_usage),
}


@pytest.mark.parametrize("which", BELIEVED)
async def test_usage_of_other_dialects_that_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    place, name, defect, forms, change = BELIEVED[which]
    monkeypatch.setattr(place, name, defect)
    with found("billed .* charged"):
        await ask_much(tmp_path, change, forms=forms)


async def test_a_reader_that_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_self: ChatChunks, event: bytes) -> Any:
        raise KeyError("choices")

    monkeypatch.setattr(ChatChunks, "_chunk", crash)
    with pytest.raises(BaseException) as caught:
        await ask_much(tmp_path, truncate)
    assert caught.group_contains(AssertionError, match="broke the house|not honest")
