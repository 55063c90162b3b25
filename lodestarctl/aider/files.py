"""What Aider's three files say, made from the daemon's facts. Pure.

Law: every figure is the daemon's; what nobody knows is left out, so that Aider says so instead of something wrong.
Sources: aider-chat 0.86.2 (aider/models.py, aider/args.py, aider/main.py).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from lodestard.control.messages.aider import AiderFacts, AiderModel

CONF = ".aider.conf.yml"
SETTINGS = ".aider.model.settings.yml"
METADATA = ".aider.model.metadata.json"
MARK = "# Written by lodestarctl aider, which may add to this file while this line is its first."
PICO_PER_USD = 10**12
PROVIDER = "openai"


class Wanted(NamedTuple):
    """Who asks which models: aliases, and the project that its requests are counted under.

    ``tell_waiting``: have Aider show, as THINKING, what a free model is waited for.
    """

    project: str
    model: str
    weak: str
    tell_waiting: bool = False


def write_files(facts: AiderFacts, wanted: Wanted) -> dict[str, str]:
    """The files by name, in the order in which they are shown."""
    return {CONF: write_conf(facts, wanted), SETTINGS: write_settings(facts, wanted), METADATA: write_metadata(facts)}


def write_conf(facts: AiderFacts, wanted: Wanted) -> str:
    """The keys are Aider's long options. The key names the project; one that opens something is not for files."""
    members = {
        "model": named(wanted.model),
        "weak-model": named(wanted.weak),
        "openai-api-base": facts.base_url,
    }
    if not facts.key_needed:
        members["openai-api-key"] = f"lodestar:{wanted.project}"
    return "".join([f"{MARK}\n", *(f"{name}: {quoted(value)}\n" for name, value in members.items())])


def write_settings(facts: AiderFacts, wanted: Wanted) -> str:
    """How Aider speaks to each alias, and what its requests say of themselves."""
    return "".join([f"{MARK}\n", *(_settings_of(model, wanted) for model in facts.models)])


def _settings_of(model: AiderModel, wanted: Wanted) -> str:
    """Small local models hold whole files better than diffs, and pay for a repository map with a long silence."""
    weak = wanted.weak if model.alias == wanted.model else weak_of(model)
    lines = [
        f"- name: {quoted(named(model.alias))}",
        f"  edit_format: {quoted('whole' if model.free else 'diff')}",
        f"  use_repo_map: {'false' if model.free else 'true'}",
        f"  weak_model_name: {quoted(named(weak or wanted.weak))}",
        "  extra_params:",
        "    extra_headers:",
        '      x-lodestar-client: "aider"',
        f"      x-lodestar-project: {quoted(wanted.project)}",
    ]
    if wanted.tell_waiting and model.free:
        lines.append('      x-lodestar-tell: "waiting"')
    return "\n".join(lines) + "\n"


def weak_of(model: AiderModel) -> str:
    """A free model writes its own commit messages: another one would have to be loaded first. Otherwise empty."""
    return model.alias if model.free else ""


def write_metadata(facts: AiderFacts) -> str:
    """What each alias costs (US dollars a token) and how much it takes."""
    members = {named(model.alias): metadata_of(model) for model in facts.models}
    return msgspec.json.format(msgspec.json.encode(members), indent=2).decode() + "\n"


def metadata_of(model: AiderModel) -> dict[str, object]:
    known: Mapping[str, object] = {
        "max_tokens": model.max_output_tokens,
        "max_input_tokens": model.context_tokens,
        "max_output_tokens": model.max_output_tokens,
        "input_cost_per_token": _usd(model.input_pico_usd),
        "output_cost_per_token": _usd(model.output_pico_usd),
        "litellm_provider": PROVIDER,
        "mode": "chat",
    }
    return {name: value for name, value in known.items() if value is not None}


def _usd(pico_usd: int | None) -> float | None:
    return None if pico_usd is None else pico_usd / PICO_PER_USD


def named(alias: str) -> str:
    """An alias as Aider names it."""
    return f"{PROVIDER}/{alias}"


def quoted(text: str) -> str:
    """A text as YAML: JSON's strings are YAML's."""
    return msgspec.json.encode(text).decode()


def always_free(models: Sequence[AiderModel]) -> str:
    """The first alias that is free whoever answers, otherwise one that begins free; empty where there is none."""
    free = [model for model in models if model.free]
    return next((model.alias for model in (*(each for each in free if not each.fallbacks), *free)), "")


def notes_on(facts: AiderFacts, wanted: Wanted) -> list[str]:
    """Where Aider's own figures can't be exact, and where exact ones are."""
    model = next(each for each in facts.models if each.alias == wanted.model)
    notes = []
    if facts.key_needed:
        notes.append(
            "This Lodestar asks for a key, which is for no file that others read: "
            f"make one with lodestarctl keys add, export OPENAI_API_KEY=KEY, and leave openai-api-key out of {CONF}."
        )
    if model.free:
        notes.append(f"{model.alias} is free, so Aider shows tokens and no cost line.")
    elif model.input_pico_usd is None:
        notes.append(f"{model.alias} has no price, so Aider shows no cost line.")
    if model.fallbacks:
        others = ", ".join(model.fallbacks)
        notes.append(f"{model.alias} may be answered by {others} too; Aider counts the price of {model.target}.")
    notes += [
        f"Aider counts the tokens of a streamed answer itself, roughly; `stream: false` in {CONF} gives exact ones.",
        "Aider counts cached prompt tokens at the full price.",
        "Aider never counts its weak model (commit messages, summaries).",
    ]
    if unknown := [each.alias for each in facts.models if each.context_tokens is None]:
        notes.append(f"The context size of {', '.join(unknown)} is not known: Aider will say so.")
    notes.append("What was really charged: lodestarctl session show, lodestarctl costs --by project.")
    return notes
