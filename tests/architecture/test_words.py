"""How the house is written: sizes, names, and a first sentence for every file."""

import ast
import functools
import statistics
from pathlib import Path

import pytest

from tests.architecture.house import ROOT, sources

MOST_LINES = 400
MOST_PARAMETERS = 5
LONG_FUNCTION = 30
BANNED_NAMES = {"util", "utils", "helper", "helpers", "manager", "base", "common", "misc", "tools"}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@functools.cache
def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def size(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    taken = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return len([argument for argument in taken if argument.arg not in ("self", "cls")])


@pytest.mark.parametrize("path", sources(), ids=named)
def test_a_file_is_short_well_named_and_says_what_it_is(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MOST_LINES
    assert not {path.stem, path.parent.name} & BANNED_NAMES
    assert ast.get_docstring(ast.parse(text)), "its first paragraph is missing"


def test_nine_functions_in_ten_are_short() -> None:
    sizes = [size(function) for path in sources() for function in functions(path)]
    assert statistics.quantiles(sizes, n=10)[-1] <= LONG_FUNCTION


def test_few_functions_take_more_than_five_parameters() -> None:
    wide = [
        f"{named(path)}: {function.name}"
        for path in sources()
        for function in functions(path)
        if parameters(function) > MOST_PARAMETERS and function.name != "__init__"
    ]
    assert len(wide) <= 10, "\n".join(wide)
