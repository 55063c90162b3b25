"""Writes ``docs/reference``: ``make docs-reference``."""

import sys
from collections.abc import Mapping

from tests.architecture.house import ROOT
from tests.reference import control_page, http_page, python_page
from tests.reference.layout import write_json
from tests.reference.openapi import write_document
from tests.reference.verbs import all_verbs

FOLDER = ROOT / "docs" / "reference"


def write() -> Mapping[str, str]:
    """Every file's name and text."""
    verbs = all_verbs()
    document = write_document(verbs)
    return {
        "control-api.json": write_json(document),
        "control-api.md": control_page.write_page(verbs, document["components"]["schemas"]),
        "http-api.md": http_page.write_page(),
        "python.md": python_page.write_page(),
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in write().items():
        (FOLDER / name).write_text(text)
        sys.stdout.write(f"wrote {FOLDER / name}\n")
