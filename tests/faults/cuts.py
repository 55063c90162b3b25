"""F5: an upstream's answer that ends at a byte, properly closed or reset, at every byte of it.

What must hold: the client is told, unless the answer was whole by then; nothing broken is kept in the cache; the
ledger has at least what was billed, and exactly that where usage was delivered.
"""

import json
from dataclasses import dataclass

from tests.fakes.world import SimUpstream, World, chat
from tests.faults.interposed import CutWire, interpose
from tests.faults.reading import Seen, ask_raw, read, write_request

TEXT = "All of it."


@dataclass(frozen=True)
class Form:
    """What is cut: the answer of one dialect, streamed or plain."""

    alias: str
    stream: bool

    def upstream(self, world: World) -> SimUpstream:
        return world.ollama if self.alias == "local-llama" else world.openai

    def request(self, text: str) -> bytes:
        return write_request(chat(self.alias, text, stream=self.stream, temperature=0))

    def is_whole(self, sent: bytes) -> bool:
        """Whether the upstream had said all that matters before it was cut."""
        answer = read(sent)
        if self.alias == "local-llama":  # Ollama is always asked for a stream
            return any(_is_last(line) for line in answer.body.splitlines())
        return b"data: [DONE]" in answer.body if self.stream else answer.framed


def _is_last(line: bytes) -> bool:
    try:
        return bool(json.loads(line)["done"])
    except ValueError:
        return False


FORMS = [Form(alias, stream) for alias in ("local-llama", "gpt-4o-mini") for stream in (True, False)]


@dataclass
class Outcome:
    """How many were cut, and how many of them were whole all the same."""

    cuts: int = 0
    whole: int = 0


async def measure(world: World, form: Form) -> int:
    """How many bytes the upstream's answer has on the wire."""
    wire = CutWire(None, rst=False)
    form.upstream(world).say(TEXT)
    with interpose(form.upstream(world), wire):
        seen = await ask_raw(world.address, form.request("question 000000"))
    assert seen.succeeded
    assert seen.text == TEXT
    return len(wire.sent)


async def cut_at(world: World, form: Form, wire: CutWire, outcome: Outcome) -> None:
    """One cut, and the same question again."""
    outcome.cuts += 1
    upstream, question = form.upstream(world), form.request(f"question {outcome.cuts:06d}")
    charged, billed = world.ledger.totals().spent_today_nano_usd, upstream.bill_nano_usd
    upstream.app.app.mind.clear()
    upstream.say(TEXT, TEXT)
    with interpose(upstream, wire):
        seen = await ask_raw(world.address, question)
    whole = form.is_whole(bytes(wire.sent))
    where = f"{form} cut at byte {wire.at} ({'RST' if wire.rst else 'EOF'})"
    judge(seen, where, whole=whole)
    await world.settle()
    more, bill = world.ledger.totals().spent_today_nano_usd - charged, upstream.bill_nano_usd - billed
    assert more >= bill, f"{where}: billed {bill}, charged {more}"
    assert more == bill or not seen.succeeded, f"{where}: billed {bill}, charged {more} for a whole answer"
    assert world.ledger.totals().held_nano_usd == 0, where
    outcome.whole += seen.succeeded
    await _ask_again(world, form, question, kept=seen.succeeded)


def judge(seen: Seen, where: str, *, whole: bool) -> None:
    """An answer that looks whole is whole; another one looks broken."""
    if seen.succeeded:
        assert whole, f"{where}: taken for whole: {seen}"
        assert seen.finished, f"{where}: {seen}"
        assert seen.text == TEXT, f"{where}: {seen}"
    else:
        assert seen.told_of_failure, f"{where}: {seen}"


async def _ask_again(world: World, form: Form, question: bytes, *, kept: bool) -> None:
    upstream = form.upstream(world)
    asked = upstream.asked
    upstream.app.app.mind.clear()
    upstream.say(TEXT)
    again = await ask_raw(world.address, question)
    assert again.succeeded, again
    assert again.text == TEXT, again
    assert kept or upstream.asked > asked, f"what was cut came from the cache: {again}"
