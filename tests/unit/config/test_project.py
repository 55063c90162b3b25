"""A project's file: what it may say, and that nothing it says can spend more, lead elsewhere, or drop a label."""

from typing import Any

import msgspec
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from lodestard.budget.rules import read_rules
from lodestard.config.project import read_project
from lodestard.domain.project import KnownProject, ProjectFile, ProjectPolicy, TrustedFile, digest_of, policy_of
from lodestard.projects.trust import budget_of

WHOLE = """
name = "web"
prefer = "cheap"
tags = ["private"]
models = { auto = "local-llama" }

[budget]
usd = 5.25
window = "day"

[[rules]]
name = "keys stay here"
when = { matches = "PRIVATE KEY" }
labels = ["lan-only"]
forbid = ["paid"]
model = "local-llama"
"""


def faults(text: str) -> list[tuple[int, str]]:
    read = read_project(text)
    assert isinstance(read, tuple), read
    assert all(fault.message for fault in read)
    return [(fault.line, fault.key) for fault in read]


def test_a_whole_file() -> None:
    file = read_project(WHOLE)
    assert isinstance(file, ProjectFile)
    assert (file.name, file.prefer, file.tags, dict(file.models)) == (
        "web",
        "cheap",
        ("private",),
        {"auto": "local-llama"},
    )
    assert file.budget is not None
    (rule,) = read_rules({"project web": budget_of(file.name, file.budget)})
    assert (rule.scope, rule.of, rule.hard, rule.limits) == ("project", "web", True, (("usd", 5_250_000_000),))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('name = "a"\n[upstreams.x]\nurl = "http://10.0.0.1"', [(2, "upstreams")]),
        ('name = "a"\nkey = "sk-1"', [(2, "key")]),
        ('name = "a"\nheaders = { a = "b" }\nrun = "make"', [(2, "headers"), (3, "run")]),
        ('name = "a"\n\nprefer = "bets"', [(3, "prefer")]),
        ('name = "a"\n[budget]\nwindow = "day"', [(2, "budget")]),
        ('name = "a"\n[budget]\nusd = -1', [(3, "budget.usd")]),
        ('name = "a"\n[budget]\nusd = 1\nhard = false', [(4, "budget.hard")]),
        ('name = "a"\n[budget]\nusd = 1\nscope = "global"\nof = ""', [(4, "budget.scope"), (5, "budget.of")]),
        ('name = "a"\nmodels = { auto = "openai/gpt-4o" }', [(2, "models.auto")]),
        ('name = "a"\n[[rules]]\nlast = true', [(3, "rules[0].last")]),
        ('name = "a"\n[[rules]]\npriority = 9', [(3, "rules[0].priority")]),
        ('name = "a"\n[[rules]]\nmodel = "evil/model"', [(3, "rules[0].model")]),
        ('name = "a"\n[[rules]]\nunlabel = ["lan-only"]', [(3, "rules[0].unlabel")]),
        ('name = "a:b"', [(1, "name")]),
        ("tags = []", [(0, "name")]),
        ("name = 1 2", [(1, "")]),
    ],
)
def test_what_it_can_not_say_is_a_fault_with_its_line(text: str, found: list[tuple[int, str]]) -> None:
    assert faults(text) == found


def test_a_file_that_is_too_large_is_none() -> None:
    assert faults(f'name = "a"\n# {"x" * 20_000}') == [(0, "")]


WORDS = st.sampled_from(["web", "auto", "lan-only", "paid", "openai/gpt-4o", "http://evil.example", "best"])
VALUES: Any = st.recursive(
    WORDS | st.integers(-5, 10**9) | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.sampled_from(["usd", "labels"]), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(
    [
        "name",
        "prefer",
        "tags",
        "models",
        "budget",
        "rules",
        "upstreams",
        "budgets",
        "url",
        "key",
        "headers",
        "clients",
        "prices",
    ]
)
RULES = st.lists(
    st.dictionaries(
        st.sampled_from(
            ["name", "when", "model", "prefer", "require", "forbid", "labels", "last", "priority", "unlabel"]
        ),
        VALUES,
        max_size=4,
    ),
    max_size=3,
)
BUDGETS = st.dictionaries(
    st.sampled_from(["usd", "tokens", "requests", "window", "at_limit", "hard", "scope", "of"]),
    st.sampled_from([1, 10**9, -1, 0.5, "day", "refuse", "total", True, False, "global", "other"]),
    max_size=4,
)
FILES = st.one_of(
    st.dictionaries(NAMES, VALUES, max_size=6),
    st.fixed_dictionaries({"name": st.just("web")}, optional={"rules": RULES, "budget": BUDGETS, "models": VALUES}),
)


@given(data=FILES)
def test_no_file_raises_a_budget_adds_an_upstream_or_drops_a_label(data: dict[str, Any]) -> None:
    """Whatever is written, what it comes to is a policy that can't say so, and a hard limit of its own project."""
    file = read_project(tomli_w.dumps(data))
    if not isinstance(file, ProjectFile):
        assert file
        return
    known = KnownProject(trusted=trusted(file), file=file, standing="trusted")
    policy = policy_of(known)
    assert policy is not None
    assert set(msgspec.structs.asdict(policy)) == {"name", "folder", "prefer", "tags", "models", "rules"}
    assert not any("/" in alias for alias in policy.models.values())
    for rule in policy.rules:
        assert (rule.priority, rule.last) == (0, False)
        assert "/" not in rule.model
    if file.budget is not None:
        (limit,) = read_rules({"project web": budget_of(file.name, file.budget)})
        assert limit.hard
        assert (limit.scope, limit.of) == ("project", file.name)
    changed = policy_of(msgspec.structs.replace(known, standing="changed"))
    assert changed is not None
    check_restrained(changed, policy)


def check_restrained(changed: ProjectPolicy, policy: ProjectPolicy) -> None:
    """A file that is another one by now prefers nothing, and forbids and labels what it did."""
    assert (changed.prefer, dict(changed.models), changed.tags) == (None, {}, policy.tags)
    for was, now in zip(policy.rules, changed.rules, strict=True):
        assert (now.model, now.prefer) == ("", None)
        assert (now.when, now.require, now.forbid, now.labels) == (was.when, was.require, was.forbid, was.labels)


def trusted(file: ProjectFile) -> TrustedFile:
    return TrustedFile(folder=f"/home/ann/{file.name}", text="", sha256=digest_of(""), at_ms=0)
