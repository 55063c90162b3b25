"""Any verb that the daemon lists and this lodestarctl does not know: called and printed as a table."""

from argparse import Namespace
from collections.abc import Sequence

import msgspec

from lodestarctl import exit_codes
from lodestarctl.parser import names, verb_parser
from lodestarctl.render.generic import render_anything
from lodestarctl.session import Session
from lodestarctl.table import is_command, names_other
from lodestarctl.usage import UsageError
from lodestard.control.client import DaemonNotRunning
from lodestard.control.messages import VerbInfo, did_you_mean


def run(session: Session) -> int:
    """Find the verb that the words begin with, call it, print what comes."""
    words = session.args.words
    try:
        verbs = session.client.verbs()
    except DaemonNotRunning:
        raise _unknown(words, []) from None
    found = find_verb(words, verbs)
    if found is None or (is_command(found[0].name) and names_other([found[0].name, *found[1]])):
        raise _unknown(words, [verb.name.replace(".", " ") for verb in verbs])
    verb, rest = found
    args = verb_parser(verb).parse_args(rest, session.args)
    session.output.json = args.json
    _call(session, verb, args)
    return exit_codes.OK


def find_verb(words: Sequence[str], verbs: Sequence[VerbInfo]) -> tuple[VerbInfo, list[str]] | None:
    """The verb whose name (dots are spaces) is the longest beginning of ``words``, and the words left."""
    by_name = {verb.name: verb for verb in verbs}
    for count in range(len(words), 0, -1):
        verb = by_name.get(".".join(words[:count]))
        if verb is not None:
            return verb, list(words[count:])
    return None


def _call(session: Session, verb: VerbInfo, args: Namespace) -> None:
    given = {argument.name: getattr(args, argument.name) for argument in verb.arguments}
    arguments = {name: value for name, value in given.items() if value is not None}
    for data in session.client.stream(verb.name, arguments) if verb.streams else ():
        _print(session, verb.name, data)
    if not verb.streams:
        _print(session, verb.name, session.client.call(verb.name, arguments))


def _print(session: Session, verb: str, data: msgspec.Raw) -> None:
    if session.output.json:
        session.output.envelope(verb, data)
    else:
        session.output.show(render_anything(msgspec.json.decode(data)))


def _unknown(words: Sequence[str], others: Sequence[str]) -> UsageError:
    name = " ".join(words[:2]) if len(words) > 1 and not words[1].startswith("-") else words[0]
    known = [*names(), *others]
    near = did_you_mean(name, known) or did_you_mean(words[0], known)
    hint = f" Did you mean {near}?" if near else " lodestarctl --help lists the commands."
    return UsageError(f"there is no command {name!r}.{hint}")
