"""A codec around a codec: does by instruction what the upstream can't do itself.

Law: where nothing is lacking, a request and its answer are the inner codec's own, untouched. A request that was
changed is of no client's dialect any more, so that nothing of it passes through.
"""

from collections.abc import Mapping
from functools import partial

import msgspec

from lodestard.domain.errors import Fault
from lodestard.domain.pins import find_local_model
from lodestard.domain.request import Conversation, Format, Request
from lodestard.domain.settings import Upstream
from lodestard.protocols.choice_reader import ChoiceReader
from lodestard.protocols.codec import ReplyReader, UpstreamCodec, WireRequest
from lodestard.protocols.emulation.asking import Lacks, ask_by_instruction
from lodestard.protocols.emulation.reading import EmulatedText

DIALECT = "emulation"


class Emulating:
    """An ``UpstreamCodec``. Has no state."""

    __slots__ = ("_inner",)

    def __init__(self, inner: UpstreamCodec) -> None:
        self._inner = inner

    def write_request(self, request: Request, model: str, settings: Upstream) -> WireRequest:
        talk = request.conversation
        plain = talk.format.kind == "text" and not (settings.models and _speaks_of_tools(talk))
        lacks = None if plain else self._find_lacks(request, model, settings)
        if lacks is None:
            return self._inner.write_request(request, model, settings)
        asked = ask_by_instruction(request.conversation, lacks, free=settings.free)
        changed = msgspec.structs.replace(request, conversation=asked.conversation, dialect=DIALECT)
        wire = self._inner.write_request(changed, model, settings)
        return msgspec.structs.replace(
            wire,
            dropped=wire.dropped + asked.dropped,
            notes=wire.notes + asked.notes,
            emulation=asked.emulation,
        )

    def takes_format(self, form: Format, model: str) -> bool:
        return self._inner.takes_format(form, model)

    def _find_lacks(self, request: Request, model: str, settings: Upstream) -> Lacks | None:
        """What the upstream lacks of what ``request`` asks for; None for nothing."""
        talk = request.conversation
        tools = _speaks_of_tools(talk) and _is_emulated(model, settings)
        schema = talk.format.kind != "text" and self._lacks_schema(request, model, settings)
        return Lacks(tools=tools, schema=schema) if tools or schema else None

    def _lacks_schema(self, request: Request, model: str, settings: Upstream) -> bool:
        """A client of the upstream's own dialect has said it in words that pass through."""
        if settings.schema:
            return settings.schema == "emulated"
        passes = request.dialect == settings.dialect
        return not passes and not self._inner.takes_format(request.conversation.format, model)

    def reader(self, wire: WireRequest) -> ReplyReader:
        reader = self._inner.reader(wire)
        return reader if wire.emulation is None else ChoiceReader(reader, partial(EmulatedText, wire.emulation))

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        return self._inner.read_error(status, headers, body)


def _speaks_of_tools(talk: Conversation) -> bool:
    return bool(talk.tools) or any(message.role == "tool" or message.tool_calls for message in talk.messages)


def _is_emulated(model: str, settings: Upstream) -> bool:
    return find_local_model(settings, model).tools == "emulated"
