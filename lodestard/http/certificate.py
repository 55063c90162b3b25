"""A server's certificate: read from its files, checked, and when it ends.

Law: a certificate that can't serve is a ``ValueError`` that names the file and the reason; nothing of a key is ever
in it. Sources: RFC 8446 and RFC 7301 for what is offered, RFC 5280 section 4.1 for where a certificate ends.
"""

import calendar
import ssl
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MS_PER_S = 1_000
MOST_BYTES = 1024 * 1024
OTHERS_BITS = stat.S_IRWXO | stat.S_IWGRP
_SEQUENCE, _VERSION, _UTC_TIME = 0x30, 0xA0, 0x17
_LONG_FORM = 0x80
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Certificate:
    """``context`` is what new connections are served with."""

    context: ssl.SSLContext
    file: str
    expires_ms: int


def read_certificate(cert_file: Path, key_file: Path) -> Certificate:
    """The chain in ``cert_file`` with its key, both PEM. Blocks on the disk. Raises ``ValueError``."""
    _refuse_shared(key_file)
    expires_ms = read_expiry_ms(_read(cert_file), str(cert_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert_file, key_file, password=_no_password)
    except ssl.SSLError as error:
        raise ValueError(f"{cert_file} and {key_file}: {_reason(error)}") from None
    except OSError as error:
        raise ValueError(f"{cert_file} or {key_file}: {error.strerror}") from None
    return Certificate(context, str(cert_file), expires_ms)


def _no_password() -> str:
    """Otherwise OpenSSL asks the terminal."""
    return ""


def _reason(error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the key is not the certificate's"
    return f"no certificate with an unencrypted key in PEM form ({error.reason or 'unreadable'})"


def _refuse_shared(key_file: Path) -> None:
    try:
        status = key_file.stat()
    except OSError as error:
        raise ValueError(f"{key_file}: {error.strerror}") from None
    mode = stat.S_IMODE(status.st_mode)
    if mode & OTHERS_BITS:
        raise ValueError(f"{key_file} may be read by everybody, or changed (mode {mode:04o}): chmod 600 {key_file}")


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(MOST_BYTES).decode("ascii", "replace")
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror}") from None


def read_expiry_ms(pem: str, name: str) -> int:
    """When the first certificate in ``pem`` ends, in unix milliseconds. Raises ``ValueError``. Pure."""
    begin, end = pem.find(_BEGIN), pem.find(_END)
    try:
        return _not_after_s(ssl.PEM_cert_to_DER_cert(pem[begin : end + len(_END)])) * MS_PER_S
    except (ValueError, IndexError):
        raise ValueError(f"{name}: there is no certificate in it that can be read") from None


def _not_after_s(der: bytes) -> int:
    """Certificate, TBSCertificate, and in it, after its version, number, algorithm and issuer, the validity."""
    (_, certificate), *_ = _parts(der)
    (_, body), *_ = _parts(certificate)
    members = list(_parts(body))
    if members[0][0] == _VERSION:
        del members[0]
    tag, validity = members[3]
    if tag != _SEQUENCE:
        raise ValueError
    kind, text = list(_parts(validity))[1]
    form = "%y%m%d%H%M%SZ" if kind == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return calendar.timegm(time.strptime(text.decode("ascii"), form))


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The members of a value in DER: tag and content."""
    at = 0
    while at < len(data):
        tag, size, at = data[at], data[at + 1], at + 2
        if size >= _LONG_FORM:
            digits = size - _LONG_FORM
            size, at = int.from_bytes(data[at : at + digits], "big"), at + digits
        yield tag, data[at : at + size]
        at += size
