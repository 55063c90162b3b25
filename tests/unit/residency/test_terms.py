"""What the configuration says of a host, in the planner's words."""

from math import inf
from typing import Any

from lodestard.domain.settings import LocalModel, Residency, Settings, Upstream
from lodestard.residency.terms import MOST_KNOWN, Terms, read_terms

LLAMA = "llama3.1:8b"


def terms(residency: Residency | None = None, **upstream: Any) -> Terms:
    usual: dict[str, Any] = {"dialect": "ollama", "url": "http://127.0.0.1:11434", "free": True}
    settings = Settings(upstreams={"t600": Upstream(**usual | upstream)}, residency=residency or Residency())
    return read_terms(settings)["t600"]


def test_only_ollama_servers_are_looked_after_and_none_where_it_is_off() -> None:
    local = Upstream(dialect="ollama", url="http://127.0.0.1:11434", free=True)
    paid = Upstream(dialect="openai", url="http://127.0.0.1:1/v1")
    upstreams = {"t600": local, "openai": paid}
    assert set(read_terms(Settings(upstreams=upstreams))) == {"t600"}
    assert read_terms(Settings(upstreams=upstreams, residency=Residency(enabled=False))) == {}


def test_each_urgency_has_its_figures() -> None:
    """No figure of one stands in another one's place."""
    residency = Residency(
        dwell_requests=2,
        dwell_s=3.0,
        linger_s=5.0,
        background_linger_s=7.0,
        patience_s=11.0,
        background_patience_s=13.0,
        max_wait_s=17.0,
        background_max_wait_s=19.0,
    )
    policy = terms(residency, resident_models=2).policy
    assert policy.resident_models == 2
    assert policy.dwell_requests == (2, 20, 20)
    assert policy.dwell_s == (3.0, 30.0, inf)
    assert policy.linger_s == (5.0, 7.0, 7.0)
    assert policy.patience_s == (11.0, 13.0, inf)
    assert policy.max_wait_s == (17.0, 19.0, 19.0)


def test_a_models_own_word_lies_over_the_hosts_and_under_its_limit() -> None:
    own = LocalModel(options={"num_ctx": 8192}, parallel=4)
    seen = terms(options={"num_ctx": 4096, "num_gpu": 99}, models={LLAMA: own}, concurrency=3)
    assert seen.options(LLAMA) == {"num_ctx": 8192, "num_gpu": 99}
    assert seen.options("other:1b") == {"num_ctx": 4096, "num_gpu": 99}
    assert (seen.context_tokens(LLAMA), seen.context_tokens("other:1b")) == (8192, 4096)
    assert (seen.parallel(LLAMA), seen.parallel("other:1b")) == (3, 1)


def test_a_context_that_is_left_to_the_server_is_unknown() -> None:
    assert terms().context_tokens(LLAMA) == 0
    assert terms(options={"num_ctx": 0}).context_tokens(LLAMA) == 0


def test_options_of_one_name_are_one_object_and_names_are_bounded() -> None:
    """Whoever loads a model with them tells by that alone that they are still the same."""
    seen = terms(options={"num_ctx": 4096})
    assert seen.options(LLAMA) is seen.options(LLAMA)
    for number in range(MOST_KNOWN + 10):
        assert seen.options(f"m{number}") == {"num_ctx": 4096}
    assert len(seen.known_options) == MOST_KNOWN


def test_models_by_word() -> None:
    models = {"a": LocalModel(warm=True), "b": LocalModel(pinned=True), "c": LocalModel(default=True, warm=True)}
    seen = terms(models=models)
    assert (seen.named("warm"), seen.named("pinned"), seen.named("default")) == (("a", "c"), ("b",), ("c",))
