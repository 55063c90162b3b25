"""``lodestarctl keys add NAME``: the key alone on standard output, what to know about it beside it."""

from lodestarctl import exit_codes
from lodestarctl.render.findings import render_reload
from lodestarctl.render.keys import notes_on
from lodestarctl.session import Session
from lodestard.control.client import read_data
from lodestard.control.messages.keys import KeyAdded

MEMBERS = ("project", "user", "priority", "expires", "requests_per_minute", "tokens_per_minute")


def run(session: Session) -> int:
    args = session.args
    arguments = {name: value for name in MEMBERS if (value := getattr(args, name)) is not None}
    if args.models is not None:
        arguments["models"] = [alias for alias in (part.strip() for part in args.models.split(",")) if alias]
    data = session.client.call("keys.add", {"name": args.name, "replace": args.replace, **arguments})
    added = read_data(data, KeyAdded)
    if session.output.json:
        session.output.envelope("keys.add", data)
    elif added.key:
        session.output.write(f"{added.key}\n")
        for line in notes_on(added):
            session.output.say(line)
    else:
        session.output.show(render_reload(added.report))
    return exit_codes.OK if added.key else exit_codes.FAILURE
