"""``use``, ``use.set``, ``use.end``."""

from lodestard.control.messages.projects import SwitchList, SwitchRow
from lodestard.control.verbs.desk import Desk
from lodestard.control.verbs.sessions import read_name
from lodestard.control.verbs.when import MS_PER_S, read_age_s
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.near import did_you_mean
from lodestard.domain.switch import Scope, Switch
from lodestard.domain.verbs import Argument, Arguments, Verb


def switch_verbs(desk: Desk) -> tuple[Verb, ...]:
    async def shown(_arguments: Arguments) -> SwitchList:
        return SwitchList(switches=switch_rows(desk))

    async def set_one(arguments: Arguments) -> SwitchList:
        scope, of = read_scope(arguments)
        now_ms, age = desk.runtime.clock.now_ms(), arguments["for"]
        switch = Switch(
            alias=find_alias(desk, arguments["alias"]),
            scope=scope,
            of=of,
            since_ms=now_ms,
            until_ms=now_ms + read_age_s(age, "for") * MS_PER_S if age else None,
        )
        await desk.switches.set(switch)
        return SwitchList(switches=switch_rows(desk), changed=True)

    async def end(arguments: Arguments) -> SwitchList:
        changed = await desk.switches.take_back(*read_scope(arguments))
        return SwitchList(switches=switch_rows(desk), changed=changed)

    scope = (
        Argument(name="session", help="only in this session"),
        Argument(name="project", help="only in this project"),
    )
    taken = (
        Argument(name="alias", required=True, help="the alias that answers"),
        *scope,
        Argument(name="for", help="for how long: 2h, 30m; otherwise until it is taken back"),
    )
    return (
        Verb(name="use", summary="the quick switches that hold", needs="read", answer=shown),
        Verb(
            name="use.set", summary="one alias in place of the others", needs="admin", arguments=taken, answer=set_one
        ),
        Verb(name="use.end", summary="take a quick switch back", needs="admin", arguments=scope, answer=end),
    )


def read_scope(arguments: Arguments) -> tuple[Scope, str]:
    """Raises ``CallerFault``. Pure."""
    session, project = (read_name(arguments[name], name) for name in ("session", "project"))
    for name, value in (("session", session), ("project", project)):
        if arguments[name] is not None and not value:  # or an empty variable would switch for all
            raise CallerFault(Code.INVALID_REQUEST, f"Say which {name}.", param=name)
    if session and project:
        raise CallerFault(Code.INVALID_REQUEST, "Say a session or a project, not both.", param="session")
    if session:
        return "session", session
    return ("project", project) if project else ("all", "")


def find_alias(desk: Desk, alias: str) -> str:
    """Raises ``CallerFault`` where there is no such alias."""
    models = desk.runtime.settings.models
    if alias not in models:
        near = did_you_mean(alias, models)
        hint = f" Did you mean {near}?" if near else " lodestarctl models lists them."
        raise CallerFault(Code.MODEL_NOT_FOUND, f"There is no model {alias!r}.{hint}", param="alias")
    return alias


def switch_rows(desk: Desk) -> tuple[SwitchRow, ...]:
    models = desk.runtime.settings.models
    return tuple(
        SwitchRow(
            alias=switch.alias,
            scope=switch.scope,
            of=switch.of,
            since_ms=switch.since_ms,
            until_ms=switch.until_ms,
            gone=switch.alias not in models,
        )
        for switch in desk.switches.active
    )
