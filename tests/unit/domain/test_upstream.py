"""What is told of a request's members that no dialect could carry: few, and short."""

from lodestard.domain.upstream import few_of


def test_what_was_dropped_is_told_as_it_is() -> None:
    assert few_of(("top_p", "messages[].name")) == ("top_p", "messages[].name")


def test_a_client_s_own_names_make_neither_a_long_header_nor_a_long_trace() -> None:
    told = few_of(tuple(f"{number:04d}{'x' * 1_000}" for number in range(1_000)))
    assert len(told) == 32
    assert [name[:4] for name in told] == [f"{number:04d}" for number in range(32)]
    assert {len(name) for name in told} == {64}
