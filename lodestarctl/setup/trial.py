"""The last step: one real request through the listener, to the cheapest model that is there.

Law: a model that costs is asked only after a person's yes; a free one is asked by a name that nobody paid answers.
"""

import http.client
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from lodestarctl.session import Session
from lodestarctl.setup.look import connect, reason_of
from lodestarctl.setup.models import NOT_FOR_CHAT
from lodestard.control.messages import AskItem, ModelRow, ModelsReport, ModelTarget
from lodestard.control.messages.aider import AiderFacts
from lodestard.domain.money import format_usd

QUESTION = "Say hello to Lodestar in at most six words."
MOST_TOKENS = 60
PROMPT_TOKENS = 60
ANSWER_S = 420.0
MOST_BYTES = 1_000_000
PICO_PER_NANO = 1_000


class Subject(NamedTuple):
    """Who is asked: a name, and the most that it can cost in nano-USD; 0 for free ones."""

    name: str
    target: str
    most_nano_usd: int | None


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """How it went. ``error`` is empty where there was an answer."""

    model: str
    answer: str = ""
    cost_usd: str = ""
    seconds: float = 0.0
    request_id: str = ""
    error: str = ""


def choose_subject(report: ModelsReport) -> Subject | None:
    """The cheapest that may answer: a free one that is in memory, a free one, the cheapest paid one. Pure."""
    free: list[tuple[ModelRow, ModelTarget]] = []
    paid: list[tuple[ModelRow, ModelTarget]] = []
    for row in report.models:
        for target in row.targets:
            if target.state == "down" or target.place == "missing" or _embeds(target.target):
                continue
            (free if target.free else paid).append((row, target))
    if free:
        row, target = min(free, key=lambda pair: (pair[1].place != "resident", pair[1].state != "up"))
        return Subject(_free_name(row, target), target.target, 0)
    priced = [(cost, row, target) for row, target in paid if (cost := _most(target)) is not None]
    if not priced:
        return None
    cost, row, target = min(priced, key=lambda each: each[0])
    return Subject(target.target, target.target, cost)


def _free_name(row: ModelRow, target: ModelTarget) -> str:
    """The alias, where everybody who may answer it is free; otherwise the model by its own name."""
    return row.alias if all(each.free for each in row.targets) else target.target


def _embeds(target: str) -> bool:
    return any(word in target.lower() for word in NOT_FOR_CHAT)


def _most(target: ModelTarget) -> int | None:
    if target.input_pico_usd is None or target.output_pico_usd is None or target.note:
        return None
    pico = PROMPT_TOKENS * target.input_pico_usd + MOST_TOKENS * target.output_pico_usd
    return -(-pico // PICO_PER_NANO)


def ask(session: Session, facts: AiderFacts, subject: Subject) -> Trial:
    """Through the port that clients use; by the control socket where that asks for a key or has a certificate."""
    if facts.key_needed or not facts.base_url.startswith("http://"):
        return _ask_inside(session, subject)
    began_s = time.monotonic()
    connection, base = connect(facts.base_url, ANSWER_S)
    body = {
        "model": subject.name,
        "messages": [{"role": "user", "content": QUESTION}],
        "max_tokens": MOST_TOKENS,
    }
    fields = {"content-type": "application/json", "x-lodestar-client": "lodestarctl", "x-lodestar-task": "chat"}
    try:
        connection.request("POST", f"{base}/chat/completions", msgspec.json.encode(body), fields)
        response = connection.getresponse()
        data = response.read(MOST_BYTES)
    except (OSError, http.client.HTTPException) as error:
        return Trial(model=subject.name, error=f"{facts.base_url} gave no answer: {reason_of(error, ANSWER_S)}.")
    finally:
        connection.close()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return read_answer(subject, response.status, headers, data, time.monotonic() - began_s)


def read_answer(subject: Subject, status: int, headers: Mapping[str, str], data: bytes, seconds: float) -> Trial:
    """What came back, as a result. Pure."""
    try:
        body = msgspec.json.decode(data, type=dict[str, Any])
    except (ValueError, RecursionError):
        body = {}
    trial = Trial(
        model=headers.get("x-lodestar-model", subject.target),
        cost_usd=headers.get("x-lodestar-cost-usd", ""),
        seconds=round(seconds, 3),
        request_id=headers.get("x-lodestar-request-id", ""),
    )
    if status != http.client.OK:
        told = body.get("error")
        message = told.get("message") if isinstance(told, dict) else ""
        return msgspec.structs.replace(trial, error=str(message or f"it answered {status}"))
    try:
        answer = str(body["choices"][0]["message"]["content"] or "")
    except (KeyError, IndexError, TypeError):
        return msgspec.structs.replace(trial, error="what it answered is no chat completion")
    return msgspec.structs.replace(trial, answer=answer)


def _ask_inside(session: Session, subject: Subject) -> Trial:
    began_s = time.monotonic()
    text, last = "", AskItem()
    arguments = {"question": QUESTION, "model": subject.name}
    for data in session.client.stream("ask", arguments):
        last = msgspec.json.decode(data, type=AskItem)
        text += last.text
    cost = format_usd(last.cost_nano_usd) if last.cost_nano_usd is not None else ""
    return Trial(
        model=last.target,
        answer=text,
        cost_usd=cost,
        seconds=round(time.monotonic() - began_s, 3),
        request_id=last.request_id,
    )
