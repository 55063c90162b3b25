"""The KV cache's memory of prompts: a prompt that begins as the last one did is cheaper to read.

Owner: one `PrefixSlots` per runner; changed only in sync code.
"""

from lodestard.simulator.tokens import count_tokens


class PrefixSlots:
    """As many remembered texts as the runner answers in parallel."""

    def __init__(self, slots: int) -> None:
        self._texts = [""] * slots
        self._free = list(range(slots))

    def take(self, prompt: str) -> tuple[int, int]:
        """The free slot that shares most with ``prompt``, and how many of its tokens needn't be read again.

        The last token is always read: there is nothing to predict from otherwise.
        """
        shared, slot = max((common_prefix(self._texts[slot], prompt), -slot) for slot in self._free)
        self._free.remove(-slot)
        tokens = count_tokens(prompt)
        return -slot, min(count_tokens(prompt[:shared]), max(0, tokens - 1)) if shared else 0

    def give_back(self, slot: int, text: str) -> None:
        """``text``: what the slot now holds, the prompt and what was answered."""
        self._texts[slot] = text
        self._free.append(slot)


def common_prefix(one: str, other: str) -> int:
    """Length of the common beginning, by halving: a few C-speed comparisons for any length."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
