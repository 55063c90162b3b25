"""What a request is to a card: who waits, what it continues, what it replaces."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.classify.caller import identify_caller
from lodestard.domain.client import LOCAL
from lodestard.domain.request import Caller
from lodestard.domain.residency import Ask
from lodestard.domain.upstream import Target
from lodestard.protocols.openai.chat import read_request
from lodestard.protocols.openai.embeddings import read_request as read_embedding
from lodestard.protocols.openai.fim import read_request as read_gap
from lodestard.residency.asking import Asked, read_ask
from lodestard.tokens.basis import basis_bytes

SYSTEM = "Act as an expert software developer.\nAlways use best practices when coding.\n" + "- a rule\n" * 50
MAP = (
    "Here are summaries of some files present in my git repository.\nDo not propose changes to these files, treat"
    " them as *read-only*.\nIf you need to edit any of these files, ask me to *add them to the chat* first.\n\n"
)


def system(text: str) -> dict[str, str]:
    return {"role": "system", "content": text}


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def read(*messages: dict[str, Any], caller: Caller | None = None, **members: Any) -> Asked:
    body = {"model": "m", "messages": list(messages) or [user("hello")], **members}
    request = read_request(json.dumps(body).encode(), depth=64)
    given = caller or identify_caller({}, request, LOCAL)
    return read_ask(Ask(target=Target("t600", "llama3.1:8b"), request=request, caller=given))


def test_what_is_read() -> None:
    caller = Caller(principal="p", project="web", user="ann", session="s1", client="aider", task="edit")
    asked = read(system("s"), user("hello"), caller=caller, max_tokens=77)
    assert (asked.model, asked.principal, asked.messages, asked.output_tokens) == ("llama3.1:8b", "p", 2, 77)
    assert (asked.client, asked.task, asked.session) == ("aider", "edit", "s1")
    assert (asked.images, asked.has_images, asked.supersede) == (0, False, "")
    body = {"model": "m", "messages": [system("s"), user("hello")]}
    assert asked.basis_bytes == basis_bytes(read_request(json.dumps(body).encode(), depth=64))


@pytest.mark.parametrize(
    ("priority", "urgency"), [("interactive", 0), ("background", 1), ("idle", 2), ("", 0), ("nonsense", 0)]
)
def test_urgency_is_what_the_client_says_and_otherwise_somebody_waits(priority: str, urgency: int) -> None:
    asked = read(caller=Caller(priority=priority, task="commit"))
    assert asked.urgency == urgency
    assert asked.rank == ("interactive", "background", "idle")[urgency]


def test_images_are_counted() -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
    asked = read({"role": "user", "content": [{"type": "text", "text": "look"}, part, part]})
    assert (asked.images, asked.has_images) == (2, True)


def test_the_turns_of_a_chat_are_one_conversation() -> None:
    first = read(system("be kind"), user("what is a card?"))
    later = read(system("be kind"), user("what is a card?"), said("a card is"), user("and a model?"))
    assert first.conversation == later.conversation
    assert read(user("what is a card?")).conversation == read(user("what is a card?"), said("x")).conversation
    assert first.conversation != read(system("be kind"), user("what is a model?")).conversation
    assert first.conversation != read(system("be brief"), user("what is a card?")).conversation


def test_aiders_turns_are_one_conversation_whatever_its_map_and_files_say() -> None:
    first = read(system(SYSTEM), user(MAP + "lodestard/a.py:\n  def a"), said("Ok."), user("files\n1"), user("do it"))
    later = read(system(SYSTEM), user(MAP + "lodestard/b.py:\n  def b"), said("Ok."), user("files\n2"), user("more"))
    assert first.conversation == later.conversation
    architect = read(system("Act as an expert architect engineer."), user(MAP + "lodestard/a.py"))
    assert architect.conversation != first.conversation
    assert (first.client, first.task, architect.task) == ("aider", "edit", "architect")


def test_other_sittings_are_other_conversations() -> None:
    talk = [system("be kind"), user("what is a card?")]
    callers = [
        Caller(),
        Caller(principal="p"),
        Caller(project="p"),
        Caller(user="u"),
        Caller(session="s"),
        Caller(client="c"),
    ]
    asked = [read(*talk, caller=caller) for caller in callers]
    assert len({one.conversation for one in asked}) == len({one.who for one in asked}) == len(callers)


def test_a_group_is_a_program_and_its_user_or_session() -> None:
    def group(**labels: Any) -> str:
        return read(caller=Caller(**labels)).group

    assert group(client="aider") != group(client="continue")
    assert group(client="aider", user="ann") != group(client="aider", user="bob")
    assert group(client="aider", session="1") != group(client="aider", session="2")
    assert group(client="aider", user="ann", session="1") == group(client="aider", user="ann", session="2")
    assert group(client="aider", project="a") == group(client="aider", project="b")


def complete(text: str, **labels: Any) -> str:
    return read(user(text), caller=Caller(client="continue", task="autocomplete", **labels)).supersede


HEAD = "# a file\n" + "line of it\n" * 60


def test_only_completions_are_superseded() -> None:
    assert complete("<fim_prefix>a<fim_suffix>b<fim_middle>")
    assert read(user("hello"), caller=Caller(client="continue", session="s")).supersede == ""
    seen = read(user("<fim_prefix>a<fim_suffix>b<fim_middle>"))
    assert (seen.task, bool(seen.supersede)) == ("autocomplete", True)


def test_who_types_on_replaces_his_older_request() -> None:
    one = complete(f"<fim_prefix>{HEAD}def f<fim_suffix>\nend<fim_middle>")
    two = complete(f"<fim_prefix>{HEAD}def fo<fim_suffix>\nend<fim_middle>")
    assert one == two


def test_editors_that_can_not_be_told_apart_do_not_replace_each_other_in_different_files() -> None:
    one = complete(f"<fim_prefix>{HEAD}def f<fim_suffix>\nend<fim_middle>")
    other = complete(f"<fim_prefix># another file\n{HEAD}def f<fim_suffix>\nend<fim_middle>")
    assert one != other
    filler = "You are a HOLE FILLER. " + "An example: <QUERY>a {{FILL_HERE}}</QUERY> " * 20 + "<QUERY>"
    assert complete(f"{filler}\n{HEAD}a{{{{FILL_HERE}}}}") == complete(f"{filler}\n{HEAD}ab{{{{FILL_HERE}}}}")
    assert complete(f"{filler}\n{HEAD}a{{{{FILL_HERE}}}}") != complete(f"{filler}\n# b\n{HEAD}a{{{{FILL_HERE}}}}")


@pytest.mark.parametrize("label", ["said_session", "user"])
def test_a_named_editor_is_one_whatever_it_completes(label: str) -> None:
    one, other = "<fim_prefix>a<fim_suffix>b<fim_middle>", "<fim_prefix>x<fim_suffix>y<fim_middle>"
    assert complete(one, **{label: "1"}) == complete(other, **{label: "1"})
    assert complete(one, **{label: "1"}) != complete(one, **{label: "2"})
    assert complete(one, **{label: "1"}) != complete(one)
    assert complete(one, principal="p", **{label: "1"}) != complete(one, principal="q", **{label: "1"})


@given(st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), st.text(max_size=300)), min_size=1))
def test_any_talk_can_be_read_and_nothing_of_it_is_kept(talk: list[tuple[str, str]]) -> None:
    messages = [{"role": role, "content": f"secret {text}"} for role, text in talk]
    asked = read(*messages, caller=Caller(task="autocomplete", client="c"))
    again = read(*messages, user("later"), caller=Caller(task="chat", client="c"))
    assert "secret" not in repr(asked)
    assert len(asked.conversation) == len(asked.supersede) == 16
    if len(messages) > 1:
        assert asked.conversation == again.conversation


def test_embeddings_say_so() -> None:
    request = read_embedding(b'{"model":"m","input":["one","two"]}', depth=64)
    ask = Ask(target=Target("t600", "nomic"), request=request, caller=identify_caller({}, request, LOCAL))
    assert (read_ask(ask).embeds, read_ask(ask).messages, read_ask(ask).task) == (True, 2, "embedding")
    assert not read().embeds


def test_a_newer_gap_of_the_same_editor_takes_the_place_of_the_older_one() -> None:
    def key(prompt: str) -> str:
        request = read_gap(json.dumps({"model": "m", "prompt": prompt, "suffix": "x"}).encode(), depth=64)
        caller = identify_caller({}, request, LOCAL)
        return read_ask(Ask(target=Target("t600", "m"), request=request, caller=caller)).supersede

    start = "def f():\n" + "    pass\n" * 100
    assert key(start) == key(start + "    ret") != ""
    assert key("other" + start) != key(start)
