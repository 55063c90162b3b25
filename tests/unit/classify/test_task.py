"""What a request is for, by how it begins and what it asks for."""

import msgspec
import pytest

from lodestard.classify.caller import identify_caller
from lodestard.classify.task import name_task, read_opening
from lodestard.domain.client import LOCAL
from lodestard.domain.request import Request
from lodestard.protocols.openai.chat import read_request
from lodestard.protocols.openai.completions import read_request as read_completion
from lodestard.protocols.openai.embeddings import read_request as read_embedding
from lodestard.protocols.openai.fim import read_request as read_gap

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def read(system: str = "", text: str = "hello", **members: object) -> Request:
    messages = [{"role": "user", "content": text}]
    if system:
        messages.insert(0, {"role": "system", "content": system})
    return read_request(msgspec.json.encode({"model": "m", "messages": messages, **members}), depth=64)


@pytest.mark.parametrize(
    ("system", "task"),
    [
        ("You are an expert software engineer that generates concise, one-line Git commit messages", "commit"),
        ("*Briefly* summarize this partial conversation about programming.", "summary"),
        ("Act as an expert architect engineer and provide direction to your editor engineer.", "architect"),
        ("Act as an expert software developer who edits source code.", "editor"),
        ("Act as an expert software developer and make changes to source code.", "editor"),
        ("Act as an expert software developer.\nAlways use best practices when coding.", "edit"),
        ("  \nAct as an expert code analyst.\nAnswer questions about the supplied code.", "ask"),
        ("You are an expert on the AI coding tool called Aider.", "help"),
        ("You are a helpful assistant.", "chat"),
        ("", "chat"),
    ],
)
def test_aider_says_what_for_by_its_prompts(system: str, task: str) -> None:
    request = read(system)
    assert name_task(read_opening(request), request) == task


@pytest.mark.parametrize(
    ("members", "task"),
    [
        ({"tools": [TOOL]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "json"),
        ({"response_format": {"type": "text"}}, "chat"),
        ({"tools": [TOOL], "response_format": {"type": "json_object"}}, "tools"),
        ({"text": "<fim_prefix>def f(<fim_suffix>):<fim_middle>"}, "autocomplete"),
        ({"text": "<\uff5cfim▁begin\uff5c>def f("}, "autocomplete"),
        ({"suffix": "):"}, "autocomplete"),
    ],
)
def test_others_by_what_they_ask_for(members: dict[str, object], task: str) -> None:
    request = read(**members)  # type: ignore[arg-type]
    assert name_task(read_opening(request), request) == task


def test_a_header_has_the_first_word() -> None:
    request = read("Act as an expert code analyst.")
    assert identify_caller({"x-lodestar-task": "review"}, request, LOCAL).task == "review"
    assert identify_caller({}, request, LOCAL).task == "ask"


def test_only_the_first_message_is_looked_at() -> None:
    request = read("", "Act as an expert code analyst.")
    assert read_opening(request) == ""
    long = read("x" * 100_000)
    assert len(read_opening(long)) <= 120


FILES = "import os\n" * 200
FILLER = "You are a HOLE FILLER. You are provided with a file containing holes.\n"


@pytest.mark.parametrize(
    "text",
    [
        f"<fim_prefix>{FILES}<fim_suffix>pass<fim_middle>",
        f"<|fim_prefix|>{FILES}<|fim_suffix|>pass<|fim_middle|>",
        f"<|fim_suffix|>{FILES}<|fim_prefix|>def f(",
        f"<|repo_name|>x\n<|file_sep|>a.py\n{FILES}<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>",
        f"<file_sep>{FILES}<file_sep><fim_prefix>a<fim_suffix>b<fim_middle>",
        f"<PRE> {FILES} <SUF>pass <MID>",
        f"<\uff5cfim\u2581begin\uff5c>{FILES}<\uff5cfim\u2581hole\uff5c>pass<\uff5cfim\u2581end\uff5c>",
        "Keep it.\n<\uff5cfim\u2581begin\uff5c>a<\uff5cfim\u2581hole\uff5c>b<\uff5cfim\u2581end\uff5c>\n",
        f"[SUFFIX]pass[PREFIX]{FILES}",
        f"<|user|>\n###PATH:a.py\n<|code_suffix|>b<|code_prefix|>{FILES}<|code_middle|><|assistant|>\n",
        f"{FILLER}<QUERY>\n{FILES}{{{{FILL_HERE}}}}\n</QUERY>",
    ],
)
def test_what_an_editor_wants_completed(text: str) -> None:
    request = read("", text)
    assert name_task(read_opening(request), request) == "autocomplete"


@pytest.mark.parametrize(
    "system",
    [
        FILLER,
        "You are the backend of an AI-powered code completion engine. Your task is to",
        "You are an AI code completion engine modeled after an editor.",
    ],
)
def test_how_editors_ask_a_chat_model_to_complete(system: str) -> None:
    request = read(system, FILES)
    assert name_task(read_opening(request), request) == "autocomplete"


def test_a_mark_at_the_end_tells_behind_a_system_message_too() -> None:
    request = read("Complete code.", f"{FILES}\n<fim_prefix>a<fim_suffix>b<fim_middle>")
    assert name_task(read_opening(request), request) == "autocomplete"


@pytest.mark.parametrize(
    ("system", "text"),
    [
        ("", "What does <fim_prefix> mean in a prompt?"),
        ("You explain code.", "<fim_prefix> and <fim_suffix>: which one comes first?"),
        ("You are a code completion expert.", "hello"),
        ("", "A hole filler is a machine. You are a HOLE FILLER, too?"),
    ],
)
def test_who_talks_about_such_prompts_only_talks(system: str, text: str) -> None:
    request = read(system, text)
    assert name_task(read_opening(request), request) == "chat"


def test_a_chat_that_goes_on_is_no_completion() -> None:
    messages = [
        {"role": "user", "content": "<fim_prefix>a<fim_suffix>b<fim_middle>"},
        {"role": "assistant", "content": "c"},
        {"role": "user", "content": "and <fim_middle>"},
    ]
    request = read_request(msgspec.json.encode({"model": "m", "messages": messages}), depth=64)
    assert name_task(read_opening(request), request) == "chat"


def test_text_that_is_completed_filled_or_embedded() -> None:
    for request, task in (
        (read_completion(b'{"model":"m","prompt":"x"}', depth=64), "chat"),
        (read_completion(b'{"model":"m","prompt":"x","suffix":"y"}', depth=64), "autocomplete"),
        (read_gap(b'{"model":"m","prompt":"x"}', depth=64), "autocomplete"),
        (read_embedding(b'{"model":"m","input":"<fim_prefix>"}', depth=64), "embedding"),
    ):
        assert name_task(read_opening(request), request) == task
