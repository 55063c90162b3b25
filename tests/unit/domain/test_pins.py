"""What loads and requests carry alike: the configuration's runner options and keep-alive, and nothing else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.pins import find_local_model, pinned_members
from lodestard.domain.settings import LocalModel, Upstream

OPTIONS = st.dictionaries(st.sampled_from(["num_ctx", "num_gpu", "num_batch", "use_mmap"]), st.integers(0, 9))
KEEP_ALIVES = st.sampled_from(["", "10m", 0, -1, 300])


def upstream(**members: Any) -> Upstream:
    return Upstream(dialect="ollama", url="http://127.0.0.1:11434", free=True, **members)


def test_nothing_configured_is_nothing_said() -> None:
    assert pinned_members(upstream(), "m") == {}


def test_the_models_own_lie_over_the_upstreams() -> None:
    own = LocalModel(options={"num_ctx": 8192}, keep_alive=-1)
    settings = upstream(options={"num_ctx": 4096, "num_gpu": 14}, keep_alive="10m", models={"m:latest": own})
    assert pinned_members(settings, "m:latest") == {"options": {"num_ctx": 8192, "num_gpu": 14}, "keep_alive": -1}
    assert pinned_members(settings, "other") == {"options": {"num_ctx": 4096, "num_gpu": 14}, "keep_alive": "10m"}


@pytest.mark.parametrize("name", ["m", "m:latest", "M", "library/m", "registry.ollama.ai/library/m:latest"])
def test_a_model_is_found_by_any_of_its_names(name: str) -> None:
    own = LocalModel(options={"num_ctx": 8192})
    assert find_local_model(upstream(models={"other": LocalModel(), "m": own}), name) is own
    assert find_local_model(upstream(models={"other": LocalModel(), "m:latest": own}), name) is own


def test_the_exact_name_wins_over_another_one_of_the_same_model() -> None:
    long, short = LocalModel(keep_alive=1), LocalModel(keep_alive=2)
    settings = upstream(models={"m:latest": long, "m": short})
    assert find_local_model(settings, "m") is short
    assert find_local_model(settings, "m:latest") is long


def test_a_keep_alive_of_nought_is_one() -> None:
    assert pinned_members(upstream(keep_alive="10m", models={"m": LocalModel(keep_alive=0)}), "m") == {
        "keep_alive": 0
    }


@given(OPTIONS, OPTIONS, KEEP_ALIVES, KEEP_ALIVES)
def test_only_what_is_configured_is_said(
    shared: dict[str, int], own: dict[str, int], keep_alive: str | int, own_keep_alive: str | int
) -> None:
    model = LocalModel(options=own, keep_alive=own_keep_alive)
    settings = upstream(options=shared, keep_alive=keep_alive, models={"m": model})
    members = pinned_members(settings, "m")
    assert set(members) <= {"options", "keep_alive"}
    assert members.get("options", {}) == shared | own
    assert ("options" in members) == bool(shared or own)
    assert members.get("keep_alive", "") == (keep_alive if own_keep_alive == "" else own_keep_alive)
    assert settings.options == shared
