"""docs/security.md names a test for every rule, and the tests are there."""

import ast
import re

import pytest

from tests.architecture.house import ROOT

PAGE = ROOT / "docs/security.md"
ROW = re.compile(r"^\| (?!rule |---)(.+?) \| (.+) \|$", re.MULTILINE)
NAMED = re.compile(r"`([a-z_/]+\.py)::(test_\w+)`")
ROWS = ROW.findall(PAGE.read_text())


def names_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / file).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_there_are_rules() -> None:
    assert len(ROWS) >= 15


@pytest.mark.parametrize(("rule", "held_by"), ROWS, ids=[rule[:40] for rule, _ in ROWS])
def test_every_rule_has_tests_that_exist(rule: str, held_by: str) -> None:
    named = NAMED.findall(held_by)
    assert named, f"no test: {rule}"
    assert held_by == ", ".join(f"`{file}::{name}`" for file, name in named), "something that is no test's name"
    for file, name in named:
        assert name in names_in(file), f"{file} has no {name}"
