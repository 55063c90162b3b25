"""Text completions in Ollama's own dialect, ``POST /api/generate``: the prompt, and perhaps what comes after a gap.

Law: what is pinned of a model is pinned here too, exactly as for chats (``write``). A gap is filled by the
model's own marks where its family is known (``raw``: the server's template is passed by), otherwise by the server's
template, which needs the capability "insert". Source: Ollama's API documentation, "Generate a completion".
"""

from typing import Any

import msgspec

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.pins import pinned_members
from lodestard.domain.request import Completion, Request
from lodestard.domain.settings import Upstream
from lodestard.protocols.codec import WireRequest
from lodestard.protocols.completion_as_chat import only_prompt
from lodestard.protocols.fim import Layout, fim_of, find_layout, notes_of
from lodestard.protocols.ollama.passing import passing_options
from lodestard.protocols.ollama.write import (
    answer_members,
    content,
    find_dropped,
    require_one_answer,
    wrap,
    write_options,
)


def completes(request: Request, model: str, settings: Upstream) -> bool:
    """Whether ``model`` completes ``request`` itself, rather than in a chat."""
    completion = request.conversation.completion
    return completion is None or completion.suffix is None or fim_of(settings, model) != "chat"


def write_generate(request: Request, model: str, settings: Upstream) -> WireRequest:
    """The completion as ``/api/generate`` takes it, always streamed. Raises ``CallerFault(NOT_SUPPORTED)``."""
    talk = request.conversation
    completion = talk.completion or Completion()
    asked = only_prompt(request)
    require_one_answer(request)
    texts, images = content(asked, talk.messages.index(asked))
    prompt = "\n".join(texts)
    layout = None if completion.suffix is None else find_layout(settings, model)
    sampling = talk.sampling
    if layout is not None:
        sampling = msgspec.structs.replace(sampling, stop=(*sampling.stop, *layout.all_stops))
    pinned = pinned_members(settings, model)
    body: dict[str, Any] = {
        "model": model,
        **_say_prompt(prompt, completion, layout),
        **answer_members(talk),
        "stream": True,
        "truncate": False,
        **pinned,
        "options": passing_options(request) | write_options(sampling, pinned.get("options", {})),
    }
    if images:
        body["images"] = images
    dropped = find_dropped(request) + _say_system(body, request)
    notes = () if layout is None else notes_of(layout, prompt, completion.suffix or "")
    return wrap(settings, "/api/generate", body, dropped=dropped, notes=notes)


def _say_prompt(prompt: str, completion: Completion, layout: Layout | None) -> dict[str, Any]:
    if layout is not None:
        return {"prompt": layout.fill(prompt, completion.suffix or ""), "raw": True}
    if completion.suffix:
        return {"prompt": prompt, "suffix": completion.suffix}
    if not prompt:
        raise CallerFault(Code.NOT_SUPPORTED, "Ollama continues no empty prompt: send some text.", param="prompt")
    return {"prompt": prompt, "raw": True} if completion.raw else {"prompt": prompt}


def _say_system(body: dict[str, Any], request: Request) -> tuple[str, ...]:
    """What the system says goes into the server's template; a raw prompt has none, and drops it."""
    said = [one.text for one in request.conversation.messages if one.role in ("system", "developer")]
    if not said:
        return ()
    if body.get("raw"):
        return ("system",)
    body["system"] = "\n".join(said)
    return ()
