"""A day's work through the whole daemon, before simulated providers: ``python -m tests.bench.routing.day``.

The house, its ledger and its cache are real, the upstreams are the simulator's, and all of them are in this process;
think times are left out. What was saved, and by which lever, is what the ledger's report says, which is what
``lodestarctl costs`` prints. Beside it is the quality proxy: the latent odds of the model that answered
(``worlds.py``), which nobody in the house knows.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean

import msgspec
import trio

from lodestard.ledger.figures import CostRow
from lodestard.simulator.answering.question import Answer as SimAnswer
from lodestard.simulator.answering.question import Question
from tests.bench.routing.day_script import CALLS, Call, write_day
from tests.bench.routing.generate import logistic
from tests.bench.routing.worlds import CODING, FREE, LLAMA, MINI, OMNI, SHARP, SONNET, USUAL, Maker
from tests.fakes.world import CHAT, World, open_world

BASELINE = OMNI
DEEPSEEK, CLAUDE = "t600/deepseek-coder:6.7b", "anthropic/claude-sonnet-4-5-20250929"
MAKERS: Mapping[str, Maker] = {
    LLAMA: USUAL[LLAMA],
    DEEPSEEK: Maker(ability=-0.4, rate=FREE, kinds=dict.fromkeys(CODING, 0.9)),
    MINI: USUAL[MINI],
    OMNI: USUAL[OMNI],
    CLAUDE: USUAL[SONNET],
}
EVERYONE = msgspec.json.encode(list(MAKERS)).decode()
MODELS = f"""
[models]
day-strong = {{ route = ["{OMNI}"] }}
day-mini = {{ route = ["{MINI}"] }}
day-weak = {{ route = ["{LLAMA}", "{MINI}"] }}
day-complete = {{ route = ["{DEEPSEEK}", "{MINI}"] }}
day-cheap = {{ route = {EVERYONE}, prefer = "cheap" }}
day-balanced = {{ route = {EVERYONE}, prefer = "balanced" }}
day-best = {{ route = {EVERYONE}, prefer = "best" }}
"""
BY_HAND = {
    "architect": "day-strong", "main": "day-strong", "editor": "day-mini", "ask": "day-mini", "quick": "day-weak",
    "commit": "day-weak", "summary": "day-weak", "complete": "day-complete",
}  # fmt: skip
"""Which alias a careful user names for each role of the tools, today."""


class Mode(msgspec.Struct, frozen=True):
    """How the day is asked for: an alias for each role, and whether kept answers may be given."""

    name: str
    aliases: Mapping[str, str]
    cache: bool = True


class Seen(msgspec.Struct, frozen=True):
    """How a day went. ``total`` is the ledger's; ``quality`` and ``baseline_quality`` are the proxy's means."""

    mode: str
    total: CostRow
    models: tuple[CostRow, ...]
    quality: float
    baseline_quality: float


MODES: tuple[Mode, ...] = (
    Mode("baseline model, no cache", dict.fromkeys(BY_HAND, "day-strong"), cache=False),
    Mode("baseline model", dict.fromkeys(BY_HAND, "day-strong")),
    Mode("by hand", BY_HAND),
    *(Mode(f"routed, {prefer}", dict.fromkeys(BY_HAND, f"day-{prefer}")) for prefer in ("cheap", "balanced", "best")),
)


async def live(mode: Mode, calls: Sequence[Call], folder: Path) -> Seen:
    """The whole day. Raises ``AssertionError`` where an answer failed, or the ledger's books are wrong."""
    answers = {call.key: call.answer for call in calls}

    def answer(question: Question) -> SimAnswer | None:
        text = answers.get(question.last_user)
        return None if text is None else SimAnswer(text=text)

    async with open_world(folder, MODELS) as world:
        for upstream in world.upstreams.values():
            upstream.app.mind._script = answer
        models = await ask_all(world, mode, calls)
        await world.settle()
        (total,) = await world.ledger.reports.costs("all")
        rows = await world.ledger.reports.costs("model")
    assert total.requests == len(calls)
    assert not total.errors, f"{total.errors} requests failed"
    return Seen(
        mode.name,
        total,
        tuple(rows),
        fmean(odds(model, call) for model, call in zip(models, calls, strict=True)),
        fmean(odds(BASELINE, call) for call in calls),
    )


async def ask_all(world: World, mode: Mode, calls: Sequence[Call]) -> list[str]:
    """Which model answered each."""
    models = []
    async with world.open() as talk:
        for call in calls:
            headers = {"x-lodestar-session": call.session, "user-agent": "aider/0.86"}
            if not mode.cache:
                headers["cache-control"] = "no-store"
            await talk.send("POST", CHAT, body_of(call, mode.aliases[call.role]), headers)
            answer = await talk.receive()
            assert answer.status == 200, f"{call.role}: {answer.body[:300]!r}"
            models.append(answer.lodestar["model"])
    return models


def body_of(call: Call, alias: str) -> Mapping[str, object]:
    """Aider samples at temperature 0."""
    messages = [{"role": role, "content": text} for role, text in call.messages]
    return {"model": alias, "messages": messages, "temperature": 0, "stream": call.stream}


def odds(model: str, call: Call) -> float:
    """How likely this model does this call well."""
    maker = MAKERS[model]
    return logistic(SHARP * (maker.ability + maker.kinds.get(call.kind, 0.0) - call.difficulty))


def live_all(seed: int, count: int, modes: Sequence[Mode] = MODES) -> list[Seen]:
    """The same day in each mode."""
    calls, found = write_day(seed, count), []
    for mode in modes:
        with tempfile.TemporaryDirectory(prefix="bench-day-") as folder:
            found.append(trio.run(live, mode, calls, Path(folder)))
    return found


def write_day_report(days: Sequence[Seen], seed: int) -> Iterator[str]:
    """A table; shares are of what the baseline model would have cost."""
    first = days[0].total
    yield (
        f"A day of {first.requests} requests (seed {seed}), {first.prompt_tokens / 1e6:.2f} million prompt tokens;"
        f" baseline {BASELINE}: ${first.baseline_nano_usd / 1e9:.2f}, quality {days[0].baseline_quality:.3f}."
    )
    yield ""
    yield "| mode | cost, $ | saved | local | cache | cheaper | prompt cache | hits | free | quality | of baseline |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    for day in days:
        total = day.total
        parts = (
            total.saved_nano_usd,
            total.saved_local_nano_usd,
            total.saved_cache_nano_usd,
            total.saved_cheaper_nano_usd,
            total.saved_prompt_cache_nano_usd,
        )
        shares = " | ".join(f"{part / total.baseline_nano_usd:.1%}" for part in parts)
        yield (
            f"| {day.mode} | {total.cost_nano_usd / 1e9:.3f} | {shares} | {total.cache_hits} |"
            f" {total.free_requests} | {day.quality:.3f} | {day.quality / day.baseline_quality:.1%} |"
        )


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.routing.day")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--calls", type=int, default=CALLS)
    options = parser.parse_args(arguments)
    print("\n".join(write_day_report(live_all(options.seed, options.calls), options.seed)))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
