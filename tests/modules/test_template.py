"""The module that CONTRIBUTING.md shows works as it stands there, and its own test passes."""

import importlib
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from trio.testing import MockClock

from lodestard import modules

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"\*\*`(?P<path>[^`]+)`\*\*\n\n```\w+\n(?P<text>.*?)\n```\n", re.DOTALL)
NAME = "dearest"


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The page's blocks as files, where Python finds the module among ours."""
    for block in BLOCK.finditer((ROOT / "CONTRIBUTING.md").read_text()):
        file = tmp_path / block["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block["text"] + "\n")
    monkeypatch.setattr(modules, "__path__", [*modules.__path__, str(tmp_path / "lodestard/modules")])
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith(f"lodestard.modules.{NAME}")]:
        del sys.modules[name]
    vars(modules).pop(NAME, None)


async def test_the_template_s_own_test_passes(template: Path, autojump_clock: MockClock) -> None:
    spec = importlib.util.spec_from_file_location("test_dearest", template / "tests/modules/test_dearest.py")
    assert spec is not None
    assert spec.loader is not None
    tests = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tests)
    await tests.test_the_dearest_is_remembered_and_nothing_stays(autojump_clock)


def test_the_template_is_a_whole_module(template: Path) -> None:
    made = importlib.import_module(f"lodestard.modules.{NAME}").MODULE
    assert made.name == NAME
    assert made.settings().enabled is False
    folder = template / "lodestard/modules" / NAME
    assert {file.name for file in folder.iterdir()} >= {"README.md", "__init__.py", "loop.py", "settings.py"}
