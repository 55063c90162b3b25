"""The example files load, without a warning, and say what the documentation promises."""

import re
from pathlib import Path

import pytest

from lodestard.__main__ import MODULES
from lodestard.config import build, load
from lodestard.config.describe import describe
from lodestard.config.source import Source
from lodestard.domain.upstream import Target
from lodestard.prices.book import plan_list
from lodestard.prices.extract.program import quote

COMMENTED = re.compile(r"^# (?=\[[a-z._]+\]|[a-z_]+ = )", re.MULTILINE)
SECRET = re.compile(r"\.(key|password)\.")  # where a secret is has no default
EXAMPLES = Path(__file__).parents[3] / "config"
ALIASES = {
    "auto",
    "gpt-3.5-turbo",
    "local-llama",
    "claude-sonnet",
    "claude-opus",
    "gpt-4o-mini",
    "gpt-4o",
    "grok-beta",
    "gemini-pro",
}


@pytest.mark.parametrize("name", ["lodestard.toml", "lodestard.demo.toml"])
def test_an_example_loads_without_a_warning(name: str) -> None:
    loaded = load(EXAMPLES / name)

    assert loaded.warnings == ()
    assert set(loaded.settings.models) == ALIASES
    assert loaded.settings.server.listen == ("127.0.0.1:4000",)


def test_every_paid_target_is_priced_with_a_bound() -> None:
    settings = load(EXAMPLES / "lodestard.toml").settings
    targets = {text for model in settings.models.values() for text in model.route}
    paid = {text for text in targets if not settings.upstreams[Target.parse(text).upstream].free}

    assert paid == set(settings.prices)
    assert all(settings.prices[text].max_output_tokens for text in paid)
    listed = {want.name: quote(want) for want in plan_list(settings)}
    assert set(listed) == paid
    for text, found in listed.items():
        assert settings.prices[text].has_rates == (not found.prices), f"{text} is priced once"
    assert listed["openai/gpt-4o-mini"].prices[-1].input_pico_usd == 150_000
    assert all(upstream.free or upstream.key for upstream in settings.upstreams.values())


def test_the_demo_needs_no_key_and_nobody_is_paid() -> None:
    settings = load(EXAMPLES / "lodestard.demo.toml").settings

    assert [(upstream.free, upstream.key) for upstream in settings.upstreams.values()] == [(True, None)]


def test_what_is_commented_out_are_the_defaults() -> None:
    text = (EXAMPLES / "lodestard.toml").read_text()
    text = re.sub(
        r"# \[(upstreams\.llamacpp|budgets\.per-project|rate_limits\.everybody|clients\.laptop"
        r"|price_book\.ceiling|routing\.worth\.cheap|\[rules\]|traits\.\S+|modules\.gpu\.cards\.t600|\[tasks\])"
        r"\].*\n(# .*\n)+",
        "",
        text,
    )
    schemas = {module.name: module.settings for module in MODULES}
    plain = build([Source("x", text)], module_schemas=schemas)
    uncommented = build([Source("x", COMMENTED.sub("", text))], module_schemas=schemas)

    assert uncommented.settings == plain.settings
    assert uncommented.warnings == ()
    named = (
        "upstreams.", "models.", "prices.", "budgets.", "rate_limits.", "clients.", "price_book.ceiling.",
        "rules[]", "traits.", "routing.worth.", "modules.gpu.cards.", "tasks[].",
    )  # fmt: skip
    told = {key.name for key in describe(schemas) if not key.name.startswith(named) and not SECRET.search(key.name)}
    assert told - set(uncommented.origins) == set()
