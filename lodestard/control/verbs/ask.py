"""``ask``: one question, its answer as it comes."""

import msgspec

from lodestard.control.messages import AskItem
from lodestard.control.verbs.desk import Desk
from lodestard.control.verbs.requests import target_of
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.verbs import Argument, Arguments, Emits, Verb


def ask_verbs(desk: Desk) -> tuple[Verb, ...]:
    async def ask(arguments: Arguments, emit: Emits[AskItem]) -> None:
        await ask_one(desk, arguments, emit)

    taken = (
        Argument(name="question", required=True, help="the question"),
        Argument(name="model", default="auto", help="the alias to ask"),
        Argument(name="folder", help="the folder that is worked in; its last name is the project"),
    )
    return (Verb(name="ask", summary="ask a model one question", needs="admin", arguments=taken, stream=ask),)


async def ask_one(desk: Desk, arguments: Arguments, emit: Emits[AskItem]) -> None:
    """Pieces as they come, then one item with what is known of the request."""
    question = arguments["question"]
    if not question.strip():
        raise CallerFault(Code.INVALID_REQUEST, "The question is empty.", param="question")

    async def hear(text: str, reasoning: str) -> None:
        await emit(AskItem(text=text, reasoning=reasoning))

    asked = await desk.ask(ask_body(question, arguments["model"]), hear, arguments["folder"] or "")
    found = await desk.reports.explain(asked.request_id)
    await emit(
        AskItem(
            request_id=asked.request_id,
            target=target_of(found.request) if found is not None else "",
            cost_nano_usd=found.request.cost_nano_usd if found is not None else None,
            cache=asked.cache,
        )
    )


def ask_body(question: str, model: str) -> bytes:
    """A streamed chat completion of one message. Pure."""
    message = {"role": "user", "content": question}
    return msgspec.json.encode({"model": model, "messages": [message], "stream": True})
