"""OpenAI's ``/completions`` and ``/embeddings``, and Mistral's ``/fim/completions``, as an upstream: the requests.

Law: a request of the same dialect goes through as the client wrote it. Which servers complete text, and how they are
asked to fill a gap, is told by their address, the model and the configuration: a server of one's own takes the
model's own marks, for vLLM refuses ``suffix`` and llama.cpp leaves it out. Sources: OpenAI's API reference, "Create
completion", "Create embeddings"; Mistral's, "Fim completion"; DeepSeek's "FIM completion"; vLLM's "OpenAI-compatible
server"; llama.cpp's ``tools/server/README.md``.
"""

from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from lodestard.domain.request import Request
from lodestard.domain.settings import Upstream
from lodestard.protocols.codec import PLAIN_HEADERS, STREAM_HEADERS, WireRequest, join_path
from lodestard.protocols.completion_as_chat import input_texts, prompt_of
from lodestard.protocols.fim import fim_of, find_layout, notes_of

COMPLETION, FIM, EMBEDDING = "completion", "fim", "embedding"
_SAME = {COMPLETION: "completions", FIM: "fim", EMBEDDING: "embeddings"}
"""The client's dialect that passes through, by form."""

_PATHS = {COMPLETION: "/completions", FIM: "/fim/completions", EMBEDDING: "/embeddings"}
_CHAT_ONLY = ("x.ai", "googleapis.com", "anthropic.com", "openrouter.ai", "groq.com")
_OPENAI = ("api.openai.com", "openai.azure.com")
_OPENAI_COMPLETES = ("-instruct", "davinci-002", "babbage-002")
_FILLS_ITSELF = (*_OPENAI, "deepseek.com", "mistral.ai")
_options = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)
Way = Literal["native", "fim", "chat"]


@lru_cache(maxsize=256)
def way_of(url: str, model: str) -> Way:
    """How the server at ``url`` is asked to continue text by ``model``, where nothing is configured."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if _is_of(host, ("mistral.ai",)):
        return "fim" if "codestral" in model.lower() else "chat"
    if _is_of(host, ("deepseek.com",)):
        return "native" if parts.path.startswith("/beta") else "chat"
    if _is_of(host, _OPENAI):
        return "native" if any(name in model for name in _OPENAI_COMPLETES) else "chat"
    return "chat" if _is_of(host, _CHAT_ONLY) else "native"


@lru_cache(maxsize=64)
def _fills_itself(url: str) -> bool:
    return _is_of(urlsplit(url).hostname or "", _FILLS_ITSELF)


def _is_of(host: str, domains: tuple[str, ...]) -> bool:
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)


def find_way(settings: Upstream, model: str) -> Way:
    """How ``model`` is asked to continue text."""
    return settings.completions or way_of(settings.url, model)


def completes(request: Request, model: str, settings: Upstream) -> bool:
    """Whether ``model`` takes ``request`` as a completion, rather than as a chat."""
    completion = request.conversation.completion
    if completion is None:
        return True
    if completion.suffix is None and not completion.raw:
        return False  # a question for the model's own template
    if completion.suffix is not None and fim_of(settings, model) == "chat":
        return False
    return find_way(settings, model) != "chat"


def write_text(request: Request, model: str, settings: Upstream) -> WireRequest:
    """A completion or an embedding. Raises ``CallerFault(NOT_SUPPORTED)``."""
    if request.conversation.embedding is not None:
        return _write_embedding(request, model, settings)
    form = FIM if find_way(settings, model) == "fim" else COMPLETION
    members: dict[str, object]
    if request.dialect == _SAME[form]:
        members = dict(request.members)
    else:
        members = _completion(request) if form == COMPLETION else _fim(request)
    members["model"] = model
    limit = request.conversation.sampling.max_output_tokens
    if limit is not None:
        members["max_tokens"] = limit
    if form == FIM:
        return _wrap(request, form, settings, members)
    if request.stream:
        members["stream_options"] = with_usage(request, _SAME[COMPLETION])
    notes = _fill(members, request, model, settings)
    wire = _wrap(request, form, settings, members)
    return msgspec.structs.replace(wire, passing=False, notes=notes) if notes else wire


def _wrap(request: Request, form: str, settings: Upstream, members: dict[str, object]) -> WireRequest:
    talk = request.conversation
    return WireRequest(
        path=join_path(settings.url, _PATHS[form]),
        headers=STREAM_HEADERS if request.stream else PLAIN_HEADERS,
        body=msgspec.json.encode(members),
        streamed=request.stream,
        choices=len(talk.messages) if form == EMBEDDING else talk.n,
        form=form,
        passing=request.dialect == _SAME[form],
        dropped=() if request.dialect == _SAME[form] else _find_dropped(request, form),
    )


def _fill(members: dict[str, object], request: Request, model: str, settings: Upstream) -> tuple[str, ...]:
    """Put the model's own marks around the gap, where the server does not do that; what was done."""
    completion = request.conversation.completion
    if completion is None or completion.suffix is None:
        return ()
    if fim_of(settings, model) == "auto" and _fills_itself(settings.url):
        return ()
    if (layout := find_layout(settings, model)) is None:
        return ()
    prompt, suffix = prompt_of(request), completion.suffix
    members["prompt"] = layout.fill(prompt, suffix)
    members["stop"] = [*request.conversation.sampling.stop, *layout.all_stops]
    for name in ("suffix", "echo"):
        members.pop(name, None)
    return notes_of(layout, prompt, suffix)


