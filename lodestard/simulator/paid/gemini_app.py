"""A simulated Gemini: its native endpoints beside the OpenAI-compatible ones, with one meter for both.

Law: refusals come in the order key, route, body, model, limits; nothing is billed for a refusal. An answer's words
``sim-finish:SAFETY`` and ``sim-block:SAFETY`` at its beginning make it end so, or block its prompt.
Owner: the provider's `Desk`.
"""

from collections.abc import Sequence

import msgspec

from lodestard.simulator.answering.question import Answer, Json
from lodestard.simulator.exchange import JSON_TYPE, Exchange, Refusal
from lodestard.simulator.paid.chat_writer import SSE
from lodestard.simulator.paid.choices import Caps, Choice, plan_choice
from lodestard.simulator.paid.errors import google_error
from lodestard.simulator.paid.gemini_request import GenerateRequest, check_compatible, read_generate, read_members
from lodestard.simulator.paid.gemini_vectors import answer_embed
from lodestard.simulator.paid.gemini_writer import GeminiWriter, Habit, event
from lodestard.simulator.paid.meter import Tab, Tokens
from lodestard.simulator.paid.openai_app import OpenAIApp
from lodestard.simulator.paid.providers import PaidModel
from lodestard.simulator.reading import decode_object
from lodestard.simulator.tokens import count_tokens

_NATIVE = "/v1beta/models"
_RETRY_S = 34
_FINISH, _BLOCK = "sim-finish:", "sim-block:"


class _Plan(msgspec.Struct, frozen=True):
    """What will be said. ``blocked``: why nothing is."""

    choices: tuple[Choice, ...]
    writer: GeminiWriter
    tokens: Tokens
    blocked: str = ""


