"""How a module asks a model: ``runtime.ask``, through the proxy's own endpoint.

Law: a module's question is a request like any other: the same plan, budgets, admission and ledger row, tagged by its
origin. It runs in the generation of the module that asks, and does not keep that open. Cancelled, its client leaves.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lodestard.domain.errors import Code, Fault, HouseFault
from lodestard.domain.news import RequestEnded
from lodestard.domain.question import Answered, Question
from lodestard.domain.request import ToolCall
from lodestard.endpoints.openai import serve_house
from lodestard.http import ClientLeft, Headers, HttpExchange
from lodestard.http.firewall import defect, log_defect
from lodestard.inside import InnerExchange, carry_inside
from lodestard.runtime import Runtime

AGENT = "lodestard"
ERRORS = 400
NOT_HEEDED = ("model", "stream", "stream_options")


class Function(msgspec.Struct, frozen=True):
    """A call as it stands in a chat completion."""

    name: str = ""
    arguments: str = ""


class Call(msgspec.Struct, frozen=True):
    function: Function
    id: str = ""


class Message(msgspec.Struct, frozen=True):
    content: str | None = None
    tool_calls: tuple[Call, ...] | None = None


class Choice(msgspec.Struct, frozen=True):
    message: Message = Message()
    finish_reason: str | None = None


class Completion(msgspec.Struct, frozen=True):
    """Of a plain chat completion: what is told of it."""

    choices: tuple[Choice, ...] = ()


async def ask_model(question: Question, runtime: Runtime) -> Answered:
    """Ask in ``runtime``; returns the whole answer.

    Raises ``Fault`` as the endpoint tells it; a defect is logged and told as a client would be told. Cancelled, what
    it began is cancelled or drained as for any client, which may take some seconds.
    """
    exchange = WholeExchange(question, runtime.clock.monotonic_ns())
    ended: dict[str, RequestEnded] = {}

    def hear(news: RequestEnded) -> None:
        if news.caller.origin == question.origin:
            ended[news.request_id] = news

    async def handle(http: HttpExchange) -> None:
        exchange.refusal = await answer(http, runtime, question.origin)

    with runtime.hooks.request_ended.listen(hear):
        await carry_inside(handle, exchange)
    if exchange.refusal is not None:
        raise exchange.refusal
    request_id = exchange.result().request_id
    return read_answer(exchange.body, ended[request_id])


async def answer(http: HttpExchange, runtime: Runtime, origin: str) -> Fault | None:
    """The endpoint, with the firewall around it that a connection has: what never came to an answer of its own."""
    try:
        await serve_house(http, runtime, origin)
    except ClientLeft:
        raise
    except Fault as fault:
        return fault
    except Exception as error:  # noqa: BLE001  a defect must not end the module that met it
        log_defect(error)
        return defect()
    return None


class WholeExchange(InnerExchange):
    """One whose answer comes whole."""

    def __init__(self, question: Question, received_ns: int) -> None:
        super().__init__(write_body(question), ignore, received_ns)
        self.headers = Headers(head_fields(question))
        self.body = b""
        self.refusal: Fault | None = None

    async def respond(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        if status < ERRORS:
            self.body, body = body, b""
        await super().respond(status, headers, body)


async def ignore(_text: str, _reasoning: str) -> None:
    """A whole answer has no pieces."""


def head_fields(question: Question) -> list[tuple[str, str]]:
    """The head of its request. Pure."""
    fields = {
        "content-type": "application/json",
        "user-agent": AGENT,
        "x-lodestar-client": question.origin,
        "x-lodestar-priority": question.rank,
        "x-lodestar-task": question.task,
        "x-lodestar-session": question.session,
        "cache-control": "" if question.keep else "no-store",
    }
    return [(name, value) for name, value in fields.items() if value]


def write_body(question: Question) -> bytes:
    """Its body: a plain chat completion with the members that were given. Pure."""
    members: Mapping[str, Any] = {name: value for name, value in question.members.items() if name not in NOT_HEEDED}
    return msgspec.json.encode({**members, "model": question.model, "stream": False})


def read_answer(body: bytes, ended: RequestEnded) -> Answered:
    """A chat completion and the figures of its row. Pure; raises ``HouseFault`` for what is no answer."""
    closing = ended.closing
    try:
        completion = msgspec.json.decode(body, type=Completion)
    except msgspec.MsgspecError as error:
        raise HouseFault(Code.INTERNAL, f"The answer can't be read ({type(error).__name__}).") from None
    if not completion.choices or closing.target is None:
        raise HouseFault(Code.INTERNAL, "The answer has nothing in it.")
    choice = completion.choices[0]
    calls = choice.message.tool_calls or ()
    return Answered(
        request_id=ended.request_id,
        target=closing.target,
        text=choice.message.content or "",
        tool_calls=tuple(ToolCall(call.id, call.function.name, call.function.arguments) for call in calls),
        finish=choice.finish_reason or "",
        cache=closing.cache,
        usage=closing.usage,
        durations=closing.durations,
        cost_nano_usd=ended.figures.cost_nano_usd,
        total_us=closing.total_us,
    )
