"""What the command line says, checked before anything is done.

Law: a key comes from standard input, a file or an environment variable, never as a word; the variable is taken out of
this process's environment, so that no child has it.
"""

import os
from argparse import Namespace
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from lodestarctl.setup.address import read_address
from lodestarctl.setup.place import Asked
from lodestarctl.setup.providers import BY_NAME, MOST_CHARACTERS, read_key
from lodestarctl.usage import UsageError
from lodestard.domain.money import parse_nano_usd
from lodestard.domain.secret import Secret

WAYS = "- (a line of standard input), env:NAME or file:PATH"
FLAGS = "--yes (defaults), --ollama URL, --model ALIAS=MODEL, --key NAME=-, --budget USD, --check, --dry-run"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """``keys`` that are to be asked for have no text yet: they are in ``asked_keys``."""

    place: Asked = Asked()
    ollama: tuple[str, ...] = ()
    models: dict[str, str] = {}
    pulls: tuple[str, ...] = ()
    keys: dict[str, Secret] = {}
    removed: tuple[str, ...] = ()
    replace: bool = False
    try_keys: bool = False
    budget_usd: str | None = None
    timezone: str | None = None
    start: bool = True
    test: bool = True
    aider: str = ""
    yes: bool = False
    dry_run: bool = False

    @property
    def say_something(self) -> bool:
        """Whether there is anything that can be done without asking."""
        given = (self.ollama, self.models, self.pulls, self.keys, self.removed, self.budget_usd, self.timezone)
        return self.yes or self.dry_run or any(given) or bool(self.aider)


def read_options(args: Namespace, read_line: Callable[[str], str]) -> Options:
    """``read_line`` gives the next key of standard input. Raises ``UsageError``."""
    if args.system and args.user:
        raise UsageError("say --system or --user, not both")
    return Options(
        place=Asked(config=args.config, system=args.system, user=args.user, encrypt=not args.no_encrypt),
        ollama=tuple(_address(url) for url in args.ollama or ()),
        models=dict(_pair(text, "--model", "ALIAS=MODEL") for text in args.model or ()),
        pulls=tuple(args.pull or ()),
        keys=_read_keys(args.key or (), read_line),
        removed=tuple(_known(name) for name in args.remove_key or ()),
        replace=args.replace,
        try_keys=args.try_keys,
        budget_usd=_budget(args.budget),
        timezone=_zone(args.timezone),
        start=not args.no_start,
        test=not args.no_test,
        aider=args.aider or "",
        yes=args.yes,
        dry_run=args.dry_run,
    )


def _address(url: str) -> str:
    try:
        return read_address(url)
    except ValueError as error:
        raise UsageError(f"--ollama: expected {error}") from None


def _pair(text: str, flag: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise UsageError(f"{flag} takes {form}")
    return name.strip(), value.strip()


def _known(name: str) -> str:
    if name not in BY_NAME:
        raise UsageError(f"there is no provider of this name; setup knows {', '.join(BY_NAME)}")
    return name


def _read_keys(words: Iterable[str], read_line: Callable[[str], str]) -> dict[str, Secret]:
    """No message repeats what stands after the equals sign: it may be the key itself."""
    keys = {}
    for word in words:
        name, source = _pair(word, "--key", f"NAME=SOURCE, with SOURCE {WAYS}")
        _known(name)
        try:
            keys[name] = Secret(read_key(_fetch(name, source, read_line)))
        except ValueError as error:
            raise UsageError(f"--key {name}: {error}") from None
    return keys


def _fetch(name: str, source: str, read_line: Callable[[str], str]) -> str:
    way, _, rest = source.partition(":")
    if source == "-":
        return read_line(name)
    if way == "env" and rest:
        text = os.environ.pop(rest, None)
        if text is None:
            raise ValueError("this environment variable is not set")
        return text
    if way == "file" and rest:
        try:
            with Path(rest).expanduser().open("rb") as file:
                return file.read(4 * MOST_CHARACTERS).decode(errors="replace")
        except OSError as error:
            raise ValueError(f"its file can't be read: {error.strerror}") from None
    raise ValueError(f"a key is no word of a command line, where others see it; its source is {WAYS}")


def _budget(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return read_amount(text)
    except ValueError as error:
        raise UsageError(f"--budget: expected {error}") from None


def read_amount(text: str) -> str:
    """US dollars, as they are written to the configuration. Raises ``ValueError`` with a sentence."""
    given = text.strip().upper().removeprefix("$").removesuffix("USD").removesuffix("$").strip()
    try:
        good = parse_nano_usd(given) > 0
    except ValueError:
        good = False
    if not good:
        raise ValueError("an amount of US dollars above zero, such as 20 or 7.50")
    return format(Decimal(given), "f")


def _zone(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return read_zone(text)
    except ValueError as error:
        raise UsageError(f"--timezone: expected {error}") from None


def read_zone(text: str) -> str:
    """Raises ``ValueError`` with a sentence for what is no zone's name."""
    try:
        ZoneInfo(text)
    except (OSError, ValueError, KeyError):
        raise ValueError("a time zone by its name, such as Europe/Berlin") from None
    return text
