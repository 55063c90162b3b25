"""Text completions of servers that only chat: the gap becomes a question, and the answer loses its code fence.

Law: pure. What is written for the model is fixed and small; the client's text is not altered. A whole answer within
one fence is taken out of it; any other answer stays as it is. The same pieces in any portions give the same text.
"""

import re
from collections.abc import Callable, Mapping

import msgspec

from lodestard.domain.errors import CallerFault, Code, Fault
from lodestard.domain.reply import Piece
from lodestard.domain.request import TOKENS, Format, Message, OtherPart, Request, TextPart
from lodestard.domain.settings import Upstream
from lodestard.protocols.choice_reader import ChoiceReader
from lodestard.protocols.codec import ReplyReader, UpstreamCodec, WireRequest

BY_CHAT = "completion emulated by chat"
Speaks = Callable[[Request, str, Upstream], bool]
_FORM = "completing:"
_FILL = (
    "You complete text in an editor. The user gives you the text before the cursor and the text after it. Answer "
    "with exactly the text that belongs at the cursor and nothing else: no explanation, no code fence, nothing of "
    "what stands before or after it. Mind the indentation, and the blank or line break that it may begin with."
)
_GO_ON = (
    "You continue text. Answer with what comes next, beginning exactly where the user's text ends: no explanation, "
    "no code fence, nothing of what was given. Mind the indentation, and the blank or line break to begin with."
)
_FENCE = "```"
_CLOSING = re.compile(r"(?:\n|\n?`{1,2}|\n?```\s*)\Z")
_MOST_HEAD = 64
"""Blanks before a fence, and the language after it, are shorter than this."""


def only_prompt(request: Request) -> Message:
    """The one prompt of a completion that goes into another dialect. Raises ``CallerFault(NOT_SUPPORTED)``."""
    talk = request.conversation
    prompts = [message for message in talk.messages if message.role == "user"]
    if len(prompts) != 1:
        raise _unsupported("Several prompts at once go to a server of the same dialect alone: send one.", "prompt")
    if any(isinstance(part, OtherPart) and part.kind == TOKENS for part in prompts[0].parts):
        raise _unsupported("A prompt of token ids goes to a server of the same dialect alone: send text.", "prompt")
    if talk.sampling.max_output_tokens == 0:
        raise _unsupported("No answer at all can be asked for in this dialect: ask for a token.", "max_tokens")
    return prompts[0]


def prompt_of(request: Request) -> str:
    """Its text, where it is nothing else. Raises ``CallerFault(NOT_SUPPORTED)``."""
    message = only_prompt(request)
    if not all(isinstance(part, TextPart) for part in message.parts):
        raise _unsupported("Text alone can be completed there: leave the images out.", "images")
    return message.text


def input_texts(request: Request) -> list[str]:
    """The inputs of an embedding that goes into another dialect. Raises ``CallerFault(NOT_SUPPORTED)``."""
    texts: list[str] = []
    for message in request.conversation.messages:
        if not all(isinstance(part, TextPart) for part in message.parts):
            raise _unsupported("Inputs of token ids go to a server of the same dialect alone: send text.", "input")
        texts.append(message.text)
    return texts


def as_chat(request: Request) -> Request:
    """A completion as a chat. What the client did not want raw, with no gap in it, is a question as it stands.

    Whoever completes text waits for it, within a small limit that thinking would use up: nothing is thought unasked.
    """
    talk = request.conversation
    completion = talk.completion
    if completion is None:
        return request
    if not is_instructed(request):
        return msgspec.structs.replace(request, conversation=msgspec.structs.replace(talk, completion=None))
    prompt = prompt_of(request)
    if completion.suffix is None:
        system, text = _GO_ON, prompt
    else:
        system, text = _FILL, f"<before>{prompt}</before>\n<after>{completion.suffix}</after>"
    messages = (
        Message(role="system", parts=(TextPart(system),)),
        Message(role="user", parts=(TextPart(text),)),
    )
    effort = talk.reasoning_effort or ("none" if talk.reasoning_tokens is None else "")
    chat = msgspec.structs.replace(talk, messages=messages, completion=None, reasoning_effort=effort)
    return msgspec.structs.replace(request, conversation=chat)


