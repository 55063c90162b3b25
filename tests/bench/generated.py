"""The prompts that the classifier learns from, as its own trainer makes them (``packaging/classifier``)."""

import importlib
import sys
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from lodestard.domain.request import Request

FOLDER = Path(__file__).parents[2] / "packaging/classifier"


def trainer() -> ModuleType:
    """``packaging/classifier/train.py``, which is no part of a package."""
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module("train")
    finally:
        sys.path.remove(str(FOLDER))


@lru_cache(maxsize=1)
def read_generated() -> list[tuple[Request, str, str]]:
    """Request, kind and hardness of each."""
    module = trainer()
    return [(module.build(prompt), prompt.kind, prompt.hardness) for prompt in module.make_prompts()]
