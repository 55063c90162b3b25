"""How good a local answer is beside the paid one: cheap judges, each for one kind of answer. Pure.

Law: half is for the form, which can be known (it applies, it parses, it fits the schema, it calls the right tool),
half for saying the same. Where there is no form to look at, likeness is all there is: such a verdict is weak and
counts for a quarter, as a commit message's counts for half. The paid answer is the measure: what it fails itself is
not asked for.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from lodestard.domain.json_schema import explain_mismatch
from lodestard.domain.quotes import Quoted
from lodestard.modules.eval_idle.edits import has_blocks, read_blocks, read_listings
from lodestard.modules.eval_idle.likeness import likeness, normalised, shared
from lodestard.modules.eval_idle.patch import Patched, apply_blocks, apply_listings, changed_lines, count_broken
from lodestard.modules.eval_idle.structure import NOTHING, agreement, read_json

Kind = Literal["edit", "json", "call", "short", "commit", "text"]
WEIGHTS: Mapping[str, float] = {"edit": 1.0, "json": 1.0, "call": 1.0, "short": 1.0, "commit": 0.5, "text": 0.25}
WEAK = ("commit", "text")
GOOD = 0.7
"""From here on an answer counts as good as the paid one."""

EDIT_TASKS = ("edit", "editor")
SHORT_CHARACTERS = 40
SHORT_WORDS = 5
SUBJECT_CHARACTERS = 100
ALIKE = 0.5
"""Two texts that share so many words are as alike as two good answers are."""

_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>\s*", re.DOTALL)
_CONVENTIONAL = re.compile(r"[a-z]+(\([^)]*\))?!?: \S.*")


class Said(msgspec.Struct, frozen=True):
    """An answer: its text, and the tools that it calls (names, and arguments as JSON text)."""

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A request that a paid model has answered, with its answer. ``schema`` is of the JSON that was asked for."""

    task: str = ""
    paid: Said = Said()
    files: Mapping[str, str] = {}
    json_wanted: bool = False
    schema: Any = None


class Verdict(msgspec.Struct, frozen=True):
    """``score`` in [0, 1]; ``why`` in figures, never in words of the answer."""

    kind: Kind
    score: float
    why: str = ""

    @property
    def good(self) -> bool:
        return self.score >= GOOD


def read_case(task: str, quoted: Quoted) -> Case:
    """A stored request as the judges want it. What can't be read in it is not there."""
    wanted = _decode(quoted.members.get("response_format"))
    wanted = wanted if isinstance(wanted, dict) else {}
    described = wanted.get("json_schema")
    files: dict[str, str] = {}
    for text in _texts(_decode(quoted.members.get("messages"))):
        files |= read_listings(text)
    return Case(
        task=task,
        paid=Said(without_thoughts(quoted.answer), quoted.calls),
        files=files,
        json_wanted=wanted.get("type") in ("json_object", "json_schema"),
        schema=described.get("schema") if isinstance(described, dict) else None,
    )


def judge(case: Case, local: Said) -> Verdict:
    """The verdict of the first judge who knows this kind of answer."""
    local = Said(without_thoughts(local.text), local.calls)
    if case.paid.calls or local.calls:
        return judge_calls(case.paid.calls, local.calls)
    return (
        judge_edit(case, local.text)
        or judge_json(case, local.text)
        or judge_commit(case, local.text)
        or judge_short(case, local.text)
        or judge_text(case, local.text)
    )


def judge_calls(paid: Sequence[tuple[str, str]], local: Sequence[tuple[str, str]]) -> Verdict:
    """Each call beside its counterpart: the same tool, and the same arguments."""
    most = max(len(paid), len(local))
    scores = [_judge_call(ours, theirs) for ours, theirs in zip(paid, local, strict=False)]
    return Verdict("call", sum(scores) / most, f"{sum(score >= GOOD for score in scores)} of {most} calls")


def _judge_call(paid: tuple[str, str], local: tuple[str, str]) -> float:
    given = read_json(local[1] or "{}")
    if paid[0] != local[0] or not isinstance(given, dict):
        return 0.0
    return _half_for_form(1.0, agreement(read_json(paid[1] or "{}"), given))


