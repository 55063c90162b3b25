"""``:embedContent`` and ``:batchEmbedContents``.

Law: billed by the tokens of the inputs; a wrong one is refused before anything is billed.
"""

from lodestard.simulator.answering.question import Json
from lodestard.simulator.exchange import Exchange, Refusal
from lodestard.simulator.paid.desk import Desk
from lodestard.simulator.paid.gemini_request import complain, parts_of, read_members
from lodestard.simulator.paid.meter import Tokens
from lodestard.simulator.paid.providers import PaidModel
from lodestard.simulator.reading import Members
from lodestard.simulator.tokens import count_tokens
from lodestard.simulator.vectors import embed

_MOST_INPUTS = 100


async def answer_embed(desk: Desk, exchange: Exchange, model: PaidModel, *, batch: bool) -> None:
    """Raises `Refusal`: 400 for wrong input, 404 for a model that doesn't embed."""
    if not model.embedding_dimensions:
        raise Refusal(404, f"models/{model.name} is not found for API version v1beta, or can't embed.")
    members = read_members(exchange.request.body)
    asked = [Members(one, complain) for one in members.items("requests")] if batch else [members]
    if not asked or len(asked) > _MOST_INPUTS:
        raise Refusal(
            400, f"* BatchEmbedContentsRequest.requests: at most {_MOST_INPUTS} requests can be in one batch"
        )
    if batch and any(one.text("model") != f"models/{model.name}" for one in asked):
        raise Refusal(400, "* BatchEmbedContentsRequest.requests[0].model: must be the model of the path")
    texts = [_text(one) for one in asked]
    tokens = sum(count_tokens(text) for text in texts)
    desk.admit(tokens)
    with desk.open_tab(exchange, model, Tokens(prompt=tokens)) as tab:
        await desk.pause_first()
        tab.close()
        vectors = [
            {"values": embed(text, one.integer("outputDimensionality") or model.embedding_dimensions)}
            for text, one in zip(texts, asked, strict=True)
        ]
        body: dict[str, Json] = {"embeddings": vectors} if batch else {"embedding": vectors[0]}
        if not exchange.fault.no_usage:
            body["usageMetadata"] = {"promptTokenCount": tokens}
        await exchange.json(200, body)


def _text(one: Members) -> str:
    text = "".join(str(part.get("text", "")) for part in parts_of(one.inner("content").raw))
    if not text:
        raise Refusal(400, "* EmbedContentRequest.content: content is empty")
    return text
