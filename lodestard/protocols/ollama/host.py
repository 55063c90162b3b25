"""What an Ollama server is asked and says of its models: in memory, on disk, loading, unloading, downloading.

Law: pure. Old and new servers are read alike: a member that is missing says nothing, one of a wrong type is garbage.
Loads carry exactly what requests do (``domain/pins.py``). Readers raise ``UpstreamFault`` without the server's name.
Source: Ollama's API documentation, its ``api/types.go`` and ``server/routes.go``.
"""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from lodestard.domain.errors import Code, UpstreamFault
from lodestard.domain.pins import is_nought, pinned_members
from lodestard.domain.residency import InstalledModel, LoadedModel, ModelDetails, PullProgress
from lodestard.domain.settings import Upstream
from lodestard.protocols.error_text import shown
from lodestard.protocols.ollama.read import read_error
from lodestard.protocols.rfc3339 import unix_ms

VERSION_CHARS = 64
PULLED = "success"
"""The status of a download's last line."""
_FOREVER_MS = 7_258_118_400_000
"""The year 2200: ``keep_alive: -1`` expires in 292 years, as long as Go's durations get."""
_ABSENT = ("does not exist", "not found")
_NO_WORDS = ("does not support chat", "does not support generate", "does not support completion")

_Size = Annotated[int, Meta(ge=0, le=2**62)]
_T = TypeVar("_T")


class _Version(msgspec.Struct, frozen=True):
    version: Annotated[str, Meta(min_length=1)]


class _Entry(msgspec.Struct, frozen=True):
    """A model in either list. Servers before 0.1.3x have a ``name`` alone."""

    name: str | None = None
    model: str | None = None
    size: _Size | None = None
    size_vram: _Size | None = None
    digest: str | None = None
    expires_at: str | None = None
    context_length: _Size | None = None


class _Listing(msgspec.Struct, frozen=True):
    models: list[_Entry] | None


class _Details(msgspec.Struct, frozen=True):
    capabilities: list[str] | None = None
    model_info: dict[str, Any] | None = None


class _Done(msgspec.Struct, frozen=True):
    done: bool = False
    done_reason: str | None = None
    error: str | None = None


class _Progress(msgspec.Struct, frozen=True):
    status: str | None = None
    digest: str | None = None
    total: _Size | None = None
    completed: _Size | None = None
    error: str | None = None


def write_load(settings: Upstream, model: str) -> bytes:
    """The body of the empty ``/api/chat`` that loads ``model``, or renews its keep-alive.

    A keep-alive of nought is left out: in an empty request it would mean unload.
    """
    return msgspec.json.encode({"model": model, "messages": [], "stream": False, **_pinned_load(settings, model)})


def write_embed_load(settings: Upstream, model: str) -> bytes:
    """The body of the empty ``/api/embed`` that loads a model which only embeds: it refuses chats."""
    return msgspec.json.encode({"model": model, "input": [], "truncate": False, **_pinned_load(settings, model)})


def _pinned_load(settings: Upstream, model: str) -> dict[str, Any]:
    pinned = pinned_members(settings, model)
    if is_nought(pinned.get("keep_alive", "")):
        del pinned["keep_alive"]
    return pinned


def write_unload(model: str) -> bytes:
    """The body of the empty ``/api/chat`` that forgets ``model``."""
    return msgspec.json.encode({"model": model, "messages": [], "stream": False, "keep_alive": 0})


def write_show(model: str) -> bytes:
    """Servers before 0.1.3x know the member ``name`` alone, later ones take either."""
    return msgspec.json.encode({"model": model, "name": model})


def write_pull(model: str) -> bytes:
    return msgspec.json.encode({"model": model, "name": model, "stream": True})


def read_version(body: bytes) -> str:
    """What it calls itself, cut to ``VERSION_CHARS``."""
    return shown(_decode(_version, body).version)[:VERSION_CHARS]


def read_loaded(body: bytes) -> tuple[LoadedModel, ...]:
    """``/api/ps``, in its order."""
    return tuple(
        LoadedModel(
            model=_name(entry),
            size_bytes=entry.size or 0,
            vram_bytes=entry.size_vram or 0,
            context_tokens=entry.context_length or 0,
            expires_ms=read_expiry(entry.expires_at or ""),
            digest=entry.digest or "",
        )
        for entry in _decode(_listing, body).models or ()
    )


def read_installed(body: bytes) -> tuple[InstalledModel, ...]:
    """``/api/tags``, in its order."""
    return tuple(
        InstalledModel(model=_name(entry), size_bytes=entry.size or 0, digest=entry.digest or "")
        for entry in _decode(_listing, body).models or ()
    )


