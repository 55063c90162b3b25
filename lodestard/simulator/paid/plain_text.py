"""The two older endpoints of OpenAI's shape: ``/completions`` and ``/embeddings``.

Law: billed like chats; a prompt is billed once whatever ``n`` is.
"""

import base64
from array import array

import msgspec

from lodestard.simulator.answering.question import Json, Question, Turn
from lodestard.simulator.exchange import Exchange, Refusal
from lodestard.simulator.paid.chat import check_context, find_model
from lodestard.simulator.paid.chat_request import read_members, read_stops
from lodestard.simulator.paid.chat_writer import DONE, SSE, usage_json
from lodestard.simulator.paid.choices import Caps, Choice, plan_choice
from lodestard.simulator.paid.desk import Desk
from lodestard.simulator.paid.meter import Tab, Tokens
from lodestard.simulator.reading import Members
from lodestard.simulator.tokens import count_tokens
from lodestard.simulator.vectors import embed


async def answer_completions(desk: Desk, exchange: Exchange) -> None:
    """Raises `Refusal`. Cancelled: billed like a chat."""
    members = read_members(exchange.request.body)
    model = find_model(desk, members.text("model"))
    prompts = _texts(members, "prompt")
    tokens = sum(count_tokens(text) for text in prompts)
    check_context(tokens, model)
    desk.admit(tokens)
    caps = Caps(max_tokens=members.integer("max_tokens") or 16, stops=read_stops(members))
    count = members.integer("n") or 1
    questions = [_question(members, text) for text in prompts for _ in range(count)]
    choices = [
        plan_choice(desk.mind.answer(one, exchange.request.header("x-sim-answer")), at, caps, "")
        for at, one in enumerate(questions)
    ]
    bill = Tokens(prompt=tokens, completion=sum(choice.tokens for choice in choices))
    head = {"id": f"cmpl-sim{exchange.index:08d}", "object": "text_completion", "created": desk.created_s}
    with desk.open_tab(exchange, model, bill) as tab:
        await desk.pause_first()
        body = {**head, "model": model.name}
        if members.flag("stream", False):
            await _stream(desk, exchange, tab, choices, body, usage=members.inner("stream_options"))
            return
        for choice in choices:
            tab.write(choice.tokens)
            await desk.pause(choice.tokens)
        tab.close()
        listed = [_piece(choice, choice.text, choice.finish) for choice in choices]
        usage = usage_json(bill, desk.provider.flavour, tab.pico_usd)
        await exchange.json(200, {**body, "choices": listed, "usage": usage}, desk.window.openai_headers())


async def answer_embeddings(desk: Desk, exchange: Exchange) -> None:
    """Raises `Refusal`: 400 for wrong input, 404 for a model that doesn't embed."""
    members = read_members(exchange.request.body)
    model = find_model(desk, members.text("model"))
    if not model.embedding_dimensions:
        raise Refusal(403, f"You are not allowed to generate embeddings from this model: {model.name}")
    texts = _texts(members, "input")
    tokens = sum(count_tokens(text) for text in texts)
    check_context(tokens, model)
    desk.admit(tokens)
    width = members.integer("dimensions") or model.embedding_dimensions
    as_base64 = members.text("encoding_format") == "base64"
    with desk.open_tab(exchange, model, Tokens(prompt=tokens)) as tab:
        await desk.pause_first()
        tab.close()
        data = [
            {"object": "embedding", "index": at, "embedding": _vector(embed(text, width), as_base64=as_base64)}
            for at, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        await exchange.json(200, {"object": "list", "data": data, "model": model.name, "usage": usage})


async def _stream(
    desk: Desk, exchange: Exchange, tab: Tab, choices: list[Choice], body: dict[str, Json], *, usage: Members
) -> None:
    reply = exchange.reply
    await reply.start(200, SSE)
    for choice in choices:
        for piece in choice.pieces:
            tab.write(1)
            await desk.pause(1)
            await reply.send(_event({**body, "choices": [_piece(choice, piece, None)]}))
    tab.close()
    for choice in choices:
        await reply.send(_event({**body, "choices": [_piece(choice, "", choice.finish)]}))
    if usage.flag("include_usage", False):
        whole = usage_json(tab.whole, desk.provider.flavour, tab.pico_usd)
        await reply.send(_event({**body, "choices": [], "usage": whole}))
    await reply.send(DONE)
    await reply.finish()


def _piece(choice: Choice, text: str, finish: str | None) -> dict[str, Json]:
    return {"index": choice.index, "text": text, "logprobs": None, "finish_reason": finish}


def _question(members: Members, prompt: str) -> Question:
    suffix = members.text("suffix") or None
    seed = members.integer("seed") or 0
    return Question(model=members.text("model"), turns=(Turn("user", prompt),), seed=seed, suffix=suffix)


def _texts(members: Members, name: str) -> list[str]:
    """A text, texts, or token ids, which count as themselves."""
    given = members.raw.get(name)
    if isinstance(given, str):
        return [given]
    if isinstance(given, list) and given and all(isinstance(one, str) for one in given):
        return given
    if isinstance(given, list) and given and all(isinstance(one, int) for one in given):
        return [" ".join(str(one) for one in given)]
    raise Refusal(400, f"'{name}' must be a text or a list of texts.", param=name)


def _vector(numbers: list[float], *, as_base64: bool) -> Json:
    return base64.b64encode(array("f", numbers).tobytes()).decode() if as_base64 else numbers


def _event(body: Json) -> bytes:
    return b"data: " + msgspec.json.encode(body) + b"\n\n"
