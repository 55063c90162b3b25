"""The three clients' requests: Aider in architect mode, an editor's autocomplete, a batch.

Sizes in tokens, and why:

- Aider (aider-chat 0.86) sends system prompt, repository map (1,024 by default), the chat's history, the files in the
  chat, then what is new; history grows by a turn a task and stays below its limit of 1,024 before it is summarised,
  here by a ``/clear`` every four tasks. So a prompt begins as the last one did up to the history's end, and the
  files are read again. The editor model's chat is fresh each time: system, examples, files, the architect's plan, the
  format's rules. A diff-mode prompt has at least 2.5k tokens, which was measured. The commit message goes to the
  weak model, which is the main model where no other is named; it is a system prompt and the diff, and not streamed.
- Autocomplete (Continue's defaults: at most 1,024 tokens, 350 ms after the last key): what stands before the cursor,
  then the hole, then what follows. Each key typed cancels the request before; the last of a burst waits until its
  user gives up, after 10 s.
- A batch repeats its instructions and examples before each piece, as every such script does, and asks for a short
  answer: a line for a search index of llama, a docstring of deepseek.
"""

import random
from collections.abc import Iterator, Sequence

from tests.bench.gpu.traffic import DEEPSEEK, LLAMA, Ask, Lane
from tests.bench.gpu.words import code, prose

TASKS_A_CHAT = 4
FIM = "<\uff5cfim\u2581begin\uff5c>{before}<\uff5cfim\u2581hole\uff5c>{after}<\uff5cfim\u2581end\uff5c>"
DEBOUNCE_S = 0.35
GIVE_UP_S = 10.0
Messages = tuple[tuple[str, str], ...]
Spells = Sequence[tuple[float, float]]
"""From when until when, in seconds."""


def aider(luck: random.Random, tasks: int, pauses: "Pauses") -> Lane:
    """So many tasks: a plan, an edit, a commit message."""
    person = _Aider(luck)
    asks: list[Ask] = []
    for number in range(tasks):
        asks += person.task(number, pauses)
    return Lane(asks=tuple(asks))


class Pauses:
    """How long a person takes, each a range of seconds: to think of a task, to read a plan, to look at an edit."""

    def __init__(
        self, think: tuple[float, float], read: tuple[float, float] = (0, 0), look: tuple[float, float] = (0, 0)
    ) -> None:
        self.think = think
        self.read = read
        self.look = look


