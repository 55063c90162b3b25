"""The bytes of a head → what is asked for, or why it is refused. Pure.

Law: nothing is repaired. A head that two readers could read in two ways (RFC 9112 section 11.2) is refused.
"""

import msgspec

from lodestard.domain.errors import Code
from lodestard.domain.settings import Limits
from lodestard.http import grammar
from lodestard.http.faults import Refused
from lodestard.http.headers import Headers

_LARGEST_PORT = 65535
_MOST_LENGTH_DIGITS = 18
_BLANK = " \t"  # RFC 9110 section 5.6.3; str.strip alone would take more


class RequestHead(msgspec.Struct, frozen=True, eq=False):
    """A request without its body. ``length`` is the body's in bytes (None: chunked). ``modern``: it is HTTP/1.1;
    ``persistent``: the client may send another one on this connection; ``continues``: it waits for a 100.
    """

    method: str
    path: str
    query: str
    host: str
    headers: Headers
    length: int | None
    modern: bool
    persistent: bool
    continues: bool


def read_head(raw: bytes | bytearray, limits: Limits, *, secure: bool = False) -> RequestHead:
    """``raw`` ends with the empty line; ``secure``: it came over TLS. Raises ``Refused``."""
    text = raw.decode("latin-1")
    match = grammar.HEAD.fullmatch(text)
    if match is None:
        raise _diagnose(text)
    method, target, minor, block = match.groups()
    headers = Headers(_split(block, limits.head_fields))
    modern = minor == "1"
    if method not in grammar.METHODS:
        raise Refused("this method is not known here", status=501, code=Code.NOT_SUPPORTED)
    host = _read_host(headers, modern)
    if not target.startswith("/") and target != "*":
        target, named = _strip_authority(target, secure=secure)
        if named != host:
            headers, host = headers.with_field("host", named), named
    path, query = _read_target(method, target)
    connection = headers.get("connection")
    return RequestHead(
        method=method,
        path=path,
        query=query,
        host=host,
        headers=headers,
        length=_read_length(headers, modern),
        modern=modern,
        persistent=modern and (connection is None or not _asks_to_close(connection)),
        continues=modern and _read_expect(headers),
    )


def _split(block: str, most: int) -> list[tuple[str, str]]:
    lines = block.split("\r\n")
    if len(lines) > most + 1:  # the last one is empty
        raise Refused(f"the request has more than {most} header fields", status=431, code=Code.REQUEST_TOO_LARGE)
    lines.pop()
    fields = []
    for line in lines:
        name, _, value = line.partition(":")
        fields.append((name, value.strip(_BLANK)))
    return fields


def _asks_to_close(connection: str) -> bool:
    return any(option.strip(_BLANK).lower() == "close" for option in connection.split(","))


def _read_host(headers: Headers, modern: bool) -> str:
    """RFC 9112 section 3.2: exactly one, and valid; HTTP/1.0 may leave it out."""
    host = headers.get("host")
    if host is None:
        if modern:
            raise Refused("the request has no Host")
        return ""
    _check_host(host)
    return host.lower()


def _check_host(host: str) -> None:
    match = grammar.HOST.fullmatch(host)  # two of them were joined by a comma, which it does not match
    if match is None or int(match[2] or 0) > _LARGEST_PORT:
        raise Refused("the request's Host is not a valid one, or there are two")


def _read_target(method: str, target: str) -> tuple[str, str]:
    """→ path, query. RFC 9112 section 3.2."""
    if target == "*" and method == "OPTIONS":
        return "*", ""
    match = grammar.ORIGIN_FORM.fullmatch(target)
    if match is None:
        raise Refused("the request's target is not a valid one")
    return match[1], match[2] or ""


