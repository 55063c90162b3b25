"""What Gemini answers, streamed or plain: the members of a response, and the pieces that they mean.

Law: a candidate is whole once it said why it finished; a block of the prompt finishes all of them. A call of a
function comes whole, and one without an id gets one that the same bytes always give. Signatures stay as they came.
Source: Google's API reference, "GenerateContentResponse", "Candidate", "Part"; types of google-genai 3.6.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from lodestard.domain.errors import Code, UpstreamFault
from lodestard.domain.reply import Finish, Piece, ToolCallPiece
from lodestard.domain.request import Thought
from lodestard.domain.usage import Usage, larger
from lodestard.protocols.error_text import shown
from lodestard.protocols.gemini.content import DIALECT
from lodestard.protocols.gemini.errors import stream_fault
from lodestard.protocols.gemini.usage import read_usage
from lodestard.protocols.json_depth import nests_deeper

ABSENT = msgspec.Raw()
_NOTHING = (b"", b"null")
_DEPTH = 64
_FINISHES: Mapping[str, Finish] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "ESCALATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "PUP_LIMITED_DISABLED": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
}
_BROKEN = frozenset(
    {
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
    }
)
_NOT_YET = ("", "FINISH_REASON_UNSPECIFIED")

_Index = Annotated[int, Meta(ge=0, le=4095)]


class _Call(msgspec.Struct, frozen=True):
    name: str
    args: msgspec.Raw = ABSENT
    id: str | None = None


class _Blob(msgspec.Struct, frozen=True, rename="camel"):
    mime_type: str = ""


class _Part(msgspec.Struct, frozen=True, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: _Call | None = None
    inline_data: _Blob | None = None


class _Content(msgspec.Struct, frozen=True):
    parts: list[_Part] | None = None


class _Token(msgspec.Struct, frozen=True, rename="camel"):
    token: str = ""
    log_probability: float = 0.0


class _Tokens(msgspec.Struct, frozen=True):
    candidates: list[_Token] | None = None


class _Logprobs(msgspec.Struct, frozen=True, rename="camel"):
    chosen_candidates: list[_Token] | None = None
    top_candidates: list[_Tokens] | None = None


class _Candidate(msgspec.Struct, frozen=True, rename="camel"):
    index: _Index = 0
    content: _Content | None = None
    finish_reason: str | None = None
    logprobs_result: _Logprobs | None = None


class _Feedback(msgspec.Struct, frozen=True, rename="camel"):
    block_reason: str | None = None


class _Response(msgspec.Struct, frozen=True, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: msgspec.Raw = ABSENT
    model_version: str | None = None
    response_id: str | None = None
    error: msgspec.Raw = ABSENT


_response = msgspec.json.Decoder(_Response)
_NO_CONTENT = _Content()


class Responses:
    """What the responses of one answer say, one after the other; a plain answer is one response."""

    __slots__ = ("_asked", "_calls", "_finished", "_id", "_named", "_seen", "_told", "_usage", "_usage_raw", "done")

    def __init__(self, choices: int) -> None:
        self._asked = choices
        self._seen: set[int] = set()
        self._finished: set[int] = set()
        self._calls: dict[int, int] = {}
        self._id = ""
        self._named = self._told = False
        self._usage: Usage | None = None
        self._usage_raw = ABSENT
        self.done = False

    @property
    def ended(self) -> bool:
        """Whether all that were asked for have finished: the end of the connection is the only other mark."""
        return self._seen == self._finished and len(self._finished) >= self._asked

    def pieces(self, event: bytes) -> list[Piece]:
        """Raises ``Fault``."""
        try:
            return self._read(event)
        except (ValueError, RecursionError):
            raise garbage() from None

    def _read(self, event: bytes) -> list[Piece]:
        if event.lstrip()[:1] == b"[":  # how errors come where events were not understood
            raise stream_fault(event)
        response = _response.decode(event)
        if bytes(response.error) not in _NOTHING:
            raise stream_fault(event)
        names = self._name(response)
        pieces = [self._piece(candidate) for candidate in response.candidates or ()]
        if not pieces and response.prompt_feedback is not None and response.prompt_feedback.block_reason:
            pieces = self._block()
        usage = self._meter(response)
        if names is not None or usage is not None:
            first = pieces[0] if pieces else Piece()
            pieces[:1] = [msgspec.structs.replace(first, usage=usage, **(names or {}))]
        return pieces

    def _name(self, response: _Response) -> dict[str, str] | None:
        if self._named:
            return None
        self._named = True
        self._id = response.response_id or ""
        return {"id": self._id, "model": response.model_version or ""}

    def _piece(self, candidate: _Candidate) -> Piece:
        choice, reason = candidate.index, candidate.finish_reason
        self._seen.add(choice)
        parts = (candidate.content or _NO_CONTENT).parts or ()
        if reason is None and len(parts) == 1 and (text := _plain_text(parts[0])) and not candidate.logprobs_result:
            self._told = True
            return Piece(choice=choice, text=text)
        return self._whole_piece(candidate, parts)

    def _whole_piece(self, candidate: _Candidate, parts: Sequence[_Part]) -> Piece:
        text, thought = "", ""
        calls: list[ToolCallPiece] = []
        signatures: list[Thought] = []
        for part in parts:
            said = part.text or ""
            text, thought = (text, thought + said) if part.thought else (text + said, thought)
            called = ""
            if part.function_call is not None:
                calls.append(self._call(candidate.index, part.function_call))
                called = calls[-1].id
            if part.inline_data is not None:
                raise _drawn(part.inline_data)
            if part.thought_signature:
                raw = msgspec.Raw(msgspec.json.encode(part.thought_signature))
                signatures.append(Thought(DIALECT, raw, called))
        self._told = self._told or bool(text or calls)
        return Piece(
            choice=candidate.index,
            text=text,
            reasoning=thought,
            tool_calls=tuple(calls),
            thoughts=tuple(signatures),
            logprobs=_read_logprobs(candidate.logprobs_result),
            finish=self._finish(candidate),
        )

    def _call(self, choice: int, call: _Call) -> ToolCallPiece:
        index = self._calls.get(choice, 0)
        self._calls[choice] = index + 1
        arguments = _read_arguments(call.args)
        made = call.id or _invent_id(self._id, f"{choice} {index}", call.name, arguments)
        return ToolCallPiece(index, made, call.name, arguments)

    def _finish(self, candidate: _Candidate) -> Finish | None:
        reason = (candidate.finish_reason or "").upper()
        if reason in _NOT_YET:
            return None
        if reason in _BROKEN:
            words = reason.lower().replace("_", " ")
            raise UpstreamFault(Code.UPSTREAM_ERROR, f"Gemini broke off its answer: {words}.")
        self._finished.add(candidate.index)
        finish = _FINISHES.get(reason, "error")  # unknown: passed on, but not worth keeping
        return "tool_calls" if finish == "stop" and self._calls.get(candidate.index) else finish

    def _block(self) -> list[Piece]:
        """The prompt was refused: every answer ends before it begins."""
        self._seen.update(range(self._asked))
        self._finished.update(range(self._asked))
        return [Piece(choice=choice, finish="content_filter") for choice in range(self._asked)]

    def _meter(self, response: _Response) -> Usage | None:
        """Running totals come with every response; they are read once something has finished."""
        if response.usage_metadata is not ABSENT:
            self._usage_raw = response.usage_metadata
        if not self._finished or self._usage_raw is ABSENT:
            return None
        new, self._usage_raw = read_usage(self._usage_raw), ABSENT
        if new is not None and self._told and not new.completion_tokens:
            return None  # text that costs nothing makes no sense
        self._usage = larger(self._usage, new)
        return self._usage


def _plain_text(part: _Part) -> str:
    """The text of a part that is nothing else."""
    if part.thought or part.thought_signature or part.function_call is not None or part.inline_data is not None:
        return ""
    return part.text or ""


def _read_arguments(raw: msgspec.Raw) -> str:
    """``args`` as JSON text without white space between. Raises ``ValueError`` for what is no object."""
    text = bytes(raw)
    if text in _NOTHING:
        return "{}"
    if text[:1] != b"{" or nests_deeper(text, _DEPTH):
        raise ValueError
    if b"\n" in text:
        text = msgspec.json.format(text, indent=-1)
    return text.decode()  # the decoder does not look into what stays raw


def _invent_id(response: str, place: str, name: str, arguments: str) -> str:
    """A name for a call that has none: the same for the same bytes, another one in another answer."""
    digest = hashlib.sha256(f"{response}\0{place}\0{name}\0{arguments}".encode("utf-8", "surrogatepass"))
    return f"call_{digest.hexdigest()[:24]}"


def _read_logprobs(said: _Logprobs | None) -> msgspec.Raw | None:
    """In the house's form: ``{"content": […], "refusal": null}``."""
    if said is None or not said.chosen_candidates:
        return None
    tops = [step.candidates or [] for step in said.top_candidates or ()]
    content = [
        {**_logprob(chosen), "top_logprobs": [_logprob(one) for one in (tops[at] if at < len(tops) else ())]}
        for at, chosen in enumerate(said.chosen_candidates)
    ]
    return msgspec.Raw(msgspec.json.encode({"content": content, "refusal": None}))


def _logprob(token: _Token) -> dict[str, object]:
    return {
        "token": token.token,
        "logprob": token.log_probability,
        "bytes": list(token.token.encode("utf-8", "surrogatepass")),
    }


def _drawn(blob: _Blob) -> UpstreamFault:
    text = f"Gemini answered with data of the kind {shown(blob.mime_type)[:64]}, which can't be passed on."
    return UpstreamFault(Code.UPSTREAM_ERROR, text)


def garbage() -> UpstreamFault:
    return UpstreamFault(Code.UPSTREAM_GARBAGE, "Gemini sent something that is no part of an answer.")
