"""``/api/embed`` (many texts, unit vectors) and ``/api/embeddings`` (one text, the older shape).

Law: the texts are read by a model on the card like any prompt: it is loaded first and counted.
"""

from typing import TYPE_CHECKING

import msgspec
import trio

from lodestard.simulator.card.arithmetic import RunnerOptions, prefill_s
from lodestard.simulator.card.figures import Model
from lodestard.simulator.card.scheduler import Claim
from lodestard.simulator.exchange import Exchange, Refusal
from lodestard.simulator.ollama.generation import PLAIN
from lodestard.simulator.ollama.prompting import read_body, read_keep_alive
from lodestard.simulator.reading import Members
from lodestard.simulator.tokens import count_tokens, split_tokens
from lodestard.simulator.vectors import embed

if TYPE_CHECKING:
    from lodestard.simulator.ollama.app import OllamaApp

_NS = 1_000_000_000


async def answer_embed(app: "OllamaApp", exchange: Exchange) -> None:
    """Raises `Refusal` for unknown models, wrong input and, with ``truncate: false``, too long input."""
    members = read_body(exchange.request.body)
    model = app.find_model(members.text("model"))
    texts = _inputs(members)
    began = trio.current_time()
    loaded = await _read_texts(app, model, texts, members)
    limit = min(model.context_tokens, members.inner("options").integer("num_ctx") or model.context_tokens)
    kept = [_fitted(text, limit, members.flag("truncate", True)) for text in texts]
    width = members.integer("dimensions") or model.embedding_length
    line = {
        "model": members.text("model"),
        "embeddings": [embed(text, width) for text in kept],
        "total_duration": round((trio.current_time() - began) * _NS),
        "load_duration": round((loaded - began) * _NS),
        "prompt_eval_count": sum(count_tokens(text) for text in kept),
    }
    await exchange.reply.whole(
        200, PLAIN, msgspec.json.encode({key: value for key, value in line.items() if value != 0})
    )


async def answer_embeddings(app: "OllamaApp", exchange: Exchange) -> None:
    members = read_body(exchange.request.body)
    model = app.find_model(members.text("model"))
    text = members.text("prompt")
    await _read_texts(app, model, [text], members)
    vector = embed(text, model.embedding_length) if text else []
    await exchange.reply.whole(200, PLAIN, msgspec.json.encode({"embedding": vector}))


async def _read_texts(app: "OllamaApp", model: Model, texts: list[str], members: Members) -> float:
    """Trio time at which the model was loaded."""
    num_ctx = members.inner("options").integer("num_ctx") or app.machine.server.context_tokens
    options = RunnerOptions(num_ctx=min(num_ctx, model.context_tokens))
    claim = Claim(model=model, options=options, keep_alive_s=read_keep_alive(members))
    async with app.scheduler.hold(claim):
        loaded = trio.current_time()
        await trio.sleep(prefill_s(model, sum(count_tokens(text) for text in texts), app.machine))
    return loaded


def _inputs(members: Members) -> list[str]:
    given = members.raw.get("input")
    texts = given if isinstance(given, list) else [] if given is None else [given]
    if not all(isinstance(text, str) for text in texts):
        raise Refusal(400, "invalid input type")
    return texts


def _fitted(text: str, limit: int, truncate: bool) -> str:
    pieces = split_tokens(text)
    if len(pieces) <= limit:
        return text
    if not truncate:
        raise Refusal(400, "the input length exceeds the context length")
    return "".join(pieces[:limit])