class GeminiApp(OpenAIApp):
    """Google's Gemini API."""

    async def answer(self, exchange: Exchange) -> None:
        """Answers one request. Raises `Refusal`. Cancelled: billed by the provider's habit."""
        path = exchange.request.path
        if not path.startswith(_NATIVE):
            self._check_compatible(exchange)
            await super().answer(exchange)
            return
        self.desk.meter.seen += 1
        try:
            self._check_native_key(exchange)
            await self._answer_native(exchange, path.removeprefix(_NATIVE).removeprefix("/"))
        except Refusal as refusal:
            if exchange.reply.started:
                raise
            await exchange.json(refusal.status, google_error(refusal, retry_s=_RETRY_S))

    def _check_compatible(self, exchange: Exchange) -> None:
        model = (decode_object(exchange.request.body) or {}).get("model")
        if isinstance(model, str) and self._signs(model):
            check_compatible(exchange.request.body)

    def _signs(self, model: str) -> bool:
        return self.desk.provider.flavour.signs_calls(model)

    def _check_native_key(self, exchange: Exchange) -> None:
        wanted = self.desk.provider.key
        carried = {exchange.request.header("x-goog-api-key"), exchange.request.query.get("key")}
        if wanted is not None and wanted not in carried:
            raise Refusal(400, "API key not valid. Please pass a valid API key.", kind="API_KEY_INVALID")

    async def _answer_native(self, exchange: Exchange, rest: str) -> None:
        name, _, verb = rest.partition(":")
        if exchange.request.method == "GET" and not verb:
            await self._show_models(exchange, name)
            return
        model = self.desk.model(name)
        if model is None or exchange.request.method != "POST":
            text = f"models/{name} is not found for API version v1beta, or is not supported for {verb}."
            raise Refusal(404, f"{text} Call ListModels to see the list of available models.")
        match verb:
            case "generateContent" | "streamGenerateContent":
                await self._generate(exchange, model, streamed=verb.startswith("stream"))
            case "countTokens":
                request = self._read(exchange, model)
                await exchange.json(200, {"totalTokens": self._prompt_tokens(request)})
            case "embedContent" | "batchEmbedContents":
                await answer_embed(self.desk, exchange, model, batch=verb.startswith("batch"))
            case _:
                raise Refusal(404, f"models/{name} does not know {verb}.")

    async def _generate(self, exchange: Exchange, model: PaidModel, *, streamed: bool) -> None:
        if streamed and exchange.request.query.get("alt") != "sse":
            raise Refusal(501, "Arrays of responses are not simulated: ask with alt=sse.")
        request = self._read(exchange, model)
        plan = self._plan(exchange, request, model)
        with self.desk.open_tab(exchange, model, plan.tokens) as tab:
            await self.desk.pause_first()
            if streamed:
                await self._stream(exchange, tab, plan)
                return
            for choice in plan.choices:
                tab.write(choice.reasoning_tokens, reasoning=True)
                tab.write(choice.tokens - choice.reasoning_tokens)
                await self.desk.pause(choice.tokens)
            tab.close()
            if plan.blocked:
                await exchange.json(200, plan.writer.block(plan.blocked))
                return
            body = plan.writer.whole(plan.choices, usage=not exchange.fault.no_usage)
            await exchange.reply.whole(200, [JSON_TYPE], body)

    def _read(self, exchange: Exchange, model: PaidModel) -> GenerateRequest:
        return read_generate(read_members(exchange.request.body), model.name, signed=self._signs(model.name))

    def _prompt_tokens(self, request: GenerateRequest) -> int:
        return count_tokens(request.prompt) + self.desk.provider.image_tokens * request.images

    def _plan(self, exchange: Exchange, request: GenerateRequest, model: PaidModel) -> _Plan:
        prompt = self._prompt_tokens(request)
        if prompt > model.context_tokens:
            text = f"The input token count ({prompt}) exceeds the maximum number of tokens allowed"
            raise Refusal(400, f"{text} ({model.context_tokens}).")
        self.desk.admit(prompt)
        answers = [self._think_up(exchange, request, at) for at in range(request.n)]
        finish, blocked = _word(answers[0], _FINISH), _word(answers[0], _BLOCK)
        caps = Caps(
            max_tokens=min(model.output_tokens, request.max_tokens or model.output_tokens),
            stops=request.stops,
            reasoning_tokens=model.reasoning_tokens if request.thinks else 0,
        )
        prefix = f"sim{exchange.index:06d}"
        choices = (
            () if blocked else tuple(plan_choice(_bare(one), at, caps, prefix) for at, one in enumerate(answers))
        )
        tokens = Tokens(
            prompt=prompt,
            cached=self.desk.cache.cached_tokens(model.name, request.prompt),
            completion=sum(choice.tokens for choice in choices),
            reasoning=sum(choice.reasoning_tokens for choice in choices),
        )
        habit = Habit(
            shows=request.shows_thoughts,
            signs=self._signs(model.name),
            logprobs=request.logprobs is not None,
            finish=finish,
        )
        return _Plan(choices, GeminiWriter(model.name, f"sim{exchange.index:08d}", tokens, habit), tokens, blocked)

    def _think_up(self, exchange: Exchange, request: GenerateRequest, at: int) -> Answer:
        question = msgspec.structs.replace(request.question, index=at)
        return self.desk.mind.answer(question, exchange.request.header("x-sim-answer"))

    async def _stream(self, exchange: Exchange, tab: Tab, plan: _Plan) -> None:
        reply, fault, usage = exchange.reply, exchange.fault, not exchange.fault.no_usage
        await reply.start(200, SSE)
        if fault.big_event is not None:
            await reply.send(b"data: " + b" " * fault.big_event + b"{}\r\n\r\n")
        sent = 0
        for choice in plan.choices:
            for chunk in plan.writer.chunks(choice, usage=usage):
                if fault.error is not None and sent >= fault.error:
                    await self._fail(exchange)
                    return
                tab.write(chunk.tokens, reasoning=chunk.reasoning)
                await self.desk.pause(chunk.tokens)
                await reply.send(chunk.data)
                sent += 1
        tab.close()
        if plan.blocked:
            await reply.send(event(plan.writer.block(plan.blocked)))
        elif not fault.no_done:
            await self._end(exchange, plan.writer, plan.choices)
        await reply.finish()

    async def _end(self, exchange: Exchange, writer: GeminiWriter, choices: Sequence[Choice]) -> None:
        for choice in choices:
            data = writer.end(choice, usage=not exchange.fault.no_usage)
            await exchange.reply.send(data * (2 if exchange.fault.double_usage else 1))

    async def _fail(self, exchange: Exchange) -> None:
        """An error after the status said 200, then the end."""
        refusal = Refusal(503, exchange.fault.message or "The model is overloaded. Please try again later.")
        await exchange.reply.send(event(google_error(refusal)))
        await exchange.reply.finish()

    async def _show_models(self, exchange: Exchange, name: str) -> None:
        if not name:
            await exchange.json(200, {"models": [_model_json(model) for model in self.desk.provider.models]})
            return
        model = self.desk.model(name)
        if model is None:
            raise Refusal(404, f"Model is not found: models/{name} for api version v1beta")
        await exchange.json(200, _model_json(model))


def _word(answer: Answer, mark: str) -> str:
    """What stands behind ``mark`` at the beginning of the text; nothing where it does not begin so."""
    head, _, _ = answer.text.partition(" ")
    return head.removeprefix(mark) if head.startswith(mark) else ""


def _bare(answer: Answer) -> Answer:
    if not answer.text.startswith(_FINISH):
        return answer
    return msgspec.structs.replace(answer, text=answer.text.partition(" ")[2])


def _model_json(model: PaidModel) -> dict[str, Json]:
    verbs = ["embedContent"] if model.embedding_dimensions else ["generateContent", "countTokens"]
    return {
        "name": f"models/{model.name}",
        "displayName": model.name.replace("-", " ").title(),
        "inputTokenLimit": model.context_tokens,
        "outputTokenLimit": model.output_tokens,
        "supportedGenerationMethods": verbs,
    }
