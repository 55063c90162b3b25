"""How large a prompt is: in bytes that cost tokens alike, template and tools included."""

import json
import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.request import Request
from lodestard.protocols.openai.chat import read_request
from lodestard.protocols.openai.fim import read_request as read_gap
from lodestard.residency.fit import TOKENS_PER_BYTE
from lodestard.tokens.basis import MESSAGE_BYTES, PROMPT_BYTES, basis_bytes, weigh

PYTHON = '''def settle(attempt: Attempt, usage: Usage | None) -> int:
    """What it cost. An attempt without usage costs what was held."""
    if usage is None:
        return attempt.hold_nano_usd
    total = 0
    for name, count in usage.items():
        price = attempt.prices.get(name)
        if price is not None:
            total += count * price // PICO_PER_NANO
    return min(total, attempt.hold_nano_usd)
'''
GO = """func (q *Queue) Take(ctx context.Context, model string) (*Place, error) {
\tq.mu.Lock()
\tdefer q.mu.Unlock()
\tfor _, w := range q.waiters {
\t\tif w.Model == model && !w.Done {
\t\t\treturn &Place{ID: w.ID, Since: time.Now()}, nil
\t\t}
\t}
\treturn nil, fmt.Errorf("no place for %q after %d tries", model, q.tries)
}
"""
ENGLISH = """The card holds one of the two models, and neither whole. Whoever asks for the other one waits until the
first has been put away, which takes a second or so, and until its own has been read from the disk, which takes four.
So it pays to answer everything that is asked of one model before turning to the other, as long as nobody is kept
waiting for longer than is fair. A request that has waited for a minute goes first, whatever else there is to do.
"""
JSON = json.dumps(
    {"usage": {"prompt_tokens": 2048, "cached": 17}, "choices": [{"index": 0, "text": "ok", "logprob": -0.25}] * 4}
)
LOG = "\n".join(
    f"2026-11-20T10:0{minute}:17.{minute}42Z INFO worker-{minute}: request 7f3a{minute}c0de took {minute * 137} ms"
    for minute in range(8)
)
CHINESE = (
    "显卡一次只能装下一个模型。而且连一个也装不完整。想用另一个模型的人要等前一个模型被卸载。这大约需要一秒钟。"
    "然后还要等自己的模型从磁盘读入。这需要四秒钟。因此最好先回答完对同一个模型的所有请求。再去换另一个模型。"
    "只要没有人因此等得太久。等了一分钟的请求总是排在最前面。不管还有什么别的事情要做。"
)
# Counted with the models' own tokenizers: Llama 3.1 (128,000 tokens), Llama 2 (32,000).
COUNTED = {
    "python": (PYTHON, 104, 127),
    "go": (GO, 94, 124),
    "english": (ENGLISH, 101, 106),
    "json": (JSON, 105, 116),
    "log": (LOG, 279, 366),
    "chinese": (CHINESE, 108, 143),
}


def ask(*texts: str, **members: Any) -> Request:
    messages = [{"role": "user", "content": text} for text in texts]
    return read_request(json.dumps({"model": "m", "messages": messages, **members}).encode(), depth=64)


@pytest.mark.parametrize("kind", COUNTED)
def test_the_first_guess_is_near_what_tokenizers_count(kind: str) -> None:
    text, llama31, llama2 = COUNTED[kind]
    size = weigh(text)
    assert TOKENS_PER_BYTE.low * 0.85 < llama31 / size < TOKENS_PER_BYTE.high
    assert TOKENS_PER_BYTE.low < llama2 / size < TOKENS_PER_BYTE.high * 1.1


@pytest.mark.parametrize("tokenizer", [1, 2])
def test_texts_of_all_kinds_are_nearer_to_each_other_than_by_plain_bytes(tokenizer: int) -> None:
    def spread(sizes: list[int]) -> float:
        ratios = [int(row[tokenizer]) / size for row, size in zip(COUNTED.values(), sizes, strict=True)]
        return statistics.pstdev(ratios) / statistics.mean(ratios)

    weighed = spread([weigh(text) for text, _, _ in COUNTED.values()])
    plain = spread([len(text.encode()) for text, _, _ in COUNTED.values()])
    assert weighed < 0.6 * plain


@given(st.text(), st.text())
def test_a_text_weighs_something_and_two_weigh_what_they_weigh_together(one: str, other: str) -> None:
    assert abs(weigh(one + other) - weigh(one) - weigh(other)) <= 2  # each is rounded
    assert 0.2 * len(one.encode("utf-8", "surrogatepass")) - 1 <= weigh(one)
    assert weigh(one) <= 3 * len(one.encode("utf-8", "surrogatepass")) + 1


def test_words_signs_digits_and_blanks_weigh_differently() -> None:
    assert weigh("word" * 10) == 40
    assert weigh("{}();" * 10) == 100
    assert weigh("0123456789") == 30
    assert weigh(" " * 100) == 20
    assert weigh("模型") == 6


def test_a_template_adds_to_each_message() -> None:
    one, two = basis_bytes(ask("word")), basis_bytes(ask("word", "word"))
    assert one == PROMPT_BYTES + MESSAGE_BYTES + 4
    assert two - one == MESSAGE_BYTES + 4


def test_tools_calls_and_what_was_thought_are_in_it() -> None:
    bare = basis_bytes(ask("hello"))
    schema = {"type": "object", "properties": {"path": {"type": "string", "description": "where " * 20}}}
    tool = {"type": "function", "function": {"name": "read", "description": "reads", "parameters": schema}}
    assert basis_bytes(ask("hello", tools=[tool])) > bare + weigh(json.dumps(schema))
    call = {"id": "1", "type": "function", "function": {"name": "read", "arguments": '{"path": "a.py"}'}}
    said = {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_content": "thinking " * 50}
    talk = [{"role": "user", "content": "hello"}, said]
    assert basis_bytes(ask(messages=talk)) > bare + weigh('{"path": "a.py"}') + weigh("thinking " * 50)


def test_parts_count_as_one_text_and_images_not_at_all() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "QUJD" * 1000}}
    parts = [{"type": "text", "text": "wo"}, image, {"type": "text", "text": "rd"}]
    assert basis_bytes(ask(messages=[{"role": "user", "content": parts}])) == basis_bytes(ask("word"))


def test_what_comes_after_a_gap_is_in_it() -> None:
    bare = read_gap(b'{"model":"m","prompt":"word"}', depth=64)
    filled = read_gap(b'{"model":"m","prompt":"word","suffix":"moreword"}', depth=64)
    assert basis_bytes(bare) == basis_bytes(ask("word"))
    assert basis_bytes(filled) - basis_bytes(bare) == 8
