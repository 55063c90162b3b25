"""A whole answer as a Responses client gets it.

Law: an upstream's own body goes through as it came; anything else is built.
"""

from typing import Any

from lodestard.domain.reply import Choice, Reply
from lodestard.protocols.responses.object import (
    Names,
    call_form,
    encode,
    ending,
    find_secret,
    message_item,
    open_frame,
    read_tokens,
    reasoning_item,
    refusal_part,
    text_part,
    write_usage,
)
from lodestard.protocols.responses.read import Turn
from lodestard.protocols.responses.toolbox import Toolbox

_NOTHING = Choice()


def write_reply(reply: Reply, turn: Turn, *, created: int, reply_id: str) -> bytes:
    """The response object of a whole answer."""
    if reply.body:
        return reply.body
    names = Names.of(reply_id)
    frame = open_frame(turn.request, names.response, created, turn.previous_id)
    choice = reply.choices[0] if reply.choices else _NOTHING
    status, why = ending(choice.finish)
    return encode(
        frame.write(
            model=reply.model or turn.request.alias,
            status=status,
            output=write_items(choice, names, turn.box),
            usage=write_usage(reply.usage),
            **why,
        )
    )


def write_items(choice: Choice, names: Names, box: Toolbox) -> list[dict[str, Any]]:
    """What it thought, said and called, as items."""
    status = ending(choice.finish)[0]
    items: list[dict[str, Any]] = []
    secret = find_secret(choice.thoughts)
    if choice.reasoning or secret:
        item_id, hidden = secret or ("", None)
        items.append(reasoning_item(item_id or names.item("rs", 0), choice.reasoning, hidden))
    content: list[dict[str, Any]] = []
    if choice.text or not (choice.refusal or choice.tool_calls):
        content.append(text_part(choice.text, read_tokens(choice.logprobs)))
    if choice.refusal:
        content.append(refusal_part(choice.refusal))
    if content:
        said = "completed" if choice.tool_calls else status
        items.append(message_item(names.item("msg", len(items)), content, said))
    for call in choice.tool_calls:
        form = call_form(names, box, len(items), (call.id, call.name))
        items.append(form.write(call.arguments, status))
    return items
