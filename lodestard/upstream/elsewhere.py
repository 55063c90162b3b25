"""A pool to somewhere that is no upstream: a webhook, a provider's administration.

Law: it goes where its url says and nowhere else: TLS with the system's authorities, or plain text within this
machine (and to others, where the caller promises that it sends no secret). No proxy of the environment's, no key of
an upstream's. It lives for an errand, so nobody keeps it tidy.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from lodestard import __version__
from lodestard.upstream.origin import Origin, parse_origin
from lodestard.upstream.pool import Pool, PoolSettings
from lodestard.upstream.request_head import Fields

CONNECTIONS = 2
MOST_ANSWER_BYTES = 8 * 1024 * 1024
CONNECT_TIMEOUT_S = 10.0
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def parse_elsewhere(url: str, *, plain_text_ok: bool = False) -> Origin:
    """The origin of a url that may have a query.

    Raises ``ValueError`` where it is neither https nor on this machine; the url is not repeated, it may be a secret.
    ``plain_text_ok``: ``http://`` to other machines is right too.
    """
    parts = urlsplit(url)
    try:
        origin = parse_origin(f"{parts.scheme}://{parts.netloc}")
    except ValueError:
        raise ValueError("expected a URL that starts with https://, without a user name") from None
    if origin.scheme != "https" and origin.host not in LOOPBACK and not plain_text_ok:
        raise ValueError("http:// would be readable on its way; use https:// (http:// is for this machine only)")
    return origin


@contextmanager
def open_origin_pool(url: str, name: str, *, plain_text_ok: bool = False) -> Iterator[Pool]:
    """A pool to the origin of ``url`` while the context lasts. Raises ``ValueError`` as ``parse_elsewhere``."""
    origin = parse_elsewhere(url, plain_text_ok=plain_text_ok)
    settings = PoolSettings(
        upstream=name, origin=origin, connections=CONNECTIONS, connect_timeout_s=CONNECT_TIMEOUT_S
    )
    pool = Pool(settings, Fields(origin, [("user-agent", f"lodestard/{__version__}")]))
    try:
        yield pool
    finally:
        pool.close()
