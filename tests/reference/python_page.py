"""The Python surface for people who write a module or a program that asks the daemon: made from docstrings."""

import ast
import re
from collections.abc import Iterator

from tests.architecture.house import ROOT

SOURCES = (
    ("For whoever writes a module", "lodestard/module.py", "lodestard/hooks.py", "lodestard/runtime.py"),
    ("What rooms promise each other", "lodestard/domain/ports.py", "lodestard/domain/host_ports.py"),
    ("Verbs", "lodestard/domain/verbs.py"),
    ("For programs that ask the daemon", "lodestard/control/client.py"),
)
TOP = """\
# The Python surface

*Written by `make docs-reference` from docstrings; a test fails when it is out of date.*

What a module may use, and what reads the control socket. How the rooms hang together is told in
[architecture.md](../architecture.md). The rest of the code is Lodestar's own and may change with every version.
"""
Function = ast.FunctionDef | ast.AsyncFunctionDef


def write_page() -> str:
    parts = [TOP]
    for title, *paths in SOURCES:
        parts.append(f"## {title}\n")
        for path in paths:
            parts += _module(path)
    return "\n".join(parts)


def _module(path: str) -> Iterator[str]:
    tree = ast.parse((ROOT / path).read_text())
    yield f"### `{path.removesuffix('.py').replace('/', '.')}`\n"
    yield _told(tree) + "\n"
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _class(node)
        elif isinstance(node, Function) and not node.name.startswith("_"):
            yield f"**`{_signature(node)}`** {_told(node)}\n"


def _class(node: ast.ClassDef) -> Iterator[str]:
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    yield f"#### class {node.name}{f'({bases})' if bases else ''}\n"
    if told := _told(node):
        yield told + "\n"
    members = [line for each in node.body for line in _member(each)]
    if members:
        yield "\n".join(members) + "\n"


def _member(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and not node.target.id.startswith("_"):
        yield f"- `{node.target.id}: {ast.unparse(node.annotation)}`"
    elif isinstance(node, Function) and (node.name == "__init__" or not node.name.startswith("_")):
        told = _told(node).replace("\n\n", "\n\n  ")
        yield f"- `{_signature(node)}`{f' {told}' if told else ''}"


def _signature(node: Function) -> str:
    """As it is called; what is read like an attribute is shown like one."""
    decorators = {ast.unparse(each) for each in node.decorator_list}
    returns = ast.unparse(node.returns) if node.returns is not None else "None"
    if "property" in decorators:
        return f"{node.name}: {returns}"
    arguments = re.sub(r"^(self|cls)(, )?", "", ast.unparse(node.args))
    if node.name == "__init__":
        return f"({arguments})"
    kind = "async " if isinstance(node, ast.AsyncFunctionDef) else "with " if "contextmanager" in decorators else ""
    return f"{kind}{node.name}({arguments}) → {_entered(returns) if kind == 'with ' else returns}"


def _entered(returns: str) -> str:
    """``Iterator[X]`` of a context manager → what entering it gives."""
    return re.sub(r"^(?:Iterator|Generator)\[([^,\]]+).*", r"\1", returns)


def _told(node: ast.Module | ast.ClassDef | Function) -> str:
    """Its docstring as Markdown."""
    text = ast.get_docstring(node) or ""
    return re.sub(r"``(.+?)``", r"`\1`", text)
