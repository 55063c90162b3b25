"""``dashboard``: how things stand, and then whatever changes."""

import trio

from lodestard.control.messages.dashboard import LiveItem
from lodestard.control.verbs.desk import Desk
from lodestard.control.verbs.live_board import Board
from lodestard.domain.verbs import Arguments, Emits, Verb

LOOK_S = 0.5
BEAT_S = 5.0


def dashboard_verbs(desk: Desk) -> tuple[Verb, ...]:
    board = Board(desk)

    async def dashboard(_arguments: Arguments, emit: Emits[LiveItem]) -> None:
        await follow(board, emit)

    return (Verb(name="dashboard", summary="live figures, as they change", needs="read", stream=dashboard),)


async def follow(board: Board, emit: Emits[LiveItem]) -> None:
    """Tell everything once; then, at most twice a second, what is new; after ``BEAT_S`` without news, that we live.

    Runs until cancelled. While ``emit`` waits for a slow reader, what changes gathers under its name.
    """
    with board.reader() as reader:
        told_s = -BEAT_S
        while True:
            item = await board.look(reader, beat=trio.current_time() - told_s >= BEAT_S)
            if item is not None:
                told_s = trio.current_time()
                await emit(item)
            await trio.sleep(LOOK_S)
