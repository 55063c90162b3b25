"""What a request is for, in one word. Pure.

Law: cheap. Nothing is read but the beginning of the first system message and what the request asks for; a word that
the client gave itself comes first. Where nothing tells, it is a ``chat``.
"""

from lodestard.domain.request import Request

OPENING = 120
"""Characters of the first system message that tell who speaks."""

# How Aider's system prompts begin (aider-chat 0.86.2, aider/coders/*_prompts.py and aider/prompts.py). The first
# that fits says what the call is for, so the longer ones stand before their beginnings.
AIDER_TASKS = (
    ("You are an expert software engineer that generates concise", "commit"),
    ("*Briefly* summarize", "summary"),
    ("Act as an expert architect engineer", "architect"),
    ("Act as an expert software developer who edits source code", "editor"),
    ("Act as an expert software developer and make changes to source code", "editor"),
    ("Act as an expert software engineer who edits source code", "editor"),
    ("Act as an expert software developer", "edit"),
    ("Act as an expert code analyst", "ask"),
    ("You are an expert on the AI coding tool called Aider", "help"),
)
_AIDER_OPENINGS = tuple(opening for opening, _ in AIDER_TASKS)
# How editors ask a chat model to complete: Continue, Kilo Code and others; minuet-ai.
_HOLE_FILLER = "You are a HOLE FILLER"
_COMPLETER_OPENINGS = (
    _HOLE_FILLER,
    "You are the backend of an AI-powered code completion engine",
    "You are an AI code completion engine",
)
# Fill-in-the-middle prompts begin or end with a mark: DeepSeek-Coder's, Code Llama's, StarCoder's and Qwen's,
# Codestral's, CodeGeeX's (as Continue's core/autocomplete/templating writes them; files of the repository may stand
# before the first mark). What a chat says about such marks rarely ends with one.
_LONE_STARTS = ("<\uff5cfim", "<PRE>", "<fim_", "<|fim_", "<|repo_name|>", "[SUFFIX]", "[PREFIX]", _HOLE_FILLER)
_FIM_ENDS = ("<fim_middle>", "<|fim_middle|>", "<MID>", "<\uff5cfim\u2581end\uff5c>", "<|code_middle|><|assistant|>")
_FIM_TAIL = 64


def read_opening(request: Request) -> str:
    """How its first message begins, where that is the system's; otherwise an empty string."""
    messages = request.conversation.messages
    if not messages or messages[0].role not in ("system", "developer"):
        return ""
    return messages[0].text[:OPENING].lstrip()


def is_aider(opening: str) -> bool:
    """Whether it is one of Aider's prompts: its requests carry nothing else that says so."""
    return opening != "" and opening.startswith(_AIDER_OPENINGS)


def name_task(opening: str, request: Request) -> str:
    """``commit``, ``summary``, ``architect``, ``editor``, ``edit``, ``ask`` and ``help`` of Aider; ``autocomplete``,
    ``embedding``, ``tools``, ``json`` or ``chat`` of anybody."""
    if is_aider(opening):
        return next(task for start, task in AIDER_TASKS if opening.startswith(start))
    conversation = request.conversation
    if conversation.embedding is not None:
        return "embedding"
    if (opening and opening.startswith(_COMPLETER_OPENINGS)) or _fills_a_gap(request):
        return "autocomplete"
    if conversation.tools:
        return "tools"
    return "chat" if conversation.format.kind == "text" else "json"


def _fills_a_gap(request: Request) -> bool:
    """Fill-in-the-middle: by its member, by how a lone message begins, or by how the one that the user says ends."""
    completion = request.conversation.completion
    if "suffix" in request.members or "prefix" in request.members or (completion and completion.suffix is not None):
        return True
    messages = request.conversation.messages
    if not messages or messages[-1].role != "user" or len(messages) > 2:
        return False
    text = messages[-1].text
    if messages[0] is messages[-1] and text[:OPENING].lstrip().startswith(_LONE_STARTS):
        return True
    tail = text[-_FIM_TAIL:]
    return ">" in tail and messages[0].role != "assistant" and tail.rstrip().endswith(_FIM_ENDS)
