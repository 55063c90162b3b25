"""The file of a backup: a tar in zstd, the manifest first, then its parts in its order.

Law: what is read is believed in nothing. Names, kinds and sizes must be those that the manifest says, and that may
say only what fits; nothing is written outside the folder that was given, and every part's SHA-256 is compared.
``tar --zstd -xf`` opens it without us. Sources: POSIX.1-1988 (ustar), RFC 8878 (zstd). Blocks.
"""

import hashlib
import os
import re
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

import msgspec

from lodestard.domain.backup import FORMAT, Manifest, Part, Step, Tell
from lodestard.domain.errors import Code, HouseFault

MANIFEST = "manifest.json"
LEDGER = "ledger.db"
MOST_MANIFEST_BYTES = 1 << 20
MOST_PARTS = 200
BLOCK = 512
PIECE = 1 << 18
LEVEL = 3
WINDOW_LOG = 23
END = bytes(2 * BLOCK)
NAME = re.compile(
    r"ledger\.db|state/[a-z0-9_-]{1,80}\.(json|bin)|config/(conf\.d/)?[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,80}"
)
SHA256 = re.compile(r"[0-9a-f]{64}")


class BadBackupError(Exception):
    """It is not whole, or not what it says; the text says why."""


# -- writing -----------------------------------------------------------------------------------------------------


def write_archive(path: Path, manifest: Manifest, sources: Mapping[str, Path], tell: Tell) -> str:
    """Make ``path`` (0600, durable) and give its SHA-256. The same parts give the same bytes. Raises ``OSError``."""
    zstd = load_zstd()
    head = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    total, done = sum(part.bytes for part in manifest.parts), 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        summed = _Summed(file)
        options = {zstd.CompressionParameter.compression_level: LEVEL, zstd.CompressionParameter.checksum_flag: 1}
        packer = zstd.ZstdCompressor(options=options)
        mtime_s = manifest.at_ms // 1_000

        def put(data: bytes) -> None:
            summed.write(packer.compress(data))

        put(_header(MANIFEST, len(head), mtime_s) + head + _padding(len(head)))
        for part in manifest.parts:
            put(_header(part.name, part.bytes, mtime_s))
            for piece in read_pieces(sources[part.name], part.bytes):
                put(piece)
                done += len(piece)
                tell(Step(what="packing", done=done, total=total))
            put(_padding(part.bytes))
        put(END)
        summed.write(packer.flush())
        file.flush()
        os.fsync(descriptor)
    return summed.hexdigest()


class _Summed:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sum = hashlib.sha256()

    def write(self, data: bytes) -> None:
        self._sum.update(data)
        self._file.write(data)

    def hexdigest(self) -> str:
        return self._sum.hexdigest()


def _header(name: str, size: int, mtime_s: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, mtime_s, 0o600
    return info.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % BLOCK)


def read_pieces(path: Path, size: int) -> Iterator[bytes]:
    """Exactly ``size`` bytes of a file that nobody changes. Raises ``OSError`` where it is shorter."""
    with path.open("rb") as file:
        left = size
        while left:
            piece = file.read(min(PIECE, left))
            if not piece:
                raise OSError(0, "it has become shorter", str(path))
            left -= len(piece)
            yield piece


def sum_file(path: Path) -> tuple[int, str]:
    """Its size and SHA-256. Raises ``OSError``."""
    with path.open("rb") as file:
        summed = hashlib.file_digest(file, "sha256").hexdigest()
        return os.fstat(file.fileno()).st_size, summed


# -- reading -----------------------------------------------------------------------------------------------------


def read_manifest(file: BinaryIO) -> Manifest:
    """The manifest alone, without a look at what follows. Raises ``BadBackupError``."""
    with _unpacked(file) as stream:
        return _read_manifest(stream)


def read_archive(file: BinaryIO, folder: Path | None, room: Callable[[int], object], tell: Tell) -> Manifest:
    """Read all of it, and write its parts below ``folder`` (None: nowhere). Raises ``BadBackupError``, ``OSError``.

    ``room`` is told how many bytes there will be, before any is written; it raises where that is too much.
    """
    with _unpacked(file) as stream:
        manifest = _read_manifest(stream)
        total, done = sum(part.bytes for part in manifest.parts), 0
        if folder is not None:
            room(total)
        for part in manifest.parts:
            for piece in _read_part(stream, part, folder):
                done += piece
                tell(Step(what="reading", done=done, total=total))
        if stream.take(len(END)) != END or stream.more():
            raise BadBackupError("more follows after its last part")
    return manifest