def read_details(model: str, body: bytes) -> ModelDetails:
    """``/api/show``. What ``model_info`` does not say, or says in a way of its own, is 0."""
    details = _decode(_details, body)
    info = details.model_info or {}
    family = str(info.get("general.architecture", ""))
    return ModelDetails(
        model=model,
        capabilities=tuple(details.capabilities or ()),
        context_tokens=_count(info, f"{family}.context_length"),
        layers=_count(info, f"{family}.block_count"),
        kv_heads=_count(info, f"{family}.attention.head_count_kv"),
        embedding_length=_count(info, f"{family}.embedding_length"),
    )


def read_done(body: bytes) -> None:
    """The answer to an empty ``/api/chat``. Raises UPSTREAM_ERROR where it says that it failed."""
    answer = _decode(_done, body)
    if answer.error is not None:
        raise _failed(answer.error)
    if not answer.done:
        raise _garbage("an answer that is not done")


def only_embeds(said: str) -> bool:
    """Whether a refusal means that a model neither chats nor completes."""
    return any(words in said for words in _NO_WORDS)


def read_loaded_embedder(body: bytes) -> None:
    """The answer to an empty ``/api/embed``. Raises UPSTREAM_ERROR where it says that it failed."""
    answer = _decode(_done, body)
    if answer.error is not None:
        raise _failed(answer.error)


def read_progress(line: bytes) -> PullProgress:
    """One line of ``/api/pull``. Raises UPSTREAM_MODEL_MISSING, UPSTREAM_ERROR for a line that says so."""
    progress = _decode(_progress, line)
    if progress.error is not None:
        raise _failed(progress.error)
    if progress.status is None:
        raise _garbage("a line without a status")
    return PullProgress(
        status=shown(progress.status),
        done_bytes=progress.completed or 0,
        total_bytes=progress.total or 0,
        digest=progress.digest or "",
    )


def read_refusal(status: int, body: bytes) -> UpstreamFault:
    """What a status beside 200 to 299 says, as a fault of the server's: nobody else asked anything.

    A 404 means a missing model only where the server itself says so in JSON: elsewhere the path is none of its own.
    """
    if status == 404 and not _is_own_error(body):
        message = (
            f"There is no such page: {shown(body.decode(errors='replace'))}. Is this Ollama, and is its url right?"
        )
        return UpstreamFault(Code.UPSTREAM_ERROR, message, status=status, billed=False)
    fault = read_error(status, body)
    if not isinstance(fault, UpstreamFault):
        said, fault = fault.said, UpstreamFault(Code.UPSTREAM_REJECTED, fault.message, status=status, billed=False)
        fault.said = said
    return fault


def read_expiry(text: str) -> int | None:
    """``expires_at`` in unix ms; None where it never expires, or says nothing (Go's zero time, no moment at all)."""
    moment_ms = unix_ms(text)
    return moment_ms if moment_ms is not None and 0 <= moment_ms < _FOREVER_MS else None


def _is_own_error(body: bytes) -> bool:
    try:
        return _done.decode(body).error is not None
    except (ValueError, RecursionError):
        return False


def _name(entry: _Entry) -> str:
    name = entry.model or entry.name
    if not name:
        raise _garbage("a model without a name")
    return name


def _count(info: Mapping[str, Any], name: str) -> int:
    """A positive number; of a list with one for each layer, the largest."""
    found = info.get(name, 0)
    numbers = found if isinstance(found, list) else [found]
    counts = [number for number in numbers if isinstance(number, int) and not isinstance(number, bool)]
    return max(0, *counts) if counts else 0


def _decode(decoder: "msgspec.json.Decoder[_T]", body: bytes) -> _T:
    try:
        return decoder.decode(body)
    except RecursionError:
        raise _garbage("it nests too deep") from None
    except msgspec.ValidationError as error:
        raise _garbage(str(error)) from None  # says which member and which type, no value
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _garbage("it is no JSON") from None


def _failed(said: str) -> UpstreamFault:
    said = shown(said)
    missing = any(word in said for word in _ABSENT)
    code = Code.UPSTREAM_MODEL_MISSING if missing else Code.UPSTREAM_ERROR
    fault = UpstreamFault(code, f"Ollama failed: {said}", billed=False)
    fault.said = said
    return fault


def _garbage(reason: str) -> UpstreamFault:
    return UpstreamFault(Code.UPSTREAM_GARBAGE, f"Ollama gave an answer that can't be read: {reason}.")


_version = msgspec.json.Decoder(_Version)
_listing = msgspec.json.Decoder(_Listing)
_details = msgspec.json.Decoder(_Details)
_done = msgspec.json.Decoder(_Done)
_progress = msgspec.json.Decoder(_Progress)
