"""Content codings of a request's body: undone exactly, within bounds, or refused."""

import gzip
import time
import tracemalloc
import zlib
from types import ModuleType

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.settings import Limits
from lodestard.http import content
from lodestard.http.content import ANY_RATIO_BYTES, MAX_MEMBERS, read_content
from lodestard.http.headers import Headers
from lodestard.protocols.error_bodies import write_error

MIB = 1024 * 1024
LIMITS = Limits(body_bytes=4 * MIB, body_ratio=50)
zstd: ModuleType = content._load_zstd()
SKIPPABLE = b"\x50\x2a\x4d\x18\x04\x00\x00\x00skip"  # RFC 8878 section 3.1.2


class Carried:
    """A request with this body; ``read`` says whether anybody asked for it."""

    def __init__(self, coding: str | None, body: bytes) -> None:
        self.headers = Headers([] if coding is None else [("content-encoding", coding)])
        self.body = body
        self.read = False
        self.most_held_bytes = 0

    def hold(self, size_bytes: int) -> None:
        self.most_held_bytes = size_bytes

    async def read_body(self) -> bytes:
        self.read = True
        await trio.lowlevel.checkpoint()
        return self.body


def pack(coding: str, data: bytes) -> bytes:
    packed: bytes = gzip.compress(data) if coding == "gzip" else zstd.compress(data)
    return packed


async def refusal(coding: str, body: bytes, limits: Limits = LIMITS) -> Code:
    with pytest.raises(CallerFault) as caught:
        await read_content(Carried(coding, body), limits)
    return caught.value.code


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@settings(max_examples=40, deadline=None)
@given(parts=st.lists(st.binary(max_size=200), min_size=1, max_size=4), times=st.sampled_from([1, 50, 2000]))
def test_what_was_coded_comes_out(coding: str, parts: list[bytes], times: int) -> None:
    """One member or frame after another, each smaller or larger than a portion."""
    body = b"".join(pack(coding, part * times) for part in parts)
    whole = trio.run(read_content, Carried(coding, body), Limits(body_ratio=10_000))
    assert whole == b"".join(part * times for part in parts)


@pytest.mark.parametrize("field", ["GZIP", "x-gzip", " gzip ", ", gzip ,", "identity, gzip"])
async def test_names_have_no_case_and_empty_elements_are_nothing(field: str) -> None:
    assert await read_content(Carried(field, gzip.compress(b"{}")), LIMITS) == b"{}"


@pytest.mark.parametrize("field", [None, "", "identity", "Identity", " , "])
async def test_no_coding_leaves_a_body_as_it_is(field: str | None) -> None:
    assert await read_content(Carried(field, b"\x1f\x8b"), LIMITS) == b"\x1f\x8b"


@pytest.mark.parametrize(
    "field", ["br", "deflate", "compress", "gzip, zstd", "gzip, gzip", "zstd;q=1", "\xa0gzip", "gzip zstd", "*"]
)
async def test_others_are_refused_before_the_body_is_read(field: str) -> None:
    carried = Carried(field, b"")
    with pytest.raises(CallerFault) as caught:
        await read_content(carried, LIMITS)
    assert caught.value.code is Code.UNSUPPORTED_ENCODING
    assert not carried.read
    status, headers, _ = write_error("openai", caught.value, "")
    assert (status, dict(headers)["accept-encoding"]) == (415, "gzip, zstd")
    assert {"gzip", "zstd"} == set(content._CODINGS) - {"x-gzip"}


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_a_body_cut_anywhere_is_refused(coding: str) -> None:
    body = pack(coding, b'{"model": "m", "messages": []}' * 20)
    for at in range(len(body)):
        assert await refusal(coding, body[:at]) is Code.INVALID_REQUEST, at


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_garbage_is_refused(coding: str) -> None:
    good = pack(coding, b"a" * 100)
    other = pack("zstd" if coding == "gzip" else "gzip", b"a" * 100)
    for body in (
        b"{}",
        b"\0" * 50,
        good + b"\0",
        good + b"junk",
        b"junk" + good,
        other,
        zlib.compress(b"a"),
        good[1:],
    ):
        assert await refusal(coding, body) is Code.INVALID_REQUEST


