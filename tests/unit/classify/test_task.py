"""What a request is for, by how it begins and what it asks for."""

import msgspec
import pytest

from lodestard.classify.caller import identify_caller
from lodestard.classify.task import name_task, read_opening
from lodestard.domain.request import Request
from lodestard.protocols.openai_chat import read_request

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
    assert identify_caller({"x-lodestar-task": "review"}, request).task == "review"
    assert identify_caller({}, request).task == "ask"


def test_only_the_first_message_is_looked_at() -> None:
    request = read("", "Act as an expert code analyst.")
    assert read_opening(request) == ""
    long = read("x" * 100_000)
    assert len(read_opening(long)) <= 120
