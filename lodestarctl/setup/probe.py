"""Tries a key at its provider: one request that lists models and costs nothing.

Law: the key goes into a header of the request to the provider's own address, and nowhere else; no redirect is
followed.
"""

import http.client
from typing import NamedTuple

from lodestarctl.setup.look import connect, reason_of
from lodestarctl.setup.providers import Provider
from lodestard.domain.secret import Secret

TIMEOUT_S = 15.0
REFUSED = (401, 403)
GEMINI_REFUSES = 400
MANY = 429
MOST_BYTES = 64 * 1024


class Tried(NamedTuple):
    """``doubtful``: nothing is known of the key, for nobody answered as expected."""

    good: bool
    what: str
    doubtful: bool = False


def try_key(provider: Provider, url: str, key: Secret) -> Tried:
    """Blocks for some seconds at most."""
    name = provider.name
    connection, base = connect(url, TIMEOUT_S)
    try:
        connection.request("GET", base + provider.probe, headers=headers_for(provider, key))
        response = connection.getresponse()
        response.read(MOST_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Tried(
            False, f"{name} can't be reached, so the key is not tried: {reason_of(error, TIMEOUT_S)}.", doubtful=True
        )
    finally:
        connection.close()
    return judge(name, provider.dialect, response.status)


def headers_for(provider: Provider, key: Secret) -> dict[str, str]:
    """Who asks, in the provider's own way."""
    match provider.dialect:
        case "anthropic":
            return {"x-api-key": key.reveal(), "anthropic-version": "2023-06-01"}
        case "gemini":
            return {"x-goog-api-key": key.reveal()}
        case _:
            return {"authorization": f"Bearer {key.reveal()}"}


def judge(name: str, dialect: str, status: int) -> Tried:
    """What a status says of the key. Pure."""
    if status == http.client.OK:
        return Tried(True, f"{name} accepts the key.")
    if status in REFUSED or (dialect == "gemini" and status == GEMINI_REFUSES):
        return Tried(False, f"{name} refuses the key ({status}).")
    if status == MANY:
        return Tried(True, f"{name} knows the key, and says that it was used too often or has no credit ({status}).")
    return Tried(False, f"{name} answers {status}, which says nothing about the key.", doubtful=True)
