"""What all of Ollama's endpoints read alike of a client's body: options, form, thinking, images.

Law: known members are checked and read, unknown ones are kept raw and judged by nobody. What is said of a model's
runner (``num_ctx``, ``keep_alive`` …) is none of a client's business: it is neither read nor counted as lost, the
trace says what was not done. Source: Ollama's API documentation and its ``api/types.go``.
"""

import binascii
from collections.abc import Mapping
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.pins import RUNNER_OPTIONS
from lodestard.domain.request import Format, ImagePart, Sampling
from lodestard.protocols.json_text import Members

ABSENT = msgspec.Raw()
EFFORTS: Mapping[str, str] = {"max": "xhigh"}
_LEVELS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

SHARED = frozenset({"model", "stream", "format", "options", "think", "logprobs", "top_logprobs"})
"""The members that the conversation has words for, at any endpoint."""

RUNNING = frozenset({"keep_alive", "shift", "truncate", "runner", "_debug_render_only", "debug_render_only"})
"""Members about how the server runs a model: of no meaning to anybody else, and never passed on."""

OLD_RUNNER_OPTIONS = frozenset({"logits_all", "vocab_only", "embedding_only", "num_gqa", "use_imagegen_runner"})
"""What older servers load a model with, beside ``RUNNER_OPTIONS``."""

_READ = frozenset(
    {"temperature", "top_p", "top_k", "seed", "stop", "num_predict", "presence_penalty", "frequency_penalty"}
)
_SAMPLERS = frozenset(
    {
        "min_p", "typical_p", "tfs_z", "repeat_last_n", "repeat_penalty", "penalize_newline", "mirostat",
        "mirostat_tau", "mirostat_eta",
    }
)  # fmt: skip

# How files of each kind begin.
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
)
_PEEK_CHARS = 16

_Number = Annotated[float, Meta(ge=-1e12, le=1e12)]
_Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | _Number
T = TypeVar("T")


class _Options(msgspec.Struct, frozen=True):
    temperature: _Number | None = None
    top_p: _Number | None = None
    top_k: _Whole | None = None
    seed: _Whole | None = None
    stop: str | list[str] | None = None
    num_predict: _Whole | None = None
    presence_penalty: _Number | None = None
    frequency_penalty: _Number | None = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The members that chats and completions share. Streamed is what does not say otherwise."""

    model: Annotated[str, Meta(min_length=1, max_length=512)]
    stream: bool | None = None
    format: msgspec.Raw = ABSENT
    options: _Options | None = None
    think: bool | str | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None


_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_sampling(asked: Asked) -> Sampling:
    """A limit that is none (``num_predict`` -1 and -2, and 0, which no server heeds) is no limit."""
    options = asked.options
    if options is None:
        return Sampling()
    limit, top_k = _whole(options.num_predict), _whole(options.top_k)
    return Sampling(
        temperature=options.temperature,
        top_p=options.top_p,
        top_k=top_k if top_k is not None and top_k > 0 else None,
        seed=_whole(options.seed),
        stop=(options.stop,) if isinstance(options.stop, str) else tuple(options.stop or ()),
        presence_penalty=options.presence_penalty,
        frequency_penalty=options.frequency_penalty,
        max_output_tokens=min(limit, 2**31 - 1) if limit is not None and limit > 0 else None,
    )


def _whole(number: float | None) -> int | None:
    """Go's JSON has no integers: 40.0 is one."""
    return None if number is None else int(number)


def read_format(raw: msgspec.Raw) -> Format:
    """``"json"``, a JSON schema, or nothing."""
    text = bytes(raw)
    if text in (b"", b"null", b'""'):
        return Format()
    if text == b'"json"':
        return Format(kind="json")
    if text.startswith(b"{"):
        return Format(kind="json_schema", schema=raw.copy())
    raise invalid("format", 'expected "json" or a JSON schema')


def read_effort(think: bool | str | None) -> str:
    """``think`` in the conversation's words; empty where the model decides."""
    if think is None or think == "":
        return ""
    if isinstance(think, bool):
        return "medium" if think else "none"
    if think not in _LEVELS:
        raise invalid("think", "expected true, false, low, medium or high")
    return EFFORTS.get(think, think)


def read_images(images: list[str] | None, path: str) -> tuple[ImagePart, ...]:
    """Images in base64, without a type: how the file begins tells it."""
    return tuple([_image(data, f"{path}[{index}]") for index, data in enumerate(images or ())])


def _image(data: str, path: str) -> ImagePart:
    if data[:5] == "data:":  # no server takes that, but its meaning is plain
        data = data.partition(",")[2]
    try:
        head = binascii.a2b_base64(data[:_PEEK_CHARS].encode("ascii"))
    except ValueError:
        raise invalid(path, "expected an image in base64") from None
    if not head:
        raise invalid(path, "expected an image in base64")
    return ImagePart(media_type=_media_type(head), data=data)


def _media_type(head: bytes) -> str:
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), "application/octet-stream")


def find_unsaid(members: Members, said: frozenset[str]) -> tuple[str, ...]:
    """What another dialect would lose of these members; those that say nothing (null, empty) are no loss."""
    lost = [
        name for name in members.keys() - said - RUNNING if bytes(members[name]) not in (b"null", b'""', b"[]", b"{}")
    ]
    options = members.get("options")
    if options is not None and bytes(options) not in (b"null", b"{}"):
        lost += _unsaid_options(_object.decode(options))
    return tuple(sorted(lost))


def _unsaid_options(options: Members) -> list[str]:
    """Samplers by their names; what nobody knows is one path for all of it, for a server heeds none of that."""
    asked = {name for name, raw in options.items() if bytes(raw) != b"null"}
    unknown = asked - _READ - _SAMPLERS - RUNNER_OPTIONS - OLD_RUNNER_OPTIONS
    return [f"options.{name}" for name in asked & _SAMPLERS] + (["options"] if unknown else [])


def read_options(members: Mapping[str, msgspec.Raw]) -> Members:
    """The client's options that a server of the same dialect is told: no runner options and no output limit, which
    is written by whoever sends the request."""
    raw = members.get("options")
    if raw is None or bytes(raw) == b"null":
        return {}
    kept = _object.decode(raw)
    return {
        name: value
        for name, value in kept.items()
        if name not in RUNNER_OPTIONS and name not in OLD_RUNNER_OPTIONS and name != "num_predict"
    }


def invalid(path: str, wanted: str) -> CallerFault:
    return CallerFault(Code.INVALID_REQUEST, f"Invalid value for '{path}': {wanted}.", param=path)
