"""The response object of OpenAI's Responses and the items in it, built from a reply.

Law: all members that OpenAI's own types demand are there; what the client said is echoed as it came. Ids follow from
the request's, so that one answer has the same ids in all its events.
Source: OpenAI's API reference, "The response object", and the types of its Python SDK.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from lodestard.domain.errors import Code, Fault
from lodestard.domain.reply import Finish
from lodestard.domain.request import Request, Thought
from lodestard.domain.usage import Usage
from lodestard.protocols.error_bodies import message_of
from lodestard.protocols.responses.input import DIALECT
from lodestard.protocols.responses.toolbox import Named, Toolbox, unwrap_input

encode = msgspec.json.Encoder().encode

_DEFAULTS: Final[tuple[tuple[str, bytes], ...]] = (
    ("background", b"false"),
    ("instructions", b"null"),
    ("max_output_tokens", b"null"),
    ("max_tool_calls", b"null"),
    ("metadata", b"{}"),
    ("parallel_tool_calls", b"true"),
    ("prompt_cache_key", b"null"),
    ("reasoning", b'{"effort":null,"summary":null}'),
    ("safety_identifier", b"null"),
    ("service_tier", b'"default"'),
    ("store", b"true"),
    ("temperature", b"1.0"),
    ("text", b'{"format":{"type":"text"}}'),
    ("tool_choice", b'"auto"'),
    ("tools", b"[]"),
    ("top_logprobs", b"0"),
    ("top_p", b"1.0"),
    ("truncation", b'"disabled"'),
    ("user", b"null"),
)
"""Members that are echoed, and what stands there where the client said nothing."""

_ERRORS: Final = {
    Code.CONTEXT_LENGTH_EXCEEDED: "context_length_exceeded",
    Code.UPSTREAM_QUOTA: "insufficient_quota",
    Code.BUDGET_REFUSED: "insufficient_quota",
    Code.RATE_LIMITED: "rate_limit_exceeded",
    Code.UPSTREAM_RATE_LIMITED: "rate_limit_exceeded",
    Code.INVALID_REQUEST: "invalid_prompt",
    Code.NOT_SUPPORTED: "invalid_prompt",
    Code.UPSTREAM_REJECTED: "invalid_prompt",
}
"""What a stream's failure is called: clients ask again after ``server_error`` and after a limit of the rate."""

_CUT: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
_ENDED: Final = frozenset({"stop", "tool_calls", "function_call"})


class _Secret(msgspec.Struct, frozen=True):
    id: str = ""
    encrypted_content: str | None = None


class _Logprobs(msgspec.Struct, frozen=True):
    content: list[msgspec.Raw] | None = None


_secret = msgspec.json.Decoder(_Secret)
_logprobs = msgspec.json.Decoder(_Logprobs)


class Names(msgspec.Struct, frozen=True):
    """The ids of one answer and of its items."""

    stem: str

    @classmethod
    def of(cls, reply_id: str) -> "Names":
        return cls(reply_id.rpartition("_")[2])

    @property
    def response(self) -> str:
        return f"resp_{self.stem}"

    def item(self, kind: str, index: int) -> str:
        return f"{kind}_{self.stem}_{index}"


class Frame(msgspec.Struct, frozen=True):
    """All of a response object that does not change while it is made."""

    id: str
    created: int
    echo: dict[str, Any]

    def write(self, *, model: str, status: str, **more: Any) -> dict[str, Any]:
        """The object. ``more``: ``output``, ``usage``, ``error``, ``incomplete_details``."""
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "model": model,
            "output": [],
            "usage": None,
            **self.echo,
            **more,
        }


def open_frame(request: Request, response_id: str, created: int, previous_id: str) -> Frame:
    """The object for a request's answer."""
    members = request.members
    echo: dict[str, Any] = {"previous_response_id": previous_id or None}
    for name, default in _DEFAULTS:
        said = members.get(name)
        echo[name] = msgspec.Raw(default) if said is None or bytes(said) == b"null" else said
    return Frame(response_id, created, echo)


def ending(finish: Finish | None) -> tuple[str, dict[str, Any]]:
    """How an answer that ended this way stands, and the members that say why."""
    if finish is None or finish in _ENDED:
        return "completed", {}
    reason = _CUT.get(finish)
    return "incomplete", {"incomplete_details": {"reason": reason} if reason else None}


def write_error(fault: Fault) -> dict[str, str]:
    """The ``error`` of a response that failed."""
    code = _ERRORS.get(fault.code, "server_error")
    message = message_of(fault)
    if code == "rate_limit_exceeded" and fault.retry_after_s is not None:
        message = f"{message} Please try again in {fault.retry_after_s:g}s."
    return {"code": code, "message": message}


def write_usage(usage: Usage | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


# -- items -------------------------------------------------------------------------------------------------------


def text_part(text: str, logprobs: Sequence[msgspec.Raw] = ()) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": list(logprobs)}


def read_tokens(raw: msgspec.Raw | None) -> list[msgspec.Raw]:
    """The log probabilities of text, one for each token."""
    return (_logprobs.decode(raw).content or []) if raw is not None else []


def refusal_part(text: str) -> dict[str, Any]:
    return {"type": "refusal", "refusal": text}


def message_item(item_id: str, content: list[dict[str, Any]], status: str) -> dict[str, Any]:
    return {"id": item_id, "type": "message", "status": status, "role": "assistant", "content": content}


def reasoning_item(item_id: str, text: str, secret: str | None) -> dict[str, Any]:
    """What was thought: the words as a summary, which is what clients show."""
    item: dict[str, Any] = {
        "id": item_id,
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text}] if text else [],
    }
    if secret:
        item["encrypted_content"] = secret
    return item


def find_secret(thoughts: Sequence[Thought]) -> tuple[str, str] | None:
    """(id, encrypted content) of the last thought of this dialect."""
    for thought in reversed(thoughts):
        if thought.dialect == DIALECT:
            try:
                said = _secret.decode(thought.raw)
            except (ValueError, RecursionError):
                continue
            if said.encrypted_content:
                return said.id, said.encrypted_content
    return None


class CallForm(msgspec.Struct, frozen=True):
    """How one call is written: as what the client named the tool."""

    item_id: str
    call_id: str
    named: Named

    def write(self, arguments: str, status: str) -> dict[str, Any]:
        item: dict[str, Any] = {"id": self.item_id, "call_id": self.call_id, "name": self.named.name}
        if self.named.namespace:
            item["namespace"] = self.named.namespace
        if self.named.custom:
            return {"type": "custom_tool_call", "status": status, **item, "input": unwrap_input(arguments)}
        return {"type": "function_call", "status": status, **item, "arguments": arguments}


def call_form(names: Names, box: Toolbox, index: int, call: tuple[str, str]) -> CallForm:
    """For the item at ``index``, of a call with this id and name."""
    call_id, name = call
    named = box.named.get(name) or Named(name)
    kind = "ctc" if named.custom else "fc"
    return CallForm(names.item(kind, index), call_id or names.item("call", index), named)
