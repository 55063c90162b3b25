"""``config.check``, ``config.show``, ``config.reload``, ``config.set``, ``config.unset``."""

from lodestard.control.messages import ConfigReport, ConfigValues, ReloadReport
from lodestard.control.verbs.desk import Desk
from lodestard.domain.verbs import Argument, Arguments, Verb


def configuration_verbs(desk: Desk) -> tuple[Verb, ...]:
    async def check(_arguments: Arguments) -> ConfigReport:
        return await desk.check_config()

    async def show(_arguments: Arguments) -> ConfigValues:
        return desk.config_values()

    async def reload(_arguments: Arguments) -> ReloadReport:
        return await desk.reload_config()

    async def change(arguments: Arguments) -> ReloadReport:
        return await desk.change_config(arguments["key"], arguments["value"])

    async def take_back(arguments: Arguments) -> ReloadReport:
        return await desk.change_config(arguments["key"], None)

    key = Argument(name="key", required=True, help='dotted, as in TOML: models."gpt-4o".route')
    value = Argument(name="value", required=True, help="as in TOML; a bare word is a text")
    return (
        Verb(name="config.check", summary="check the files without taking them in", needs="read", answer=check),
        Verb(name="config.show", summary="every value in force and its origin", needs="read", answer=show),
        Verb(name="config.reload", summary="take the files in anew", needs="admin", answer=reload),
        Verb(name="config.set", summary="set one value", needs="admin", arguments=(key, value), answer=change),
        Verb(name="config.unset", summary="take back a set value", needs="admin", arguments=(key,), answer=take_back),
    )