def _strip_authority(target: str, *, secure: bool) -> tuple[str, str]:
    """RFC 9112 section 3.2.2: what absolute-form names is what counts, whatever Host says."""
    match = grammar.ABSOLUTE_FORM.fullmatch(target)
    if match is None:
        raise Refused("the request's target is not a valid one")
    scheme, authority, rest = match[1].lower(), match[2].lower(), match[3]
    _check_host(authority)
    if (scheme == "https") is not secure:  # RFC 9110 section 7.4
        raise Refused(f"what is asked for is {scheme}, but this connection is not", status=421)
    return rest if rest.startswith("/") else f"/{rest}", authority


def _read_length(headers: Headers, modern: bool) -> int | None:
    """How long the body is; None where it is chunked. RFC 9112 sections 6.1 and 6.3."""
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None:
        _check_coding(coding.lower(), modern=modern, alone=length is None)
        return None
    if length is None:
        return 0
    if grammar.CONTENT_LENGTH.fullmatch(length) is None:  # two of them were joined by a comma
        raise Refused("the request's Content-Length is not one whole number")
    return _count_length(length)


def _count_length(length: str) -> int:
    """Its digits may be any number (RFC 9110 section 8.6); what no body could have is refused here."""
    if len(length) > _MOST_LENGTH_DIGITS and len(length := length.lstrip("0")) > _MOST_LENGTH_DIGITS:
        raise Refused("the request's body is too large", status=413, code=Code.REQUEST_TOO_LARGE)
    return int(length or "0")


def _check_coding(coding: str, *, modern: bool, alone: bool) -> None:
    if not alone:
        raise Refused("the request has both Content-Length and Transfer-Encoding")
    if not modern:
        raise Refused("HTTP/1.0 has no Transfer-Encoding")
    if coding == "chunked":
        return
    codings = [part.strip(_BLANK) for part in coding.split(",")]
    if codings[-1] != "chunked" or "" in codings or codings.count("chunked") > 1:
        raise Refused("the request's Transfer-Encoding does not end in one chunked")
    raise Refused("of transfer codings only chunked is known here", status=501, code=Code.NOT_SUPPORTED)


def _read_expect(headers: Headers) -> bool:
    """RFC 9110 section 10.1.1."""
    expect = headers.get("expect")
    if expect is None:
        return False
    if expect.lower() == "100-continue":
        return True
    members = {member.strip(_BLANK).lower() for member in expect.split(",")} - {""}
    if members - {"100-continue"}:
        raise Refused("of expectations only 100-continue is known here", status=417)
    return bool(members)


def _diagnose(text: str) -> Refused:
    """Why a head did not match, without quoting it."""
    line = grammar.REQUEST_LINE.match(text)
    if line is None:
        if grammar.OTHER_VERSION.match(text):
            return Refused("only HTTP/1.0 and HTTP/1.1 are spoken here", status=505, code=Code.NOT_SUPPORTED)
        return Refused("the request line is not a valid one")
    position = line.end()
    while (field := grammar.FIELD_LINE.match(text, position)) is not None:
        position = field.end()
    if text[position] in " \t":
        return Refused("a header field goes on in a second line")
    if grammar.SPACED_NAME.match(text, position):
        return Refused("a header field has a space before its colon")
    return Refused("a header field is not a valid one")


def check_unfinished(received: bytearray, start: int, limits: Limits) -> None:
    """Raises ``Refused`` as soon as a head that has not ended can't become a valid one.

    ``start``: how much of it was looked at before.
    """
    if grammar.SPOILED.search(received, max(0, start - 1)):
        raise Refused("the request has a bare CR or LF or a control byte in its head (is it HTTP?)")
    if len(received) > limits.head_bytes:
        raise too_large(received, limits)


def too_large(received: bytearray, limits: Limits) -> Refused:
    """414 where it is the target that is too long (RFC 9112 section 3), 431 otherwise (RFC 6585)."""
    status = 431 if 0 <= received.find(b"\r\n") < limits.head_bytes else 414
    message = f"the request's head is larger than {limits.head_bytes} bytes"
    return Refused(message, status=status, code=Code.REQUEST_TOO_LARGE)