def _completion(request: Request) -> dict[str, object]:
    talk = request.conversation
    sampling = talk.sampling
    completion = talk.completion
    asked: dict[str, object] = {
        "prompt": prompt_of(request),
        "suffix": completion.suffix if completion is not None else None,
        "stream": request.stream or None,
        "n": talk.n if talk.n != 1 else None,
        "seed": sampling.seed,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "logprobs": (talk.top_logprobs or 0) if talk.logprobs else None,
        **_sampled(request),
    }
    return {name: value for name, value in asked.items() if value is not None}


def _fim(request: Request) -> dict[str, object]:
    completion = request.conversation.completion
    asked: dict[str, object] = {
        "prompt": prompt_of(request),
        "suffix": completion.suffix if completion is not None else None,
        "stream": request.stream or None,
        "random_seed": request.conversation.sampling.seed,
        **_sampled(request),
    }
    return {name: value for name, value in asked.items() if value is not None}


def _sampled(request: Request) -> dict[str, object]:
    sampling = request.conversation.sampling
    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stop": list(sampling.stop) or None,
    }


def _find_dropped(request: Request, form: str) -> tuple[str, ...]:
    """What neither of the two can carry, and what Mistral's can't."""
    talk, sampling = request.conversation, request.conversation.sampling
    if form == EMBEDDING:
        return request.unsaid
    lost = {"top_k": sampling.top_k is not None, "response_format": talk.format.kind != "text"}
    if form == FIM:
        lost["presence_penalty"] = sampling.presence_penalty is not None
        lost["frequency_penalty"] = sampling.frequency_penalty is not None
        lost["logprobs"] = talk.logprobs
    return (*request.unsaid, *(name for name, is_lost in lost.items() if is_lost))


def with_usage(request: Request, dialect: str) -> dict[str, object]:
    """What a client of ``dialect`` says of its stream, and that we must know the usage."""
    raw = request.members.get("stream_options") if request.dialect == dialect else None
    said = _options.decode(raw) if raw is not None else None
    return {**(said or {}), "include_usage": True}


def _write_embedding(request: Request, model: str, settings: Upstream) -> WireRequest:
    embedding = request.conversation.embedding
    members: dict[str, object]
    if request.dialect == _SAME[EMBEDDING]:
        members = dict(request.members)
    else:
        members = {"input": input_texts(request), "encoding_format": "float"}
        if embedding is not None and embedding.dimensions is not None:
            members["dimensions"] = embedding.dimensions
    members["model"] = model
    return _wrap(request, EMBEDDING, settings, members)
