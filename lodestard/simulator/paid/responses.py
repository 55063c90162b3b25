"""OpenAI's Responses API at a simulated provider: planned, generated token by token, billed, and written.

Law: as of chat completions: the bill is posted when the last token is generated, before the bytes that say so are
sent; an answer that is cut earlier is billed by the provider's habit (`Tab`).
"""

from collections.abc import Iterator

import msgspec

from lodestard.simulator.answering.question import Json
from lodestard.simulator.exchange import JSON_TYPE, Exchange
from lodestard.simulator.paid.chat import check_context, find_model
from lodestard.simulator.paid.chat_request import check_reasoning, read_members
from lodestard.simulator.paid.chat_writer import SSE, Chunk
from lodestard.simulator.paid.choices import Caps, Choice, plan_choice
from lodestard.simulator.paid.desk import Desk
from lodestard.simulator.paid.meter import Tab, Tokens
from lodestard.simulator.paid.providers import PaidModel
from lodestard.simulator.paid.responses_request import ResponsesRequest, read_responses
from lodestard.simulator.paid.responses_writer import ResponsesWriter, usage_json

ERROR_EVENT = "error_event"
"""The code of a fault that shall come as an event of its own instead of as a failed response."""


class Serving(msgspec.Struct, frozen=True):
    """One answer on its way: everything the two ways of answering share."""

    desk: Desk
    exchange: Exchange
    choice: Choice
    writer: ResponsesWriter
    tab: Tab

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [("x-request-id", f"req_sim{self.exchange.index:08d}"), *self.desk.window.openai_headers()]

    @property
    def usage(self) -> dict[str, Json] | None:
        if self.exchange.fault.no_usage:
            return None
        return usage_json(self.tab.whole, self.desk.provider.flavour, self.tab.pico_usd)


async def answer_responses(desk: Desk, exchange: Exchange) -> None:
    """Raises `Refusal`. Cancelled: billed for what was generated, or for the whole."""
    members = read_members(exchange.request.body)
    model = find_model(desk, members.text("model"))
    check_reasoning(members, model)
    request = read_responses(members, model, desk.provider.name)
    prompt = request.tokens(desk.provider.image_tokens)
    check_context(prompt, model)
    desk.admit(prompt)
    choice = _plan(desk, exchange, request, model, prompt)
    tokens = Tokens(
        prompt=prompt,
        cached=desk.cache.cached_tokens(model.name, request.text),
        completion=choice.tokens,
        reasoning=choice.reasoning_tokens,
    )
    head = {"id": f"resp_sim{exchange.index:08d}", "created_at": desk.created_s, "model": model.name}
    writer = ResponsesWriter(head, request, members.raw, desk.provider.name, desk.provider.flavour)
    with desk.open_tab(exchange, model, tokens) as tab:
        serving = Serving(desk, exchange, choice, writer, tab)
        await desk.pause_first()
        await (_stream(serving) if request.stream else _whole(serving))


def _plan(desk: Desk, exchange: Exchange, request: ResponsesRequest, model: PaidModel, prompt: int) -> Choice:
    room = min(model.output_tokens, model.context_tokens - prompt)
    caps = Caps(
        max_tokens=min(room, request.max_tokens or room),
        reasoning_tokens=model.reasoning_tokens if request.reasoning else 0,
    )
    answer = desk.mind.answer(request.question, exchange.request.header("x-sim-answer"))
    return plan_choice(answer, 0, caps, f"call_sim{exchange.index:06d}")


async def _whole(serving: Serving) -> None:
    choice = serving.choice
    serving.tab.write(choice.reasoning_tokens, reasoning=True)
    serving.tab.write(choice.tokens - choice.reasoning_tokens)
    await serving.desk.pause(choice.tokens)
    serving.tab.close()
    body = msgspec.json.encode(serving.writer.whole(choice, serving.usage))
    await serving.exchange.reply.whole(200, [JSON_TYPE, *serving.headers], body)


async def _stream(serving: Serving) -> None:
    reply, fault = serving.exchange.reply, serving.exchange.fault
    await reply.start(200, [*SSE, *serving.headers])
    if fault.big_event is not None:
        await reply.send(b"data: " + b" " * fault.big_event + b"{}\n\n")
    for sent, chunk in enumerate(_chunks(serving)):
        if fault.error is not None and sent >= fault.error:
            await _fail(serving)
            return
        serving.tab.write(chunk.tokens, reasoning=chunk.reasoning)
        await serving.desk.pause(chunk.tokens)
        await reply.send(chunk.data)
    serving.tab.close()
    if not fault.no_done:
        await reply.send(serving.writer.ending(serving.choice, serving.usage))
    await reply.finish()


def _chunks(serving: Serving) -> Iterator[Chunk]:
    yield from serving.writer.opening()
    yield from serving.writer.chunks(serving.choice)


async def _fail(serving: Serving) -> None:
    """An answer that fails after the status said 200."""
    fault, reply = serving.exchange.fault, serving.exchange.reply
    message = fault.message or "The server had an error while processing your request."
    if fault.code == ERROR_EVENT:
        await reply.send(serving.writer.error("server_error", message))
    else:
        await reply.send(serving.writer.failing(fault.code or "server_error", message))
    await reply.finish()