class _Aider:
    """One chat after the other in one repository."""

    def __init__(self, luck: random.Random) -> None:
        self._luck = luck
        opening = "Act as an expert architect engineer and provide direction to your editor engineer.\n"
        self._system = _message("system", opening + prose(luck, 280))
        opening = "Act as an expert software developer who edits source code.\n"
        self._editor_system = _message("system", opening + prose(luck, 330))
        self._examples = (("user", prose(luck, 100)), ("assistant", code(luck, 500)))
        opening = "You are an expert software engineer that generates concise, one-line Git commit messages.\n"
        self._commit_system = _message("system", opening + prose(luck, 110))
        self._rules = "\n# *SEARCH/REPLACE block* Rules:\n" + prose(luck, 480)
        self._map: Messages = (("user", code(luck, 1000)), ("assistant", "Ok, I won't try to edit those files."))
        self._history: Messages = ()
        self._files = ""

    def task(self, number: int, pauses: Pauses) -> Iterator[Ask]:
        luck = self._luck
        if number % TASKS_A_CHAT == 0:
            self._history, self._files = (), code(luck, luck.randint(700, 1100))
        asked = f"[task {number}] " + prose(luck, luck.randint(30, 110))
        plan = f"[plan {number}] " + prose(luck, luck.randint(150, 330))
        edit = code(luck, luck.randint(100, 300))
        yield Ask(
            name=f"architect-{number}",
            kind="architect",
            model=LLAMA,
            messages=(*self._system, *self._map, *self._history, *self._chat_files(), ("user", asked)),
            answer=plan,
            pause_s=luck.uniform(*pauses.think),
        )
        yield Ask(
            name=f"editor-{number}",
            kind="editor",
            model=DEEPSEEK,
            messages=(*self._editor_system, *self._examples, *self._chat_files(), ("user", plan + self._rules)),
            answer=edit,
            pause_s=luck.uniform(*pauses.read),
        )
        self._files = self._files[: -len(edit) // 2] + edit[: len(edit) // 2]
        yield Ask(
            name=f"commit-{number}",
            kind="commit",
            model=LLAMA,
            messages=(*self._commit_system, ("user", f"diff --git {number}\n{edit}")),
            answer=prose(luck, luck.randint(10, 20)),
            stream=False,
            pause_s=luck.uniform(*pauses.look),
        )
        done = ("user", "I made those changes to the files."), ("assistant", "Ok.")
        self._history += (("user", asked), ("assistant", plan), *done)

    def _chat_files(self) -> Messages:
        return (("user", self._files), ("assistant", "Ok, any changes I propose will be to those files."))


def autocomplete(luck: random.Random, spells: Spells) -> Lane:
    """Spells of typing; in each, bursts of keys, each in a file of its own."""
    asks = list[Ask]()
    for begins_s, ends_s in spells:
        at_s = begins_s + luck.uniform(2.0, 10.0)
        while at_s < ends_s:
            asks += _burst(luck, at_s, f"{len(asks)}")
            at_s = asks[-1].pause_s + luck.uniform(8.0, 30.0)
    return Lane(asks=tuple(asks), width=0)


def _burst(luck: random.Random, at_s: float, name: str) -> Iterator[Ask]:
    before, after = f"# file {name}\n" + code(luck, luck.randint(250, 420)), code(luck, luck.randint(80, 200))
    typed, length = code(luck, 200), luck.randint(4, 9)
    for number in range(length):
        last = number == length - 1
        gap_s = luck.lognormvariate(0.7, 0.6) + DEBOUNCE_S
        before, typed = before + typed[: 4 + int(gap_s * 5)], typed[4 + int(gap_s * 5) :]
        yield Ask(
            name=f"autocomplete-{name}-{number}",
            kind="autocomplete",
            model=DEEPSEEK,
            messages=(("user", FIM.format(before=before, after=after)),),
            answer=code(luck, luck.randint(8, 40)),
            pause_s=at_s,
            patience_s=GIVE_UP_S if last else gap_s - DEBOUNCE_S,
            superseded=not last,
        )
        at_s += gap_s


def batch(luck: random.Random, models: Sequence[str], jobs: int, *, width: int, begins_s: float = 0.0) -> Lane:
    """So many pieces, each for one of ``models``, some at a time."""
    return Lane(
        asks=tuple(_piece(luck, luck.choice(models), f"{begins_s:.0f}/{number}") for number in range(jobs)),
        width=width,
        begins_s=begins_s,
    )


def _piece(luck: random.Random, model: str, name: str) -> Ask:
    least, most = (15, 45) if model == LLAMA else (40, 90)
    rules = prose(random.Random(model), 700 if model == LLAMA else 600)
    return Ask(
        name=f"job-{name}",
        kind="job",
        model=model,
        messages=(("system", rules), ("user", f"[piece {name}]\n" + code(luck, luck.randint(100, 300)))),
        answer=prose(luck, luck.randint(least, most)),
        stream=False,
    )


def ping_pong(luck: random.Random, rounds: int) -> Lane:
    """Short questions to one model and the other in turn, without a pause."""
    asks = [
        Ask(
            name=f"turn-{number}",
            kind="turn",
            model=DEEPSEEK if number % 2 == 0 else LLAMA,
            messages=(("user", f"[turn {number}] " + prose(luck, 110)),),
            answer=prose(luck, luck.randint(10, 20)),
        )
        for number in range(2 * rounds)
    ]
    return Lane(asks=tuple(asks))


def _message(role: str, text: str) -> Messages:
    return ((role, text),)
