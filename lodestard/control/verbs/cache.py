"""``cache.stats``, ``cache.clear``, ``cache.warm``, ``cache.export``."""

from collections.abc import Mapping
from typing import Any

import msgspec

from lodestard.control.messages import CacheCleared, CacheReport, CacheWarmed
from lodestard.control.verbs.desk import Desk
from lodestard.control.verbs.requests import target_of
from lodestard.control.verbs.when import read_age_s
from lodestard.domain.errors import CallerFault, Code, Fault
from lodestard.domain.near import did_you_mean
from lodestard.domain.upstream import Target
from lodestard.domain.verbs import Argument, Arguments, Emits, Verb

OUTCOMES = {"miss": "kept", "hit": "hit", "bypass": "not kept"}


def cache_verbs(desk: Desk) -> tuple[Verb, ...]:
    async def stats(_arguments: Arguments) -> CacheReport:
        return await desk.cache_report()

    async def clear(arguments: Arguments) -> CacheCleared:
        return await clear_cache(desk, arguments["model"] or "", arguments["older_than"] or "")

    async def warm(arguments: Arguments, emit: Emits[CacheWarmed]) -> None:
        for number, line in enumerate(arguments["lines"], start=1):
            if line.strip():
                await emit(await warm_with(desk, number, line, arguments["folder"] or ""))

    async def export(_arguments: Arguments, emit: Emits[msgspec.Raw]) -> None:
        async for line in desk.export_cache():
            await emit(msgspec.Raw(line))

    which = (
        Argument(name="model", help="only this alias or upstream/model"),
        Argument(name="older_than", help="only what is older: 90m, 24h, 7d"),
    )
    lines = (
        Argument(name="lines", kind="list", required=True, help="each a request or an exported answer, as JSON"),
        Argument(name="folder", help="the folder that is worked in; its last name is the project"),
    )
    return (
        Verb(name="cache.export", summary="every kept answer", needs="admin", stream=export),
        Verb(name="cache.stats", summary="what is kept, and how often it helped", needs="read", answer=stats),
        Verb(name="cache.clear", summary="forget answers", needs="admin", arguments=which, answer=clear),
        Verb(
            name="cache.warm", summary="ask, so that the answer is kept", needs="admin", arguments=lines, stream=warm
        ),
    )


async def clear_cache(desk: Desk, model: str, older_than: str) -> CacheCleared:
    """Forget what matches; an alias stands for every target of its route. Raises ``CallerFault``."""
    older_than_s = read_age_s(older_than, "older_than") if older_than else None
    cleared = 0
    for target in targets_of(desk, model) if model else ("",):
        cleared += await desk.clear_cache(target, older_than_s)
    return CacheCleared(entries=cleared)


def targets_of(desk: Desk, model: str) -> tuple[str, ...]:
    """The targets that an alias, a target or a model's own name means. Raises ``CallerFault``."""
    models = desk.runtime.settings.models
    if model in models:
        return tuple(models[model].route)
    own_names = {Target.parse(name).model for known in models.values() for name in known.route}
    if "/" in model or model in own_names:
        return (model,)
    near = did_you_mean(model, [*models, *own_names])
    hint = f" Did you mean {near}?" if near else ""
    raise CallerFault(Code.MODEL_NOT_FOUND, f"There is no model {model!r}.{hint}", param="model")


async def warm_with(desk: Desk, number: int, line: str, folder: str = "") -> CacheWarmed:
    """Take in an answer, or ask a request; what is wrong with it is an outcome, not the end of the file."""
    try:
        members = read_line(line)
        if "reply" in members:
            why = await desk.take_in_answer(line.encode())
            target = str(members.get("target", ""))
            return CacheWarmed(line=number, outcome="not kept" if why else "kept", target=target, detail=why)
        return await _warm_by_asking(desk, number, members, folder)
    except Fault as fault:
        return CacheWarmed(line=number, outcome=fault.code.value, detail=fault.message)


async def _warm_by_asking(desk: Desk, number: int, request: Mapping[str, Any], folder: str) -> CacheWarmed:
    asked = await desk.ask(msgspec.json.encode({**request, "stream": True}), _hear_nothing, folder)
    found = await desk.reports.explain(asked.request_id)
    return CacheWarmed(
        line=number,
        outcome=OUTCOMES.get(asked.cache, asked.cache),
        alias=str(request.get("model", "")),
        target=target_of(found.request) if found is not None else "",
        cost_nano_usd=found.request.cost_nano_usd if found is not None else 0,
        detail=str(found.trace.get("cache") or "") if found is not None else "",
    )


async def _hear_nothing(_text: str, _reasoning: str) -> None:
    """The answer is for the cache."""


def read_line(line: str) -> dict[str, Any]:
    """The members of a line's object. Raises ``CallerFault``. Pure."""
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        raise CallerFault(Code.INVALID_JSON, "This line is not a JSON object.") from None
