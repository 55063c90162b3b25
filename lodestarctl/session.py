"""One run of a command: what was asked, the client, and where to write.

Law: a command fetches through here, so that ``--json`` and the screens show the same data.
"""

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO, TypeVar

import msgspec

from lodestarctl.output import Output
from lodestarctl.render.blocks import Block
from lodestard.control.client import ControlClient, read_data

T = TypeVar("T")


class Session:
    """What a command's ``run`` is given. ``args`` are the command's own options, parsed."""

    def __init__(self, args: Namespace, client: ControlClient, output: Output, stdin: TextIO) -> None:
        self.args = args
        self.client = client
        self.output = output
        self.stdin = stdin

    def report(
        self, verb: str, arguments: Mapping[str, Any], kind: type[T], render: Callable[[T], Sequence[Block]]
    ) -> T:
        """Call ``verb`` and show what it answers. Raises what ``ControlClient.call`` does."""
        return self.show(verb, self.client.call(verb, arguments), kind, render)

    def show(self, verb: str, data: msgspec.Raw, kind: type[T], render: Callable[[T], Sequence[Block]]) -> T:
        """Show data that is there already: as it came for a program, rendered for a person."""
        if self.output.json:
            self.output.envelope(verb, data)
            return read_data(data, kind)
        message = read_data(data, kind)
        self.output.show(render(message))
        return message

    def each(self, verb: str, arguments: Mapping[str, Any], kind: type[T], write: Callable[[T], object]) -> list[T]:
        """Call a streaming verb; each item goes out as it comes. Returns them all."""
        items: list[T] = []
        for data in self.client.stream(verb, arguments):
            item = read_data(data, kind)
            if self.output.json:
                self.output.envelope(verb, data, indent=0)
            else:
                write(item)
            items.append(item)
        return items
