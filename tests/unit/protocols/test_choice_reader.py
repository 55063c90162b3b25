"""The reader around a reader: what a choice holds back goes out at its end, whoever says that it has ended."""

from lodestard.domain.errors import Fault, UpstreamFault
from lodestard.domain.reply import Piece
from lodestard.protocols.choice_reader import ChoiceReader
from lodestard.protocols.completion_as_chat import Unfencing
from lodestard.protocols.event_reader import cut


class Inner:
    """Gives one piece for each byte; ``.`` ends the answer, ``!`` breaks it."""

    body = b""

    def __init__(self) -> None:
        self.done = False
        self.fault: UpstreamFault | None = None

    def feed(self, data: bytes) -> list[Piece]:
        said = data.decode()
        self.done = "." in said
        self.fault = cut() if "!" in said else None
        return [Piece(choice=int(letter.isupper()), text=letter) for letter in said if letter not in ".!"]

    def finish(self) -> list[Piece]:
        raise cut()


def read(data: bytes) -> tuple[list[str], Fault | None]:
    """The texts of the two choices."""
    reader = ChoiceReader(Inner(), lambda _index: Unfencing())
    pieces = reader.feed(data)
    return ["".join(piece.text for piece in pieces if piece.choice == index) for index in (0, 1)], reader.fault


def test_what_is_held_back_goes_out_at_the_end_of_the_answer() -> None:
    assert read(b"``") == (["", ""], None)  # it may be a fence
    assert read(b"``.") == (["``", ""], None)
    assert read(b"``A.") == (["``", "A"], None)


def test_of_an_answer_that_broke_it_is_lost() -> None:
    texts, fault = read(b"a``!")
    assert texts == ["a``", ""]
    assert fault is not None
    assert read(b"``!")[0] == ["", ""]
