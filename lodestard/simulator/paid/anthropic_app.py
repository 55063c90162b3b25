"""A simulated Anthropic: messages plain and streamed, token counting, models, administration.

Law: refusals come in the order version, key, route, body, model, limits; nothing is billed for a refusal.
Owner: the provider's `Desk`.
"""

from collections.abc import Mapping, Sequence

import msgspec

from lodestard.simulator.answering.mind import Mind
from lodestard.simulator.answering.question import Json, Script
from lodestard.simulator.exchange import JSON_TYPE, Exchange, Refusal
from lodestard.simulator.paid.anthropic_request import MessagesRequest, read_members, read_messages
from lodestard.simulator.paid.anthropic_writer import PING, MessageWriter, event
from lodestard.simulator.paid.chat_writer import SSE
from lodestard.simulator.paid.choices import Caps, Choice, plan_choice
from lodestard.simulator.paid.desk import Desk
from lodestard.simulator.paid.errors import anthropic_error
from lodestard.simulator.paid.meter import Tab, Tokens
from lodestard.simulator.paid.providers import PaidModel, Provider
from lodestard.simulator.tokens import count_tokens
from lodestard.simulator.walltime import WallNs

_THOUGHT_LIMIT = 4096


class AnthropicApp:
    """One provider of Anthropic's shape."""

    def __init__(self, provider: Provider, *, wall_ns: WallNs, script: Script | None = None) -> None:
        self.desk = Desk(provider, wall_ns=wall_ns, script=script)
        self.wall_ns = wall_ns

    @property
    def mind(self) -> Mind:
        return self.desk.mind

    async def answer(self, exchange: Exchange) -> None:
        """Answers one request. Raises `Refusal`. Cancelled: billed by the provider's habit."""
        self.desk.meter.seen += 1
        if not exchange.request.header("anthropic-version"):
            raise Refusal(400, "anthropic-version: header is required")
        if exchange.request.path.startswith("/v1/organizations/") and exchange.request.method == "GET":
            await self.desk.admin.answer_anthropic(exchange)
            return
        if not self.desk.key_is_good(exchange):
            raise Refusal(401, "invalid x-api-key")
        match exchange.request.method, exchange.request.path:
            case "POST", "/v1/messages":
                await self._messages(exchange)
            case "POST", "/v1/messages/count_tokens":
                await self._count(exchange)
            case "GET", path if path == "/v1/models" or path.startswith("/v1/models/"):
                await self._models(exchange, path.removeprefix("/v1/models").removeprefix("/"))
            case _:
                raise Refusal(404, "Not found")

    def write_refusal(self, refusal: Refusal, index: int, /) -> tuple[Sequence[tuple[str, str]], bytes]:
        request_id = _request_id(index)
        headers = [JSON_TYPE, ("request-id", request_id), *self.desk.window.anthropic_headers(self.wall_ns)]
        return headers, msgspec.json.encode(anthropic_error(refusal, request_id))

    def meter_json(self) -> Json:
        return self.desk.meter.to_json()

    def state_json(self) -> Json:
        return {"provider": self.desk.provider.name, "models": [model.name for model in self.desk.provider.models]}

    def reset(self) -> None:
        self.desk.reset()

    def restart(self, again: Mapping[str, Json]) -> None:
        """A provider forgets nothing."""

    async def _messages(self, exchange: Exchange) -> None:
        request, model = self._read(exchange, counting=False)
        tokens, choice = self._plan(exchange, request, model)
        with self.desk.open_tab(exchange, model, tokens) as tab:
            await self.desk.pause_first()
            writer = MessageWriter(model.name, f"msg_sim{exchange.index:08d}", choice, tokens)
            if request.stream:
                await self._stream(exchange, tab, writer)
                return
            tab.write(choice.reasoning_tokens, reasoning=True)
            tab.write(choice.tokens - choice.reasoning_tokens)
            await self.desk.pause(choice.tokens)
            tab.close()
            body = writer.whole(usage=not exchange.fault.no_usage)
            await exchange.reply.whole(200, [JSON_TYPE, *self._headers(exchange)], body)

    def _read(self, exchange: Exchange, *, counting: bool) -> tuple[MessagesRequest, PaidModel]:
        members = read_members(exchange.request.body)
        model = self.desk.model(members.text("model"))
        newer = model is not None and model.newer
        version = exchange.request.header("anthropic-version") or ""
        request = read_messages(members, version, counting=counting, newer=newer)
        if model is None:
            raise Refusal(404, f"model: {request.model}")
        if not counting and request.max_tokens > model.output_tokens:
            message = f"max_tokens: {request.max_tokens} > {model.output_tokens}, which is the maximum allowed"
            raise Refusal(400, f"{message} number of output tokens for {model.name}")
        return request, model

    def _prompt_tokens(self, request: MessagesRequest) -> int:
        return count_tokens(request.prompt) + self.desk.provider.image_tokens * request.images

    def _plan(self, exchange: Exchange, request: MessagesRequest, model: PaidModel) -> tuple[Tokens, Choice]:
        prompt = self._prompt_tokens(request)
        if prompt > model.context_tokens:
            raise Refusal(400, f"prompt is too long: {prompt} tokens > {model.context_tokens} maximum")
        self.desk.admit(prompt)
        cached, written, written_1h = self.desk.cache.marked_tokens(model.name, request.marks)
        answer = self.desk.mind.answer(request.question, exchange.request.header("x-sim-answer"))
        caps = Caps(
            max_tokens=request.max_tokens,
            stops=request.stops,
            reasoning_tokens=min(request.thinking_tokens, _THOUGHT_LIMIT),
        )
        choice = plan_choice(answer, 0, caps, f"call_sim{exchange.index:06d}")
        tokens = Tokens(
            prompt=prompt,
            cached=cached,
            cache_write=written,
            cache_write_1h=written_1h,
            completion=choice.tokens,
            reasoning=choice.reasoning_tokens,
        )
        return tokens, choice

    async def _stream(self, exchange: Exchange, tab: Tab, writer: MessageWriter) -> None:
        reply, fault = exchange.reply, exchange.fault
        await reply.start(200, [*SSE, *self._headers(exchange)])
        await reply.send(writer.start(usage=not fault.no_usage) + PING)
        if fault.big_event is not None:
            await reply.send(b"event: ping\ndata: " + b" " * fault.big_event + b'{"type": "ping"}\n\n')
        for sent, chunk in enumerate(writer.chunks()):
            if fault.error is not None and sent >= fault.error:
                await self._fail(exchange)
                return
            tab.write(chunk.tokens, reasoning=chunk.reasoning)
            await self.desk.pause(chunk.tokens)
            await reply.send(chunk.data)
        tab.close()
        if not fault.no_done:
            await reply.send(writer.delta(usage=not fault.no_usage) * (2 if fault.double_usage else 1))
            await reply.send(event("message_stop", {}))
        await reply.finish()

    async def _fail(self, exchange: Exchange) -> None:
        """An ``error`` event after the status said 200, then the end."""
        body = anthropic_error(Refusal(529, exchange.fault.message or "Overloaded"), _request_id(exchange.index))
        await exchange.reply.send(b"event: error\ndata: " + msgspec.json.encode(body) + b"\n\n")
        await exchange.reply.finish()

    async def _count(self, exchange: Exchange) -> None:
        request, _model = self._read(exchange, counting=True)
        await exchange.json(200, {"input_tokens": self._prompt_tokens(request)}, self._headers(exchange))

    async def _models(self, exchange: Exchange, name: str) -> None:
        models = self.desk.provider.models
        if name:
            model = self.desk.model(name)
            if model is None:
                raise Refusal(404, f"model: {name}")
            await exchange.json(200, _model_json(model), self._headers(exchange))
            return
        body = {
            "data": [_model_json(model) for model in models],
            "has_more": False,
            "first_id": models[0].name,
            "last_id": models[-1].name,
        }
        await exchange.json(200, body, self._headers(exchange))

    def _headers(self, exchange: Exchange) -> list[tuple[str, str]]:
        return [("request-id", _request_id(exchange.index)), *self.desk.window.anthropic_headers(self.wall_ns)]


def _model_json(model: PaidModel) -> dict[str, Json]:
    return {
        "type": "model",
        "id": model.name,
        "display_name": model.name.replace("-", " ").title(),
        "created_at": "2025-09-29T00:00:00Z",
    }


def _request_id(index: int) -> str:
    return f"req_sim{index:08d}"
