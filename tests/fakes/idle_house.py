"""What the module eval_idle sees of a house: an idle host, a ledger with stored requests, a scripted model."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import trio

from lodestard.domain.closing import Closing
from lodestard.domain.errors import Fault
from lodestard.domain.news import RequestEnded
from lodestard.domain.question import Answered, Question
from lodestard.domain.quotes import PaidRequest, Quoted
from lodestard.domain.request import Caller
from lodestard.domain.residency import HostState, ModelState
from lodestard.domain.settings import Ledger, Settings
from lodestard.domain.upstream import Candidate, Target
from lodestard.domain.usage import Durations, Usage
from lodestard.ledger import Totals
from lodestard.modules.eval_idle import MODULE
from lodestard.modules.eval_idle.settings import EvalIdleSettings
from lodestard.runtime import Runtime
from tests.fakes.rooms import FakeLedger, NoRoutes, ScriptedSender, make_runtime

LLAMA = Target("t600", "llama3.1:8b")
CODER = Target("t600", "deepseek-coder:6.7b")
PAID = Target("openai", "gpt-4o-mini")
PROMPT, SAID = "canary-of-a-prompt", "positive"
USAGE = Usage(prompt_tokens=100, completion_tokens=20)
DURATIONS = Durations(total_ns=9_000_000_000, prefill_ns=1_000_000_000, decode_ns=2_000_000_000)
SETTINGS = EvalIdleSettings(enabled=True)

Scripted = str | Fault | float | Mapping[str, Any]
"""What a question gets: a text, a fault, seconds to wait before the usual answer, or other members of it."""


@dataclass(slots=True, eq=False)
class IdleLedger(FakeLedger):
    """``stored`` are paid requests, the newest first; ``texts`` what is kept of them beside the usual."""

    stored: list[PaidRequest] = field(default_factory=list)
    texts: dict[str, Quoted | None] = field(default_factory=dict)
    now: Totals = field(default_factory=lambda: Totals(day="2026-11-26"))
    listed: int = 0
    broken: Fault | None = None

    @property
    def quotes(self) -> "IdleLedger":
        return self

    def totals(self) -> Totals:
        return self.now

    async def paid(self, *, since_ms: int, before: str = "", limit: int = 100) -> Sequence[PaidRequest]:
        await trio.lowlevel.checkpoint()
        self.listed += 1
        if self.broken is not None:
            raise self.broken
        return [each for each in self.stored if each.received_ms >= since_ms and (not before or each.id < before)][
            :limit
        ]

    async def text_of(self, request_id: str) -> Quoted | None:
        await trio.lowlevel.checkpoint()
        messages = [{"role": "user", "content": PROMPT}]
        members = {"messages": msgspec.Raw(msgspec.json.encode(messages)), "max_tokens": msgspec.Raw(b"1000")}
        return self.texts.get(request_id, Quoted(id=request_id, members=members, answer=SAID))


class IdleRoutes(NoRoutes):
    def __init__(self, targets: Sequence[Target]) -> None:
        self.targets = targets

    def free_candidates(self) -> Sequence[Candidate]:
        return [Candidate(target=each, dialect="ollama", price=None, free=True, up=True) for each in self.targets]


class FakeResidency:
    hosts = ("t600",)

    def __init__(self) -> None:
        self.now = HostState(host="t600", step="idle", models=(ModelState(model=LLAMA.model, resident=True),))

    def state(self, host: str) -> HostState:
        assert host == "t600"
        return self.now


@dataclass(slots=True, eq=False)
class IdleHouse:
    """The module at work. ``asked`` are its questions; ``script`` says what they get, then they get ``SAID``."""

    ledger: IdleLedger
    residency: FakeResidency
    folder: Path
    asked: list[Question] = field(default_factory=list)
    script: list[Scripted] = field(default_factory=list)
    left: int = 0
    runtime: Runtime = field(init=False)

    async def ask(self, question: Question) -> Answered:
        self.asked.append(question)
        step = self.script.pop(0) if self.script else SAID
        try:
            await trio.sleep(step if isinstance(step, float) else 1)
        except trio.Cancelled:
            self.left += 1
            raise
        if isinstance(step, Fault):
            raise step
        if isinstance(step, Mapping):
            return answer_of(question, **step)
        return answer_of(question, step if isinstance(step, str) else SAID)

    @property
    def file(self) -> Path:
        return self.folder / "eval-idle.json"

    @property
    def targets(self) -> list[str]:
        return [question.model for question in self.asked]

    async def verb(self, name: str) -> Any:
        answer = self.runtime.hooks.verbs[f"eval.idle.{name}"].answer
        assert answer is not None
        return msgspec.to_builtins(await answer({}))

    def tell_ended(self, caller: Caller = Caller()) -> None:  # noqa: B008  frozen
        closing = Closing(outcome="ok", status=200, cache="bypass")
        self.runtime.hooks.request_ended.tell(
            RequestEnded(request_id="r", caller=caller, alias="a", attempts=1, cost_nano_usd=0, closing=closing)
        )


def answer_of(question: Question, text: str = SAID, **members: Any) -> Answered:
    return Answered(
        **{
            "request_id": "req_x",
            "target": Target.parse(question.model),
            "text": text,
            "usage": USAGE,
            "durations": DURATIONS,
            "total_us": 9_000_000,
            **members,
        }
    )


def stored(number: int, **members: object) -> PaidRequest:
    given = {"id": f"req_{number:04}", "received_ms": 1_790_000_000_000, "target": PAID, "task": "chat", **members}
    return msgspec.convert(given, PaidRequest)


@asynccontextmanager
async def idle_house(
    folder: Path,
    *,
    settings: EvalIdleSettings = SETTINGS,
    store_text: bool = True,
    change: Callable[[IdleHouse], object] = lambda _: None,
) -> AsyncIterator[IdleHouse]:
    """A house whose module is at work. ``change`` is called before it begins."""
    house = IdleHouse(IdleLedger(stored=[stored(1)]), FakeResidency(), folder)
    async with trio.open_nursery() as nursery:
        told = Settings(ledger=Ledger(store_text=store_text))
        runtime = make_runtime(nursery, ScriptedSender({}), settings=told)
        house.runtime = replace(
            runtime,
            ledger=house.ledger,  # type: ignore[arg-type]
            routes=IdleRoutes((LLAMA,)),
            residency=house.residency,
            state_dir=folder,
            ask=house.ask,
        )
        change(house)
        nursery.start_soon(MODULE.run, house.runtime, settings)
        yield house
        nursery.cancel_scope.cancel()