class _Stream:
    """Bytes as they are unpacked: never more of them in memory than a few pieces."""

    def __init__(self, file: BinaryIO, zstd: ModuleType) -> None:
        self._file = file
        options = {zstd.DecompressionParameter.window_log_max: WINDOW_LOG}
        self._frame = zstd.ZstdDecompressor(options=options)

    def some(self, most: int) -> bytes:
        """Up to ``most`` bytes; none at the end. Raises ``BadBackupError`` where it is cut short."""
        while not self._frame.eof:
            packed = self._file.read(PIECE) if self._frame.needs_input else b""
            if self._frame.needs_input and not packed:
                raise BadBackupError("it is cut short")
            if data := self._frame.decompress(packed, most):
                return bytes(data)
        return b""

    def take(self, size: int) -> bytes:
        """Exactly so many, few enough for memory. Raises ``BadBackupError``."""
        found = b""
        while len(found) < size:
            piece = self.some(size - len(found))
            if not piece:
                raise BadBackupError("it ends too early")
            found += piece
        return found

    def more(self) -> bool:
        """Whether anything is left, packed or not."""
        return bool(self.some(1) or self._frame.unused_data or self._file.read(1))


@contextmanager
def _unpacked(file: BinaryIO) -> Iterator[_Stream]:
    zstd = load_zstd()
    try:
        yield _Stream(file, zstd)
    except zstd.ZstdError as error:
        raise BadBackupError(f"it can't be unpacked: {error}") from None


def _read_manifest(stream: _Stream) -> Manifest:
    size = _read_header(stream, MANIFEST)
    if size > MOST_MANIFEST_BYTES:
        raise BadBackupError("its manifest is too large")
    data = stream.take(size)
    stream.take(-size % BLOCK)
    try:
        found = msgspec.json.decode(data, type=dict[str, object]).get("format")
        if found != FORMAT:
            raise BadBackupError(f"its format is {found}, this lodestard reads {FORMAT}: use the one that made it")
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadBackupError(f"its manifest can't be read: {error}") from None
    _check_parts(manifest.parts)
    return manifest


def _check_parts(parts: tuple[Part, ...]) -> None:
    names = [part.name for part in parts]
    if len(set(names)) != len(names) or len(names) > MOST_PARTS:
        raise BadBackupError("its manifest names a part twice, or too many")
    for part in parts:
        if not NAME.fullmatch(part.name) or ".." in part.name:
            raise BadBackupError(f"its manifest names a part that no backup has: {part.name[:80]!r}")
        if part.bytes < 0 or not SHA256.fullmatch(part.sha256):
            raise BadBackupError(f"its manifest says nonsense of {part.name}")
    if LEDGER not in names:
        raise BadBackupError("there is no ledger in it")


def _read_header(stream: _Stream, name: str) -> int:
    """The size of the next member, which must be a plain file of that name."""
    try:
        info = tarfile.TarInfo.frombuf(stream.take(BLOCK), "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError) as error:
        raise BadBackupError(f"it is damaged where {name} begins: {error}") from None
    if info.name != name or info.type != tarfile.REGTYPE or info.size < 0:
        raise BadBackupError(f"{info.name[:80]!r} is where {name} should be")
    return info.size


def _read_part(stream: _Stream, part: Part, folder: Path | None) -> Iterator[int]:
    if _read_header(stream, part.name) != part.bytes:
        raise BadBackupError(f"{part.name} has another size than its manifest says")
    summed, left = hashlib.sha256(), part.bytes
    with _target(folder, part.name) as write:
        while left:
            piece = stream.some(min(PIECE, left))
            if not piece:
                raise BadBackupError(f"it ends within {part.name}")
            left -= len(piece)
            summed.update(piece)
            write(piece)
            yield len(piece)
    stream.take(-part.bytes % BLOCK)
    if summed.hexdigest() != part.sha256:
        raise BadBackupError(f"{part.name} is not what its manifest says (SHA-256)")


@contextmanager
def _target(folder: Path | None, name: str) -> Iterator[Callable[[bytes], object]]:
    """Where a part's bytes go: a new file (0600), durable at the end; or nowhere."""
    if folder is None:
        yield len
        return
    path = folder / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        yield file.write
        file.flush()
        os.fsync(descriptor)


def load_zstd() -> ModuleType:
    """Loaded by the first backup; a part of Python itself since 3.14."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def bad(file: Path, why: object) -> HouseFault:
    """The fault for a backup that can't be used."""
    return HouseFault(Code.STORE_UNAVAILABLE, f"{file} is no backup that can be used: {why}.")
