"""Chat completions of a paid provider: planned, generated token by token, billed, and written.

Law: the bill is posted when the last token is generated, before the bytes that say so are sent; an answer that is
cut earlier is billed by the provider's habit (`Tab`).
"""

from collections.abc import Sequence

import msgspec

from lodestard.simulator.answering.question import Json
from lodestard.simulator.exchange import JSON_TYPE, Exchange, Refusal
from lodestard.simulator.paid.chat_request import (
    ChatRequest,
    check_reasoning,
    prompt_text,
    prompt_tokens,
    read_chat,
    read_members,
)
from lodestard.simulator.paid.chat_writer import DONE, SSE, ChatWriter, usage_json
from lodestard.simulator.paid.choices import Caps, Choice, plan_choice
from lodestard.simulator.paid.desk import Desk
from lodestard.simulator.paid.errors import openai_error
from lodestard.simulator.paid.meter import Tab, Tokens
from lodestard.simulator.paid.providers import PaidModel


class Serving(msgspec.Struct, frozen=True):
    """One chat on its way: everything the two ways of answering share."""

    desk: Desk
    exchange: Exchange
    request: ChatRequest
    choices: tuple[Choice, ...]
    writer: ChatWriter
    tab: Tab

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [("x-request-id", f"req_sim{self.exchange.index:08d}"), *self.desk.window.openai_headers()]

    @property
    def logprobs(self) -> int | None:
        return self.request.top_logprobs if self.request.logprobs else None

    def usage(self) -> dict[str, Json]:
        return usage_json(self.tab.whole, self.desk.provider.flavour, self.tab.pico_usd)


async def answer_chat(desk: Desk, exchange: Exchange) -> None:
    """Raises `Refusal`. Cancelled: billed for what was generated, or for the whole."""
    members = read_members(exchange.request.body)
    model = find_model(desk, members.text("model"))
    check_reasoning(members, model)
    request = read_chat(members)
    prompt = prompt_tokens(request, desk.provider.image_tokens)
    check_context(prompt, model)
    desk.admit(prompt)
    choices = _plan(desk, exchange, request, model, prompt)
    tokens = Tokens(
        prompt=prompt,
        cached=desk.cache.cached_tokens(model.name, prompt_text(request)),
        completion=sum(choice.tokens for choice in choices),
        reasoning=sum(choice.reasoning_tokens for choice in choices),
    )
    writer = ChatWriter(model.name, f"chatcmpl-sim{exchange.index:08d}", desk.created_s, desk.provider.flavour)
    with desk.open_tab(exchange, model, tokens) as tab:
        serving = Serving(desk, exchange, request, choices, writer, tab)
        await desk.pause_first()
        await (_stream(serving) if request.stream else _whole(serving))


def find_model(desk: Desk, name: str) -> PaidModel:
    """Raises `Refusal`: 400 for no name, 404 for an unknown one."""
    if not name:
        raise Refusal(400, "you must provide a model parameter", param="model")
    model = desk.model(name)
    if model is None:
        message = f"The model `{name}` does not exist or you do not have access to it."
        raise Refusal(404, message, code="model_not_found", param="model")
    return model


def check_context(tokens: int, model: PaidModel) -> None:
    if tokens > model.context_tokens:
        message = (
            f"This model's maximum context length is {model.context_tokens} tokens."
            f" However, your messages resulted in {tokens} tokens. Please reduce the length of the messages."
        )
        raise Refusal(400, message, code="context_length_exceeded", param="messages")


def _plan(desk: Desk, exchange: Exchange, request: ChatRequest, model: PaidModel, prompt: int) -> tuple[Choice, ...]:
    room = min(model.output_tokens, model.context_tokens - prompt)
    caps = Caps(
        max_tokens=min(room, request.max_tokens or room),
        stops=request.stops,
        reasoning_tokens=model.reasoning_tokens if request.reasoning else 0,
    )
    header = exchange.request.header("x-sim-answer")
    prefix = f"call_sim{exchange.index:06d}"
    return tuple(
        plan_choice(
            desk.mind.answer(msgspec.structs.replace(request.question, index=index), header), index, caps, prefix
        )
        for index in range(request.n)
    )


async def _whole(serving: Serving) -> None:
    for choice in serving.choices:
        serving.tab.write(choice.reasoning_tokens, reasoning=True)
        serving.tab.write(choice.tokens - choice.reasoning_tokens)
        await serving.desk.pause(choice.tokens)
    serving.tab.close()
    usage = None if serving.exchange.fault.no_usage else serving.usage()
    body = serving.writer.whole(serving.choices, usage, serving.logprobs)
    await serving.exchange.reply.whole(200, [JSON_TYPE, *serving.headers], body)


async def _stream(serving: Serving) -> None:
    reply, fault = serving.exchange.reply, serving.exchange.fault
    await reply.start(200, [*SSE, *serving.headers])
    if fault.big_event is not None:
        await reply.send(b"data: " + b" " * fault.big_event + b"{}\n\n")
    sent = 0
    for choice in serving.choices:
        for chunk in serving.writer.chunks(choice, usage=serving.request.include_usage, logprobs=serving.logprobs):
            if fault.error is not None and sent >= fault.error:
                await _fail(serving)
                return
            serving.tab.write(chunk.tokens, reasoning=chunk.reasoning)
            await serving.desk.pause(chunk.tokens)
            await reply.send(chunk.data)
            sent += 1
    serving.tab.close()
    await _end_stream(serving, serving.choices)
    await reply.finish()


async def _end_stream(serving: Serving, choices: Sequence[Choice]) -> None:
    reply, fault = serving.exchange.reply, serving.exchange.fault
    wanted = serving.request.include_usage
    if fault.no_done:
        return
    for choice in choices:
        await reply.send(serving.writer.finish(choice, usage=wanted))
    if (wanted or serving.desk.provider.flavour.always_usage) and not fault.no_usage:
        await reply.send(serving.writer.usage_event(serving.usage()) * (2 if fault.double_usage else 1))
    await reply.send(DONE)


async def _fail(serving: Serving) -> None:
    """An error event after the status said 200, then the end, without ``[DONE]``."""
    refusal = Refusal(500, serving.exchange.fault.message or "The server had an error while processing your request.")
    style = serving.desk.provider.flavour.errors
    await serving.exchange.reply.send(b"data: " + openai_error(refusal, style) + b"\n\n")
    await serving.exchange.reply.finish()
