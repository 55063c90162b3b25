"""Messages in Gemini's words: contents of user and model, and the system instruction.

Law: what the dialect can't say is refused. What could be billed by the minute or by the page (video, sound, files of
other kinds) is never taken for an image. No text goes out that the client did not send, but names of functions, which
stand with a result as well as with its call.
Sources: Google's API reference, "Content"; "Function calling"; "Thought signatures"; types of google-genai 3.6.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import Conversation, ImagePart, Message, Part, TextPart, ToolCall
from lodestard.protocols.gemini.model import SIGNING_SINCE, generation_of
from lodestard.protocols.json_text import read_object

DIALECT = "gemini"
UNSIGNED = "skip_thought_signature_validator"
"""What Google takes for the signature of a call that its model did not make."""

MOST_NAME_CHARS = 128
_DEPTH = 64
_PICTURES = re.compile(r"\.(png|jpe?g|webp|heic|heif|gif|avif|bmp)$", re.IGNORECASE)
_FILMS = ("youtube.com", "youtu.be")
_USUAL_DETAIL = ("", "auto")

Written = dict[str, Any]


class ContentWriter:
    """Writes one conversation. ``dropped`` are the paths of what could not be said."""

    def __init__(self, model: str) -> None:
        self.contents: list[Written] = []
        self.system: list[Written] = []
        self.dropped: dict[str, None] = {}
        self.moved = False
        self._signs = generation_of(model) >= SIGNING_SINCE
        self._kind = ""
        self._called: dict[str, list[str]] = {}

    def write(self, talk: Conversation) -> None:
        """Raises ``CallerFault``."""
        turn_at = max((at for at, message in enumerate(talk.messages) if message.role == "user"), default=0)
        for at, message in enumerate(talk.messages):
            match message.role:
                case "system" | "developer":
                    self._add_system(message, at)
                case "tool":
                    self._add("result", [self._result(message, at)])
                case "assistant":
                    self._add("model", self._answer(message, at, current=at >= turn_at))
                case _:
                    self._add("user", self._parts(message, at))
            self._note_lost(message)
        if not self.contents:
            self.contents = [{"role": "user", "parts": self.system or [{"text": ""}]}]
            self.system = []

    def _add(self, kind: str, parts: list[Written]) -> None:
        """Consecutive ones of a kind are one content; results stand apart from what a user says."""
        if not parts:
            return
        if kind == self._kind:
            self.contents[-1]["parts"] += parts
            return
        self._kind = kind
        self.contents.append({"role": "model" if kind == "model" else "user", "parts": parts})

    def _add_system(self, message: Message, at: int) -> None:
        parts = self._parts(message, at)
        if any("text" not in part for part in parts):
            raise _unsupported("Gemini takes text alone from the system.", f"messages[{at}].content")
        self.moved = self.moved or bool(self.contents)
        self.system += parts

    def _answer(self, message: Message, at: int, *, current: bool) -> list[Written]:
        signatures = {thought.call_id: thought.raw for thought in message.thoughts if thought.dialect == DIALECT}
        parts = self._parts(message, at)
        if parts and "" in signatures:
            parts[-1]["thoughtSignature"] = signatures[""]
        calls = [
            self._call(call, f"messages[{at}].tool_calls[{place}]") for place, call in enumerate(message.tool_calls)
        ]
        for written, call in zip(calls, message.tool_calls, strict=True):
            if call.id in signatures:
                written["thoughtSignature"] = signatures[call.id]
        if calls and current and self._signs and not any("thoughtSignature" in written for written in calls):
            calls[0]["thoughtSignature"] = UNSIGNED
        return parts + calls

    def _call(self, call: ToolCall, path: str) -> Written:
        if call.kind != "function":
            raise _unsupported(f"Gemini has no calls of the type {call.kind[:32]!r}.", path)
        require_name(call.name, f"{path}.function.name")
        self._called.setdefault(call.id, []).append(call.name)
        named: Written = {"name": call.name, "args": _arguments(call.arguments)}
        if self._signs and call.id:
            named["id"] = call.id
        return {"functionCall": named}

    def _result(self, message: Message, at: int) -> Written:
        """Each result once: so no text is sent on more often than it came."""
        names = self._called.get(message.tool_call_id)
        name = names.pop(0) if names else message.name or message.tool_call_id
        require_name(name, f"messages[{at}].tool_call_id")
        said: Written = {"name": name, "response": {"error" if message.is_error else "result": message.text}}
        if self._signs and message.tool_call_id:
            said["id"] = message.tool_call_id
        if images := [part for part in message.parts if not isinstance(part, TextPart)]:
            if not self._signs:
                raise _unsupported("This Gemini model takes text alone from a tool.", f"messages[{at}].content")
            said["parts"] = [self._part(part, f"messages[{at}].content") for part in images]
        return {"functionResponse": said}

    def _parts(self, message: Message, at: int) -> list[Written]:
        return [
            self._part(part, f"messages[{at}].content[{place}]")
            for place, part in enumerate(message.parts)
            if not (type(part) is TextPart and not part.text)
        ]

    def _part(self, part: Part, path: str) -> Written:
        if isinstance(part, TextPart):
            return {"text": part.text}
        if not isinstance(part, ImagePart):
            raise _unsupported(f"No content of the type {part.kind[:32]!r} can be sent to Gemini.", path)
        if part.detail not in _USUAL_DETAIL:
            self.dropped["messages[].content[].image_url.detail"] = None
        return _inline(part, path) if part.data else _linked(part, path)

    def _note_lost(self, message: Message) -> None:
        if message.name and message.role != "tool":
            self.dropped["messages[].name"] = None
        if message.reasoning:
            self.dropped["messages[].reasoning_content"] = None


def require_name(name: str, path: str) -> None:
    """A function's name is sent with each of its calls and results: a long one would cost more than it came with."""
    if not 0 < len(name) <= MOST_NAME_CHARS:
        text = f"Gemini takes names of functions of 1 to {MOST_NAME_CHARS} characters."
        raise CallerFault(Code.NOT_SUPPORTED, text, param=path)


def _inline(part: ImagePart, path: str) -> Written:
    kind = part.media_type.partition(";")[0].strip().lower()
    if not kind.startswith("image/"):
        raise _unsupported("Only images can be sent to Gemini as inline data.", path)
    return {"inlineData": {"mimeType": kind, "data": part.data}}


def _linked(part: ImagePart, path: str) -> Written:
    """An address that can be nothing but a picture's: what is fetched otherwise is billed by its length."""
    try:
        address = urlsplit(part.url)
        host = address.hostname or ""
    except ValueError:
        raise CallerFault(Code.INVALID_REQUEST, f"Invalid value for '{path}': no address.", param=path) from None
    picture = _PICTURES.search(address.path)
    if address.scheme != "https" or picture is None or host.endswith(_FILMS):
        text = "Gemini takes images as base64 data URLs, or from https addresses that end as a picture's name does."
        raise _unsupported(text, path)
    ending = picture[1].lower()
    return {"fileData": {"mimeType": f"image/{'jpeg' if ending == 'jpg' else ending}", "fileUri": part.url}}


def _arguments(text: str) -> msgspec.Raw | Mapping[str, str]:
    """Gemini wants an object. What the model once wrote that is none is kept as the text that it was."""
    if not text.strip():
        return {}
    return read_object(text, depth=_DEPTH) or {"arguments": text}


def _unsupported(text: str, param: str) -> CallerFault:
    return CallerFault(Code.NOT_SUPPORTED, text, param=param)
