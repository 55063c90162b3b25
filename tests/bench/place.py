"""What a place on a card costs by itself: the CPU of coming, learning and going where nobody else waits.

``python -m tests.bench.place [BATCHES]``: one card whose model is in memory, in one process and without a network, so
that the figure is steady enough to compare two versions by. Each batch is 300 requests of 8 KB; the least of the
batches is the figure, for everything else adds to it.
"""

import sys
import time
from collections.abc import Callable

import trio

from lodestard.domain.host_ports import Place
from lodestard.domain.request import Caller, Conversation, Message, Request, TextPart
from lodestard.domain.residency import Ask, LoadedModel
from lodestard.domain.settings import Model, Settings, Upstream
from lodestard.domain.upstream import Target
from lodestard.domain.usage import Durations, Usage
from lodestard.residency.card import Card
from lodestard.residency.landing import add_tenant
from lodestard.residency.place import CardPlace
from lodestard.residency.plain import HostAdmission
from lodestard.residency.standing import Standing
from lodestard.residency.terms import read_terms

BATCHES, REQUESTS = 12, 300
LLAMA = "llama3.1:8b"
PROMPT = "def sort(items):\n    return sorted(items, key=lambda item: item.name)\n" * 120
SAID = Usage(prompt_tokens=2_000, completion_tokens=60), Durations(prefill_ns=10**9, decode_ns=2 * 10**9)
NS_PER_MS = 1_000_000
SETTINGS = Settings(
    upstreams={
        "t600": Upstream(
            dialect="ollama",
            url="http://127.0.0.1:11434",
            free=True,
            keep_alive="30m",
            options={"num_ctx": 16_384},
        )
    },
    models={"local-llama": Model(route=(f"t600/{LLAMA}",))},
)


def make_card() -> Card:
    """A card that serves, with nobody behind it."""
    card = Card("t600", read_terms(SETTINGS)["t600"], Standing(), lambda: 0)
    card.configure(card.terms, frozenset({LLAMA}))
    card.begin_load, card.begin_unload = (lambda _load: None), (lambda _model: None)
    card.opened_with = card.terms.upstream
    add_tenant(card, LoadedModel(model=LLAMA, size_bytes=5, vram_bytes=5, context_tokens=16_384))
    return card


def make_ask(number: int) -> Ask:
    talk = Conversation(messages=(Message(role="user", parts=(TextPart(f"{PROMPT} {number}"),)),))
    request = Request(
        dialect="openai",
        alias="local-llama",
        stream=True,
        include_usage=False,
        members={},
        conversation=talk,
        size_bytes=9_000,
    )
    caller = Caller(principal="local", session="s", client="aider", task="chat")
    return Ask(target=Target("t600", LLAMA), request=request, caller=caller)


async def spend(admit: Callable[[Ask], Place]) -> float:
    """Milliseconds of CPU a request, over one batch."""
    asks = [make_ask(number) for number in range(REQUESTS)]
    began_ns = time.thread_time_ns()
    for ask in asks:
        place = admit(ask)
        async with place as seat:
            seat.learn(*SAID)
        assert not place.note
        _ = place.notes
    return (time.thread_time_ns() - began_ns) / REQUESTS / NS_PER_MS


async def measure(batches: int) -> tuple[float, float]:
    """Milliseconds a request: on a card, and where places are merely counted."""
    card, plain = make_card(), HostAdmission(SETTINGS.upstreams)
    on, off = [], []
    for _ in range(batches):
        on.append(await spend(lambda ask: CardPlace(card, ask)))
        off.append(await spend(plain.admit))
    return min(on), min(off)


def main(argv: list[str]) -> None:
    on_ms, off_ms = trio.run(measure, int(argv[0]) if argv else BATCHES)
    print(f"a place on a card: {on_ms:.3f} ms of CPU; a counted one: {off_ms:.4f} ms")  # noqa: T201  its one output


if __name__ == "__main__":
    main(sys.argv[1:])
