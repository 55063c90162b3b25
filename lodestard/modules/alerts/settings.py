"""The tables ``[modules.alerts]``, ``.webhook`` and ``.email``."""

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from lodestard.domain.record import Positive, Record, Seconds
from lodestard.domain.settings import KeySource
from lodestard.module import ModuleSettings

Format = Literal["json", "slack", "discord", "ntfy"]
Source = Literal["budget", "reconcile", "upstream", "gpu", "backup"]
Port = Annotated[Positive, Meta(le=65_535)]
SECRET_PLACE = "{key}"  # noqa: S105  where it goes, not what it is

_URL = re.compile(r"https://[^/\s]+\S*|http://(localhost|127\.0\.0\.1|\[::1\])[:/]\S*")
_ADDRESS = re.compile(r"[^\s@<>,;\"()\x00-\x1f\x7f]+@(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])")
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Webhook(Record, frozen=True):
    """Where alerts are posted. ``{key}`` in the url stands for the secret, which is a bearer token otherwise."""

    url: str = ""
    key: KeySource | None = None
    format: Format = "json"

    def __post_init__(self) -> None:
        if self.url and not _URL.fullmatch(self.url):
            raise ValueError("url: expected https://…, or http:// to this machine")
        if SECRET_PLACE in self.url and self.key is None:
            raise ValueError("url: says {key}, but there is no key")


class Email(Record, frozen=True):
    """Who gets mail, and the server that takes it."""

    host: str = ""
    port: Port = 587
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: KeySource | None = None
    sender: str = msgspec.field(default="", name="from")
    to: tuple[str, ...] = ()
    ca_file: str = ""
    timeout_s: Seconds = 20.0

    def __post_init__(self) -> None:
        if not self.host:
            return
        if not _HOST.fullmatch(self.host):
            raise ValueError("host: expected a host name or address")
        if not self.to:
            raise ValueError("to: at least one address is needed")
        for name, address in (("from", self.sender), *(("to", one) for one in self.to)):
            if not _ADDRESS.fullmatch(address) or not address.isascii():
                raise ValueError(f"{name}: expected a plain address such as me@example.com")
        if bool(self.user) != (self.password is not None):
            raise ValueError("user and password go together")
        if self.password is not None and self.tls == "none" and self.host not in _LOOPBACK:
            raise ValueError('tls: "none" would send the password readable; use "starttls" or "tls"')


class AlertsSettings(ModuleSettings, frozen=True):
    """``sources`` are those whose alerts are sent; all are logged and listed."""

    sources: tuple[Source, ...] = ("backup", "budget", "reconcile")
    webhook: Webhook = Webhook()
    email: Email = Email()