def judge_edit(case: Case, local: str) -> Verdict | None:
    """Whether it applies to the files of the prompt, whether they can still be read, and what it changes."""
    paid = _patch(case, case.paid.text, case.paid.text)
    if paid is None or not paid.applied or paid.applied < paid.total:
        return None
    ours = _patch(case, local, case.paid.text)
    wanted = changed_lines(paid.files, case.files)
    if ours is None or not ours.applied:
        return Verdict("edit", 0.0, "no edit that applies")
    changed = changed_lines(ours.files, case.files)
    if wanted and not changed:
        return Verdict("edit", 0.0, "changes nothing")
    broken, alike = count_broken(ours.files, case.files), shared(wanted, changed)
    form = ours.applied / ours.total * (1 - broken / len(ours.files))
    why = f"{ours.applied} of {ours.total} edits apply, {broken} files broken, {alike:.0%} of the lines alike"
    return Verdict("edit", _half_for_form(form, alike), why)


def _patch(case: Case, text: str, like: str) -> Patched | None:
    """The edits of ``text``, read in the format of ``like``; None where that has none."""
    if has_blocks(like):
        return apply_blocks(read_blocks(text), case.files)
    if case.task in EDIT_TASKS and read_listings(like):
        return apply_listings(read_listings(text), case.files)
    return None


def judge_json(case: Case, local: str) -> Verdict | None:
    """Whether it can be read as JSON where the paid one can, fits the schema, and says the same."""
    wanted = read_json(case.paid.text, fenced=not case.json_wanted)
    if wanted is NOTHING or not (case.json_wanted or isinstance(wanted, dict | list)):
        return None
    given = read_json(local, fenced=not case.json_wanted)
    if given is NOTHING:
        return Verdict("json", 0.0, "no JSON")
    if case.schema is not None and not explain_mismatch(wanted, case.schema) and explain_mismatch(given, case.schema):
        return Verdict("json", 0.0, "does not fit its schema")
    alike = agreement(wanted, given)
    return Verdict("json", _half_for_form(1.0, alike), f"{alike:.0%} of the values alike")


def judge_commit(case: Case, local: str) -> Verdict | None:
    """A commit's subject line: one line, short, with its type where the paid one has one."""
    if case.task != "commit" or not _is_subject(case.paid.text):
        return None
    typed = _CONVENTIONAL.fullmatch(case.paid.text.strip()) is not None
    if not _is_subject(local) or (typed and _CONVENTIONAL.fullmatch(local.strip()) is None):
        return Verdict("commit", 0.0, "not one line of the wanted form")
    alike = likeness(case.paid.text, local)
    return Verdict("commit", _half_for_form(1.0, alike), f"the form is right, {alike:.0%} of the words alike")


def _is_subject(text: str) -> bool:
    lines = text.strip().splitlines()
    return len(lines) == 1 and len(lines[0]) <= SUBJECT_CHARACTERS


def judge_short(case: Case, local: str) -> Verdict | None:
    """A word or two, such as a class: the same or not."""
    paid = case.paid.text.strip()
    if not paid or "\n" in paid or len(paid) > SHORT_CHARACTERS or len(paid.split()) > SHORT_WORDS:
        return None
    same = normalised(paid) == normalised(local)
    return Verdict("short", float(same), "the same" if same else "another one")


def judge_text(case: Case, local: str) -> Verdict:
    """Words in common, and no more than that."""
    alike = likeness(case.paid.text, local) if local.strip() else 0.0
    return Verdict("text", min(1.0, alike / ALIKE), f"{alike:.0%} of the words alike")


def without_thoughts(text: str) -> str:
    """An answer without what a model thought aloud before it."""
    return _THOUGHTS.sub("", text)


def _half_for_form(form: float, alike: float) -> float:
    return form * (1 + alike) / 2


def _decode(raw: msgspec.Raw | None) -> Any:
    return None if raw is None else read_json(bytes(raw).decode(errors="replace"))


def _texts(messages: Any) -> list[str]:
    """What users said in a chat, message by message."""
    found: list[str] = []
    for message in messages if isinstance(messages, list) else ():
        if not isinstance(message, dict) or message.get("role") != "user":
            continue
        content = message.get("content")
        parts = content if isinstance(content, list) else [{"text": content}]
        found.append("".join(str(part.get("text") or "") for part in parts if isinstance(part, dict)))
    return found
