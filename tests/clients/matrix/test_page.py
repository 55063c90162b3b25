"""docs/compatibility.md says what the tests show, and nothing else."""

import subprocess
import sys

import pytest

from tests.clients.matrix.cells import Cell, read_cells
from tests.clients.matrix.page import PAGE, write


def test_the_page_is_up_to_date(request: pytest.FixtureRequest) -> None:
    """By the tests of this run, where they are all; otherwise they are collected for it."""
    if PAGE.read_text() == write(list(read_cells(request.session.items))):
        return
    command = [sys.executable, "-m", "tests.clients.matrix.page", "--check"]
    done = subprocess.run(command, cwd=PAGE.parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run `make docs-compatibility`\n{done.stdout}{done.stderr}"


def test_a_cell_is_shown_or_untested() -> None:
    page = write([Cell("openai", "text", "ollama", "B"), Cell("openai", "text", "ollama", "A")])
    assert "| text, plain | A, B | untested |" in page
    assert "Anthropic's messages" not in page
