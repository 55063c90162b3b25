"""A programmer's day with Aider and an editor: some four hundred requests, as plain data from a seed.

Law: the script knows nothing of models. Sizes are those of ``tests/bench/gpu/clients.py`` (which says why), with
files of 1,000 to 5,000 tokens in the chat; hidden kind and difficulty come from the same places as in ``worlds.py``.
Sources: how Aider's prompts begin, aider-chat 0.86; the marks of a gap to fill, DeepSeek-Coder's.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from tests.bench.gpu.clients import FIM
from tests.bench.gpu.words import code, prose
from tests.bench.routing.prompts import write_prompt
from tests.bench.routing.worlds import COMPLETION_TOKENS, DIFFICULTY, SPREAD

CALLS = 400
AGAIN = 0.12
"""How often something is sent once more as it was: after an undo, a lost connection, a cursor that came back."""
PLANNED = 0.4
"""How often a task goes through architect and editor."""
TASKS_A_CHAT = (3, 6)
LONGEST_ANSWER = 1500
VAGUE = 0.15
EASIER = 0.8
"""By how much an editor's work is easier than the task: the plan is there."""
MAIN_KINDS = ("edit", "edit", "edit", "code", "debug", "test")
QUICK_KINDS = ("chat", "shell", "explain", "data", "docs", "translate")
OPENINGS = {
    "architect": "Act as an expert architect engineer and provide direction to your editor engineer.\n",
    "editor": "Act as an expert software developer who edits source code.\n",
    "main": "Act as an expert software developer.\n",
    "ask": "Act as an expert code analyst.\n",
    "commit": "You are an expert software engineer that generates concise, one-line Git commit messages.\n",
    "summary": "*Briefly* summarize this partial conversation about programming.\n",
}
SYSTEM_TOKENS = {"architect": 280, "editor": 330, "main": 700, "ask": 200, "commit": 110, "summary": 120}
Message = tuple[str, str]


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request. ``role`` is the part of a tool that sends it; ``kind`` and ``difficulty`` are the hidden truth.

    ``answer`` is what any model says. The last message's text tells calls apart, but for those that are sent again.
    """

    session: str
    role: str
    kind: str
    difficulty: float
    messages: tuple[Message, ...]
    answer: str
    stream: bool = True
    again: bool = False

    @property
    def key(self) -> str:
        return self.messages[-1][1]


def write_day(seed: int, calls: int = CALLS) -> tuple[Call, ...]:
    """The day's calls, in their order."""
    return tuple(islice(_with_repeats(random.Random(f"repeats {seed}"), _sessions(seed)), calls))


def _sessions(seed: int) -> Iterator[Call]:
    number = 0
    while True:
        number += 1
        yield from _Session(random.Random(f"day {seed} {number}"), f"chat-{number:02}").calls()


def _with_repeats(luck: random.Random, calls: Iterator[Call]) -> Iterator[Call]:
    for call in calls:
        yield call
        if luck.random() < AGAIN:
            yield msgspec.structs.replace(call, again=True)


class _Session:
    """One chat in one repository, with the editor beside it."""

    def __init__(self, luck: random.Random, name: str) -> None:
        self._luck = luck
        self._name = name
        self._count = 0
        self._systems = {
            role: ("system", opening + prose(random.Random(role), SYSTEM_TOKENS[role]))
            for role, opening in OPENINGS.items()
        }
        self._map: Sequence[Message] = (
            ("user", code(luck, 1000)),
            ("assistant", "Ok, I won't try to edit those files."),
        )
        self._files: Sequence[Message] = (
            ("user", code(luck, luck.randint(1000, 5000))),
            ("assistant", "Ok, any changes I propose will be to those files."),
        )
        self._history: list[Message] = []

    def calls(self) -> Iterator[Call]:
        luck = self._luck
        if luck.random() < 0.7:
            yield self._asked("ask", "explain")
        for _ in range(luck.randint(*TASKS_A_CHAT)):
            yield from self._complete(luck.randint(1, 6))
            yield from self._task(luck.choice(MAIN_KINDS))
            yield from self._quick(luck.randint(0, 2))
        yield self._summary()

    def _task(self, kind: str) -> Iterator[Call]:
        """A change, by one model or by two, and its commit message."""
        if self._luck.random() < PLANNED:
            plan = self._asked("architect", "plan")
            yield plan
            difficulty = plan.difficulty - EASIER
            text = f"[{self._next()}] {plan.answer}\n" + prose(random.Random("rules"), 480)
            change = self._call("editor", "edit", difficulty, (self._systems["editor"], *self._files, ("user", text)))
        else:
            change = self._asked("main", kind)
        yield change
        diff = f"diff --git {self._next()}\n{change.answer}"
        difficulty = self._difficulty("commit")
        yield self._call("commit", "commit", difficulty, (self._systems["commit"], ("user", diff)), stream=False)

    def _asked(self, role: str, kind: str) -> Call:
        """A request in the chat, which grows by it."""
        difficulty = self._difficulty(kind)
        asked = f"[{self._next()}] " + write_prompt(self._luck, kind, difficulty, VAGUE)
        before = (self._systems[role], *self._map, *self._history, *self._files)
        call = self._call(role, kind, difficulty, (*before, ("user", asked)))
        self._history += [("user", asked), ("assistant", call.answer)]
        return call

    def _quick(self, count: int) -> Iterator[Call]:
        """A short question from the editor's side panel."""
        for _ in range(count):
            kind = self._luck.choice(QUICK_KINDS)
            difficulty = self._difficulty(kind)
            text = f"[{self._next()}] " + write_prompt(self._luck, kind, difficulty, VAGUE)
            yield self._call("quick", kind, difficulty, (("user", text),))

    def _complete(self, count: int) -> Iterator[Call]:
        for _ in range(count):
            before = f"# {self._next()}\n" + code(self._luck, self._luck.randint(250, 600))
            gap = FIM.format(before=before, after=code(self._luck, self._luck.randint(80, 300)))
            yield self._call("complete", "autocomplete", self._difficulty("autocomplete"), (("user", gap),))

    def _summary(self) -> Call:
        """Aider's own, when the history has grown long."""
        said = f"[{self._next()}]\n" + "\n".join(f"# {role.upper()}\n{text}" for role, text in self._history)
        difficulty = self._difficulty("summary")
        return self._call("summary", "summary", difficulty, (self._systems["summary"], ("user", said)), stream=False)

    def _call(
        self, role: str, kind: str, difficulty: float, messages: tuple[Message, ...], *, stream: bool = True
    ) -> Call:
        tokens = min(LONGEST_ANSWER, round(COMPLETION_TOKENS[kind] * self._luck.lognormvariate(0, 0.4)))
        write = prose if kind in ("commit", "summary", "explain", "chat", "docs", "plan") else code
        return Call(
            session=self._name,
            role=role,
            kind=kind,
            difficulty=difficulty,
            messages=messages,
            answer=write(self._luck, max(4, tokens)),
            stream=stream,
        )

    def _difficulty(self, kind: str) -> float:
        return self._luck.gauss(DIFFICULTY[kind], SPREAD)

    def _next(self) -> str:
        self._count += 1
        return f"{self._name}/{self._count}"
