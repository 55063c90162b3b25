"""Who asks, by what they say of themselves."""

from typing import get_args

import msgspec
import pytest

from lodestard.classify.caller import PRIORITIES, identify_caller, name_client, name_folder, name_priority
from lodestard.domain.client import LOCAL
from lodestard.domain.request import Conversation, Message, Request, TextPart
from lodestard.domain.residency import Rank


def request_of(system: str = "", **members: object) -> Request:
    messages = [Message(role="user", parts=(TextPart("hello"),))]
    if system:
        messages.insert(0, Message(role="system", parts=(TextPart(system),)))
    raw = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in members.items()}
    return Request(
        dialect="openai",
        alias="m",
        stream=False,
        include_usage=False,
        members=raw,
        conversation=Conversation(messages=tuple(messages)),
        size_bytes=10,
    )


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("OpenAI/Python 2.20.0", "openai-sdk"),
        ("AsyncOpenAI/Python 3.52.0", "openai-sdk"),
        ("curl/7.88.1", "curl"),
        ("claude-cli/2.1.197 (external)", "claude-code"),
        ("AsyncAnthropic/Python 2.14.0", "anthropic-sdk"),
        ("MyTool/1.0 something", "MyTool"),
        ("", ""),
    ],
)
def test_the_user_agent_names_the_client(agent: str, name: str) -> None:
    assert name_client(agent, request_of()) == name


def test_aider_is_known_by_its_prompts() -> None:
    request = request_of("Act as an expert software developer.\nAlways use best practices.")
    assert name_client("OpenAI/Python 2.20.0", request) == "aider"


def test_headers_come_before_the_body_and_the_agent() -> None:
    headers = {
        "x-lodestar-project": "web",
        "x-lodestar-session": "s1",
        "x-lodestar-user": "ann",
        "x-lodestar-client": "mine",
        "user-agent": "curl/8",
    }
    caller = identify_caller(headers, request_of(user="bob"), LOCAL)
    assert (caller.project, caller.session, caller.user, caller.client) == ("web", "s1", "ann", "mine")
    assert caller.principal == "local"
    assert identify_caller({}, request_of(user="bob"), LOCAL).user == "bob"
    assert identify_caller({}, request_of(user=7), LOCAL).user == ""


def test_a_header_comes_before_a_key_and_a_key_before_the_folder_and_the_body() -> None:
    headers = {"authorization": "Bearer lodestar:web:s1:ann", "x-lodestar-folder": "/home/ann/work/"}
    caller = identify_caller(headers, request_of(user="bob"), LOCAL)
    assert (caller.project, caller.session, caller.user) == ("web", "s1", "ann")
    caller = identify_caller({**headers, "x-lodestar-project": "mine"}, request_of(), LOCAL)
    assert (caller.project, caller.session) == ("mine", "s1")
    caller = identify_caller(
        {"authorization": "Bearer sk-x", "x-lodestar-folder": "/home/ann/work/"}, request_of(), LOCAL
    )
    assert (caller.project, caller.session, caller.user) == ("work", "", "")


@pytest.mark.parametrize(
    ("path", "project"),
    [("/home/ann/alpha", "alpha"), ("/", ""), ("", ""), (None, ""), ("beta", "beta"), ("/a/b/ ", "b")],
)
def test_of_a_folder_only_the_last_name_is_read(path: str | None, project: str) -> None:
    assert name_folder(path) == project


def test_labels_are_short_and_printable() -> None:
    caller = identify_caller({"x-lodestar-project": "a\x1b[31mb" + "c" * 200}, request_of(), LOCAL)
    assert caller.project.startswith("a[31mbccc")
    assert len(caller.project) <= 64


@pytest.mark.parametrize("word", PRIORITIES)
def test_a_priority_is_one_of_three_words(word: str) -> None:
    assert name_priority(word) == word
    assert name_priority(f" {word.upper()}\t") == word
    assert identify_caller({"x-lodestar-priority": word}, request_of(), LOCAL).priority == word


@pytest.mark.parametrize("word", [None, "", " ", "high", "0", "interactive;", "back ground", "idle,background"])
def test_what_is_no_priority_says_nothing(word: str | None) -> None:
    assert name_priority(word) == ""
    headers = {} if word is None else {"x-lodestar-priority": word}
    assert identify_caller(headers, request_of(), LOCAL).priority == ""


def test_every_priority_has_its_urgency() -> None:
    assert set(PRIORITIES) == set(get_args(Rank))


UUID = "5cf4e5e0-2585-49b3-b895-a2546cc56eba"
DEVICE = "9f9a986410afbc09422c895676663795480e74e73141dddb5868bdd2c9863eb3"


@pytest.mark.parametrize(
    ("metadata", "user", "session"),
    [
        ({"user_id": "ada"}, "ada", ""),
        ({"user_id": f"user_1_account_2_session_{UUID}"}, "user_1", UUID),
        ({"user_id": f"user_1_account__session_{UUID}"}, "user_1", UUID),
        (
            {"user_id": f'{{"device_id":"{DEVICE}","account_uuid":"","session_id":"{UUID}"}}'},
            DEVICE,
            UUID,
        ),
        ({"user_id": '{"device_id":7}'}, "", ""),
        ({"user_id": "{broken"}, "", ""),
        ({"user_id": None}, "", ""),
        ({"user_id": 7}, "", ""),
        (None, "", ""),
        ("ada", "", ""),
    ],
)
def test_who_asks_in_anthropics_words(metadata: object, user: str, session: str) -> None:
    request = msgspec.structs.replace(request_of(metadata=metadata, user="not of this dialect"), dialect="anthropic")
    caller = identify_caller({}, request, LOCAL)
    assert (caller.user, caller.session, caller.said_session) == (user, session, session)


def test_claude_codes_session_is_in_a_header_and_ours_come_first() -> None:
    request = msgspec.structs.replace(request_of(metadata={"user_id": "ada"}), dialect="anthropic")
    headers = {"x-claude-code-session-id": UUID, "user-agent": "claude-cli/2.1.332 (external, sdk-cli)"}
    caller = identify_caller(headers, request, LOCAL)
    assert (caller.client, caller.user, caller.session) == ("claude-code", "ada", UUID)
    named = identify_caller({**headers, "x-lodestar-session": "mine", "x-lodestar-user": "bob"}, request, LOCAL)
    assert (named.user, named.session, named.said_session) == ("bob", "mine", "mine")
    assert identify_caller({"x-lodestar-project": "web"}, request, LOCAL).user == "ada"