def is_instructed(request: Request) -> bool:
    """Whether its chat needs an instruction."""
    completion = request.conversation.completion
    return completion is not None and (completion.raw or completion.suffix is not None)


class CompletingCodec:
    """An ``UpstreamCodec`` whose dialect, or whose server, has no completions: they are asked for as chats.

    ``speaks`` says which completions the inner one can write itself. Without ``embeds`` embeddings are refused.
    """

    __slots__ = ("_embeds", "_inner", "_speaks")

    def __init__(self, inner: UpstreamCodec, speaks: Speaks | None = None, *, embeds: bool = False) -> None:
        self._inner = inner
        self._speaks = speaks
        self._embeds = embeds

    def write_request(self, request: Request, model: str, settings: Upstream) -> WireRequest:
        talk = request.conversation
        if talk.is_chat or (talk.embedding is not None and self._embeds):
            return self._inner.write_request(request, model, settings)
        if talk.embedding is not None:
            raise _unsupported(f"Lodestar has no embeddings of upstreams that speak {settings.dialect}.", "model")
        if self._speaks is not None and self._speaks(request, model, settings):
            return self._inner.write_request(request, model, settings)
        wire = self._inner.write_request(as_chat(request), model, settings)
        if not is_instructed(request):
            return wire
        return msgspec.structs.replace(wire, form=_FORM + wire.form, notes=(*wire.notes, BY_CHAT))

    def takes_format(self, form: Format, model: str) -> bool:
        return self._inner.takes_format(form, model)

    def reader(self, wire: WireRequest) -> ReplyReader:
        if not wire.form.startswith(_FORM):
            return self._inner.reader(wire)
        inner = msgspec.structs.replace(wire, form=wire.form.removeprefix(_FORM))
        return ChoiceReader(self._inner.reader(inner), _open_unfencing)

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        return self._inner.read_error(status, headers, body)


class Unfencing:
    """Takes the code fence off one answer, as it comes. What is held back is small: a head, or an end."""

    __slots__ = ("_fenced", "_held")

    def __init__(self) -> None:
        self._held = ""
        self._fenced: bool | None = None  # None: not yet known

    def read(self, piece: Piece, *, last: bool) -> Piece:
        """A piece of a chat's answer as one of a completion's."""
        text = self.add(piece.text)
        if last:
            text += self.end()
        return piece if text == piece.text else msgspec.structs.replace(piece, text=text)

    def add(self, text: str) -> str:
        """What of the answer is certain now."""
        if self._fenced is False:
            return text
        self._held += text
        if self._fenced is None and not self._open():
            return ""
        return self._release() if self._fenced else self._take(len(self._held))

    def end(self) -> str:
        """The rest, without the fence that closes it."""
        rest = self._take(len(self._held))
        if not self._fenced:
            return rest
        bare = rest.rstrip()
        return bare.removesuffix(_FENCE).removesuffix("\n") if bare.endswith(_FENCE) else rest

    def _open(self) -> bool:
        """Whether it is known now if the answer begins with a fence: by its first characters, however they came."""
        window = self._held[:_MOST_HEAD]
        head = window.lstrip()
        line, newline, _ = head.partition("\n")
        if head.startswith(_FENCE) and newline:
            self._fenced = _FENCE not in line[len(_FENCE) :]
            if self._fenced:
                self._held = self._held[len(window) - len(head) + len(line) + 1 :]
        elif len(window) == _MOST_HEAD or not (_FENCE.startswith(head) or head.startswith(_FENCE)):
            self._fenced = False
        return self._fenced is not None

    def _release(self) -> str:
        """All but what may be the closing fence, with the line break before it."""
        closing = _CLOSING.search(self._held)
        return self._take(closing.start() if closing else len(self._held))

    def _take(self, size: int) -> str:
        taken, self._held = self._held[:size], self._held[size:]
        return taken


def _open_unfencing(_index: int) -> Unfencing:
    return Unfencing()


def _unsupported(text: str, param: str) -> CallerFault:
    return CallerFault(Code.NOT_SUPPORTED, text, param=param)
