"""Lines of JSON, however they are portioned."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.errors import Code, UpstreamFault
from lodestard.protocols.ndjson import LineParser


@given(st.lists(st.sampled_from([b'{"a":1}', b"", b"{}", b" \r"]), max_size=8), st.data())
def test_portions_do_not_matter(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"\n".join(lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    parser = LineParser()
    found: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += parser.feed(stream[start:end])
    assert found + parser.finish() == [line.strip() for line in lines if line.strip()]
    assert parser.finish() == []


@pytest.mark.parametrize("data", [b"x" * 11, b"x" * 11 + b"\n"])
def test_a_line_beyond_the_bound_is_refused(data: bytes) -> None:
    with pytest.raises(UpstreamFault) as caught:
        LineParser(max_line_bytes=10).feed(data)
    assert caught.value.code is Code.UPSTREAM_GARBAGE
