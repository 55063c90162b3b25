"""Ollama's ``POST /api/generate``, as clients speak it to us: a body → ``Request``; the answer in its lines.

Law: as ``client_read``. A plain prompt is a chat of one message, for the server puts it into the model's
template just so; with ``suffix`` or ``raw`` it is text to be continued. No prompt: the model shall be loaded (or
unloaded), nothing is asked. Source: Ollama's API documentation, "Generate a completion", and ``GenerateHandler``.
"""

import msgspec

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import Completion, Message, Part, TextPart
from lodestard.protocols.json_text import decode_typed
from lodestard.protocols.ollama.client_read import SHARED, Asked, read_images
from lodestard.protocols.ollama.line_client import Read, read_talk

_SAID = SHARED | {"prompt", "suffix", "system", "images", "raw"}
_CONTINUED = _SAID - {"system"}
"""A system's message has no place where a gap is filled: the server's own template leaves it out there too."""


class _Body(Asked, frozen=True, kw_only=True):
    prompt: str | None = None
    suffix: str | None = None
    system: str | None = None
    template: str | None = None
    context: list[int] | None = None
    images: list[str] | None = None
    raw: bool | None = None


_body = msgspec.json.Decoder(_Body)


def read_generate(body: bytes) -> Read:
    """Raises ``CallerFault``."""
    typed = decode_typed(_body.decode, body)
    if typed.raw and (typed.template or typed.system or typed.context):
        text = "'raw' goes with neither 'system' nor 'template' nor 'context'."
        raise CallerFault(Code.INVALID_REQUEST, text, param="raw")
    if not _continues(typed):
        return Read(typed, read_talk(typed, _messages(typed)), _SAID)
    completion = Completion(suffix=typed.suffix or None, raw=bool(typed.raw))
    return Read(typed, read_talk(typed, _messages(typed), completion=completion), _CONTINUED)


def _continues(typed: _Body) -> bool:
    return bool(typed.suffix or typed.raw)


def _messages(typed: _Body) -> tuple[Message, ...]:
    if not (typed.prompt or typed.suffix):
        return ()
    parts: tuple[Part, ...] = (TextPart(typed.prompt or ""),)
    asked = Message(role="user", parts=parts + read_images(typed.images, "images"))
    if typed.system and not _continues(typed):
        return (Message(role="system", parts=(TextPart(typed.system),)), asked)
    return (asked,)