async def test_a_wrong_checksum_is_refused() -> None:
    body = bytearray(gzip.compress(b"a" * 100))
    body[-6] ^= 1
    assert await refusal("gzip", bytes(body)) is Code.INVALID_REQUEST
    summed = bytearray(zstd.compress(b"abc" * 100, options={zstd.CompressionParameter.checksum_flag: 1}))
    summed[-1] ^= 1
    assert await refusal("zstd", bytes(summed)) is Code.INVALID_REQUEST


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_the_limit_of_a_body_counts_what_comes_out(coding: str) -> None:
    fits = bytes(range(256)) * (LIMITS.body_bytes // 256)
    loose = Limits(body_bytes=LIMITS.body_bytes, body_ratio=1_000_000)
    assert await read_content(Carried(coding, pack(coding, fits)), loose) == fits
    assert await refusal(coding, pack(coding, fits + b"x"), loose) is Code.REQUEST_TOO_LARGE


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_the_ratio_counts_beyond_the_first_mib(coding: str) -> None:
    carried = Carried(coding, pack(coding, bytes(ANY_RATIO_BYTES)))
    assert len(await read_content(carried, LIMITS)) == ANY_RATIO_BYTES
    assert carried.most_held_bytes == len(carried.body) + ANY_RATIO_BYTES
    assert await refusal(coding, pack(coding, bytes(ANY_RATIO_BYTES + 1))) is Code.REQUEST_TOO_LARGE


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_a_bomb_costs_little(coding: str) -> None:
    """A GiB of zeros. Memory is the limit at most, time what the limit takes."""
    bomb = pack(coding, bytes(64 * MIB)) * 16
    tracemalloc.start()
    began_s = time.process_time()
    try:
        assert await refusal(coding, bomb) is Code.REQUEST_TOO_LARGE
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes <= LIMITS.body_bytes + MIB
    assert time.process_time() - began_s < 1


async def test_a_large_window_is_refused() -> None:  # RFC 9659
    options = {zstd.CompressionParameter.window_log: 24, zstd.CompressionParameter.content_size_flag: 0}
    coder = zstd.ZstdCompressor(options=options)
    body = coder.compress(b"a" * 100) + coder.flush()
    assert zstd.decompress(body) == b"a" * 100
    assert await refusal("zstd", body) is Code.INVALID_REQUEST


async def test_a_dictionary_is_refused() -> None:
    trained = zstd.train_dict([b'{"model": "m%d", "messages": []}' % number for number in range(500)], 2048)
    assert await refusal("zstd", zstd.compress(b'{"model": "m1"}', zstd_dict=trained)) is Code.INVALID_REQUEST


@pytest.mark.parametrize(("coding", "nothing"), [("gzip", gzip.compress(b"")), ("zstd", SKIPPABLE)])
async def test_members_of_nothing_are_bounded(coding: str, nothing: bytes) -> None:
    end = pack(coding, b"{}")
    assert await read_content(Carried(coding, nothing * (MAX_MEMBERS - 1) + end), LIMITS) == b"{}"
    assert await refusal(coding, nothing * MAX_MEMBERS + end) is Code.INVALID_REQUEST
    assert await refusal(coding, nothing * 100_000) is Code.INVALID_REQUEST


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=300), at=st.integers(0, 400), junk=st.binary(min_size=1, max_size=4))
def test_any_damage_is_a_refusal_or_a_body(coding: str, data: bytes, at: int, junk: bytes) -> None:
    body = pack(coding, data)
    damaged = body[:at] + junk + body[at + len(junk) :]
    try:
        trio.run(read_content, Carried(coding, damaged), LIMITS)
    except CallerFault as fault:
        assert fault.code in (Code.INVALID_REQUEST, Code.REQUEST_TOO_LARGE)


async def test_others_run_while_a_large_body_is_undone() -> None:
    body, turns = pack("zstd", bytes(range(256)) * 16_000), 0

    async def count(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        nonlocal turns
        task_status.started()
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        await nursery.start(count)
        await read_content(Carried("zstd", body), Limits(body_ratio=1_000_000))
        nursery.cancel_scope.cancel()
    assert turns >= 10
