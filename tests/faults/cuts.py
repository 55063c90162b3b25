"""F5: an upstream's answer that ends at a byte, properly closed or reset, at every byte of it.

What must hold: the client is told, unless the answer was whole by then; nothing broken is kept in the cache; the
ledger has at least what was billed, and exactly that where usage was delivered.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from tests.fakes.world import SimUpstream, World
from tests.faults.dialects import CLIENTS, Client
from tests.faults.interposed import CutWire, interpose
from tests.faults.reading import Seen, ask_raw, read, write_request

TEXT = "All of it."


@dataclass(frozen=True)
class Form:
    """What is cut: the answer of one upstream, streamed or plain, to a client of one dialect."""

    alias: str
    stream: bool
    client: str = "openai"

    @property
    def speaks(self) -> Client:
        return CLIENTS[self.client]

    def upstream(self, world: World) -> SimUpstream:
        return world.upstreams[SIMULATORS[self.alias]]

    def request(self, text: str, **members: Any) -> bytes:
        body = self.speaks.write(self.alias, text, stream=self.stream, **{"temperature": 0, **members})
        return write_request(body, self.speaks.headers, self.speaks.path)

    async def ask(self, world: World, text: str, **members: Any) -> Seen:
        return await ask_raw(world.address, self.request(text, **members), self.speaks.seen)

    def is_whole(self, sent: bytes) -> bool:
        """Whether the upstream had said all that matters before it was cut."""
        answer = read(sent)
        if self.alias == "local-llama":  # Ollama is always asked for a stream
            return any(_is_last(line) for line in answer.body.splitlines())
        if not answer.streamed or self.alias == "flash":  # Gemini's streams have no mark of their end
            return answer.framed
        return _END.search(answer.body) is not None


SIMULATORS = {
    "local-llama": "ollama",
    "gpt-4o-mini": "openai",
    "claude-sonnet": "anthropic",
    "flash": "gemini",
    "responding": "openai",
}
_END = re.compile(
    rb"data: \[DONE\]|event: message_stop\ndata: .*}\n|event: response\.(?:completed|incomplete)\ndata: .*}\n"
)


def _is_last(line: bytes) -> bool:
    try:
        return bool(json.loads(line)["done"])
    except ValueError:
        return False


OWN = {"local-llama": "ollama", "claude-sonnet": "anthropic", "responding": "responses"}
"""Whose clients get an upstream's answer as it is."""
FORMS = [Form(alias, stream) for alias in SIMULATORS for stream in (True, False)]
FORMS += [Form(alias, stream, client) for alias, client in OWN.items() for stream in (True, False)]


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
        seen = await form.ask(world, "question 000000")
    assert seen.succeeded
    assert seen.text == TEXT
    return len(wire.sent)


async def cut_at(world: World, form: Form, wire: CutWire, outcome: Outcome) -> None:
    """One cut, and the same question again."""
    outcome.cuts += 1
    upstream, question = form.upstream(world), f"question {outcome.cuts:06d}"
    charged, billed = world.ledger.totals().spent_today_nano_usd, upstream.bill_nano_usd
    upstream.app.app.mind.clear()
    upstream.say(TEXT, TEXT)
    with interpose(upstream, wire):
        seen = await form.ask(world, question)
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


async def _ask_again(world: World, form: Form, question: str, *, kept: bool) -> None:
    upstream = form.upstream(world)
    asked = upstream.asked
    upstream.app.app.mind.clear()
    upstream.say(TEXT)
    again = await form.ask(world, question)
    assert again.succeeded, again
    assert again.text == TEXT, again
    assert kept or upstream.asked > asked, f"what was cut came from the cache: {again}"
