"""``docs/reference`` is what the code says now, and what it says of the control API is what verbs answer."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lodestard.classify.caller import OURS
from lodestard.control.arguments import read_arguments
from lodestard.control.verbs import core_verbs
from lodestard.domain.json_schema import explain_mismatch
from lodestard.endpoints import OPEN
from tests.architecture.house import ROOT
from tests.fakes.control_desk import SETTINGS, FakeDesk, make_runtime
from tests.reference import http_page
from tests.reference.layout import write_json
from tests.reference.openapi import REF, write_document
from tests.reference.verbs import ANYTHING, READ_AS, all_verbs
from tests.reference.write import FOLDER, write

VERBS = all_verbs()
DOCUMENT = write_document(VERBS)
OURS_IN_CODE = re.compile(r'"(x-lodestar-[a-z-]+)"')
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def test_the_files_are_up_to_date() -> None:
    texts = write()
    stale = [name for name, text in texts.items() if (FOLDER / name).read_text() != text]
    assert not stale, "make docs-reference"
    assert {path.name for path in FOLDER.iterdir()} == set(texts)


def test_every_verb_says_what_it_answers() -> None:
    silent = [each.verb.name for each in VERBS if each.answers is ANYTHING]
    assert silent == ["cache.export"], "annotate what `answer` returns, or `stream`'s emit: Emits[Kind]"
    assert {each.verb.name for each in VERBS if each.module} >= set(READ_AS)


def test_no_verb_of_a_module_is_missed() -> None:
    written = sum(path.read_text().count("Verb(") for path in (ROOT / "lodestard/modules").rglob("*.py"))
    assert sum(bool(each.module) for each in VERBS) == written


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        inner = set().union(*(references(each) for each in value.values()))
        return inner | ({value["$ref"]} if isinstance(value.get("$ref"), str) else set())
    return set().union(*(references(each) for each in value)) if isinstance(value, list) else set()


def test_the_document_holds_together() -> None:
    """The rules of OpenAPI 3.1 that this document could break: references, names, what must be there."""
    document = msgspec.json.decode(write_json(DOCUMENT))
    components = document["components"]
    assert references(document) == {
        *(f"{REF}{name}" for name in components["schemas"]),
        "#/components/responses/Refused",
    }
    operations = [each for path in document["paths"].values() for each in path.values()]
    assert len({each["operationId"] for each in operations}) == len(operations) == len(VERBS) + 1
    for each in operations:
        assert set(each["responses"]) == {"200", "default"}
        assert each["summary"]
    for name, schema in components["schemas"].items():
        assert set(schema.get("required", ())) <= set(schema.get("properties", ())), name


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("status", {}),
        ("costs", {"by": "project"}),
        ("models", {}),
        ("requests", {}),
        ("prices", {}),
        ("budget.list", {}),
        ("doctor", {}),
        ("config.check", {}),
        ("version", {}),
    ],
)
async def test_an_answer_is_as_the_document_says(name: str, arguments: dict[str, object]) -> None:
    verb = core_verbs(FakeDesk(make_runtime(SETTINGS)))[name]
    assert verb.answer is not None
    answer = await verb.answer(read_arguments(verb, msgspec.json.encode(arguments)))
    data = msgspec.json.decode(msgspec.json.encode(answer))
    schema = {"$ref": f"{REF}{type(answer).__name__}", "components": DOCUMENT["components"]}
    assert explain_mismatch(data, schema) == ""
    assert explain_mismatch({name: [{}] for name in data}, schema) != "", "the schema must be able to say no"


def test_every_path_and_field_of_the_port_is_told() -> None:
    assert {f"{method} {path}" for method, path, _ in http_page.routed()} == set(http_page.WHAT)
    assert set(http_page.OPEN_WHAT) == OPEN
    assert set(http_page.READ) >= OURS


def test_no_field_of_ours_is_told_that_is_not_there() -> None:
    found = {name for path in (ROOT / "lodestard").rglob("*.py") for name in OURS_IN_CODE.findall(path.read_text())}
    answer = (ROOT / "lodestard/http/answer.py").read_text()
    built = {f"x-lodestar-{name}" for name in re.findall(r'"([a-z-]+)"', answer)}
    assert set(http_page.READ) | set(http_page.WRITTEN) == found | OURS
    assert set(http_page.WRITTEN) <= found | built


def pages() -> list[Path]:
    return sorted(path for path in (ROOT / "docs").rglob("*") if path.suffix in (".md", ".json"))


def test_the_index_lists_every_page_once() -> None:
    index = ROOT / "docs/README.md"
    linked = LINK.findall(index.read_text())
    told = [path for path in pages() if path != index and "decisions" not in path.parts]
    assert sorted(linked) == sorted([*(str(path.relative_to(index.parent)) for path in told), "decisions"])


def test_links_between_pages_lead_somewhere() -> None:
    lost = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in pages()
        if path.suffix == ".md"
        for target in LINK.findall(path.read_text())
        if not target.startswith(("http://", "https://")) and not (path.parent / target).exists()
    ]
    assert lost == []
