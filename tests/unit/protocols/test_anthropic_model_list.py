"""The list of models as Anthropic's clients read it."""

import json
from typing import Any

import pytest
from anthropic.types import ModelInfo

from lodestard.domain.errors import CallerFault, Code
from lodestard.protocols.anthropic.model_list import write_model, write_models

NAMES = tuple(f"m{number}" for number in range(25))


def page(**query: str) -> Any:
    return json.loads(write_models(NAMES, query, 1_700_000_000))


def ids(found: Any) -> list[str]:
    assert (found["first_id"], found["last_id"]) == (found["data"][0]["id"], found["data"][-1]["id"])
    return [model["id"] for model in found["data"]]


def test_a_model() -> None:
    model = ModelInfo.model_validate_json(write_model("local-llama", 1_700_000_000))
    assert (model.id, model.type, model.display_name) == ("local-llama", "model", "local-llama")
    assert model.created_at.isoformat() == "2023-11-14T22:13:20+00:00"


def test_pages() -> None:
    first = page()
    assert (ids(first), first["has_more"]) == ([*NAMES[:20]], True)
    rest = page(after_id="m19")
    assert (ids(rest), rest["has_more"]) == ([*NAMES[20:]], False)
    back = page(before_id="m20", limit="5")
    assert (ids(back), back["has_more"]) == ([*NAMES[15:20]], True)
    assert page(before_id="m3", limit="5")["has_more"] is False
    assert (len(page(limit="1000")["data"]), page(limit="1000")["has_more"]) == (25, False)
    assert page(after_id="m24") == {"data": [], "has_more": False, "first_id": None, "last_id": None}


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"limit": "9" * 5_000}, "limit"),
        ({"after_id": "nobody"}, "after_id"),
        ({"before_id": "nobody"}, "before_id"),
    ],
)
def test_what_is_no_page(query: dict[str, str], param: str) -> None:
    with pytest.raises(CallerFault) as caught:
        page(**query)
    assert (caught.value.code, caught.value.param) == (Code.INVALID_REQUEST, param)
