"""Every target by its name, with what its inputs are made of: words of the format, and whole ones to begin with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.fuzz import requests, streams

Target = Callable[[bytes], None]


@dataclass(frozen=True)
class Fuzzed:
    """``check`` is the target, ``words`` its dictionary, ``seeds`` its corpus."""

    check: Target
    words: Sequence[bytes]
    seeds: Sequence[bytes]


_CHUNK = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
_CALL = b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f"}}]}}]}\n\n'
_STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
_USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}\n\n'
_DONE = b"data: [DONE]\n\n"
_BEGUN = b'event: response.created\ndata: {"type":"response.created","response":{"id":"r","output":[]}}\n\n'
_WORD = b'data: {"type":"response.output_text.delta","output_index":0,"delta":"a","logprobs":[]}\n\n'
_CALLED = (
    b'data: {"type":"response.output_item.added","output_index":1,'
    b'"item":{"type":"function_call","call_id":"c","name":"f","arguments":""}}\n\n'
)
_ARGUED = b'data: {"type":"response.function_call_arguments.delta","output_index":1,"delta":"{}"}\n\n'
_ITEM = (
    b'data: {"type":"response.output_item.done","output_index":2,'
    b'"item":{"type":"reasoning","summary":[{"text":"h"}],"encrypted_content":"g"}}\n\n'
)
_COMPLETED = (
    b'event: response.completed\ndata: {"type":"response.completed","response":{"output":[],'
    b'"usage":{"input_tokens":3,"output_tokens":1}}}\n\n'
)
_MESSAGE = b'data: {"type":"message_start","message":{"id":"m","usage":{"input_tokens":1}}}\n\n'
_BLOCK = b'data: {"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f"}}\n\n'
_DELTA = b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}\n\n'
_ENDING = b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}\n\n'
_STOPPED = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_SAID = b'data: {"candidates":[{"content":{"parts":[{"text":"a"}]}}]}\r\n\r\n'
_FUNCTION = b'data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"},"thoughtSignature":"c"}]}}]}\n\n'
_ENDED = b'data: {"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3}}\n\n'
_POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:4000\r\n"
_CHAT = b'{"model":"auto","messages":[{"role":"user","content":"hi"}]}'
_RESPONSES = b'{"model":"auto","input":"hi"}'
_ITEMS = (
    b'{"model":"a","input":[{"role":"user","content":[{"type":"input_text","text":"x"}]},'
    b'{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},'
    b'{"type":"function_call_output","call_id":"c","output":"y"}],"tools":[{"type":"custom","name":"f"}]}'
)
_OK = b"HTTP/1.1 200 OK\r\n"
_LINE_ENDS = (b"\r", b"\n", b"\r\n", b"\n\n", b"\r\n\r\n")
_JSON = (b"{", b"}", b"[", b"]", b":", b",", b'"', b"\\u0061", b"\\ud800", b"1e400", b"NaN", b"null", b"true", b"-0")

TARGETS: Mapping[str, Fuzzed] = {
    "sse": Fuzzed(
        streams.sse,
        (
            b"data: ",
            b"data:",
            b"data",
            b"event: x",
            b": note",
            b"\xef\xbb\xbf",
            b"\xef\xbb",
            b"\0",
            b"id",
            *_LINE_ENDS,
        ),
        (b"\0data: a\n\n", b"\1\xef\xbb\xbfdata: a\r\ndata: b\r\n\r\n: c\r\rdata\n\n", b"\2" + b"data: " + b"x" * 40),
    ),
    "ndjson": Fuzzed(
        streams.ndjson,
        (b'{"a":1}', b"{}", b" ", b"\t", b"\x0c", b"\xef\xbb\xbf", b"\0", *_LINE_ENDS),
        (b'\0{"a":1}\n{"b":2}\n', b"\1\xef\xbb\xbf \r\n{}\n\n{}", b"\2" + b" " * 30 + b"\n{}"),
    ),
    "chat_chunks": Fuzzed(
        streams.chat_chunks,
        (
            _CHUNK,
            _CALL,
            _STOP,
            _USAGE,
            _DONE,
            b'"usage":',
            b'"error":{"message":"x"}',
            b'"logprobs":',
            *_JSON,
            *_LINE_ENDS,
        ),
        (b"\0" + _CHUNK + _STOP + _USAGE + _DONE, b"\3" + _CALL + _CHUNK + _STOP, b"\2" + _CHUNK + _DONE),
    ),
    "response_events": Fuzzed(
        streams.response_events,
        (
            _BEGUN,
            _WORD,
            _CALLED,
            _ARGUED,
            _ITEM,
            _COMPLETED,
            b'data: {"type":"response.incomplete","response":{}}\n\n',
            b'data: {"type":"response.completed","response":5}\n\n',
            b'data: {"type":"error","message":"x"}\n\n',
            b'"output_index":1,',
            *_JSON,
            *_LINE_ENDS,
        ),
        (
            b"\0" + _BEGUN + _WORD + _COMPLETED,
            b"\1" + _CALLED + _ARGUED + _ITEM + _COMPLETED,
            b"\2" + _WORD + _BEGUN,
        ),
    ),
    "message_events": Fuzzed(
        streams.message_events,
        (
            _MESSAGE,
            _BLOCK,
            _DELTA,
            _ENDING,
            _STOPPED,
            b'"index":0,',
            b'"delta":{"type":"input_json_delta","partial_json":"{}"}',
            b'"content_block":{"type":"thinking","signature":"s"}',
            b'data: {"type":"content_block_stop"}\n\n',
            b'data: {"type":"error"}\n\n',
            b'data: {"type":"ping"}\n\n',
            *_JSON,
            *_LINE_ENDS,
        ),
        (
            b"\0" + _MESSAGE + _DELTA + _ENDING + _STOPPED,
            b"\3" + _MESSAGE + _BLOCK + _ENDING + _STOPPED,
            b"\2" + _DELTA,
        ),
    ),
    "gemini_responses": Fuzzed(
        streams.gemini_responses,
        (
            _SAID,
            _FUNCTION,
            _ENDED,
            b'"index":1,',
            b'"error":{"message":"x"}',
            b'"promptFeedback":{"blockReason":"S"}',
            b'"thought":true',
            b'"args":{"a":1}',
            b'"inlineData":{}',
            *_JSON,
            *_LINE_ENDS,
        ),
        (
            b"\0" + _SAID + _ENDED,
            b"\2" + _FUNCTION + _SAID + _ENDED,
            b"\1" + _SAID + _ENDED,
            b"\0" + _SAID + b'data: {"error":{"message":"x"}}\n\n',
        ),
    ),
    "answer": Fuzzed(
        streams.answer,
        (
            *(
                _OK,
                b"HTTP/1.1 100 Continue\r\n\r\n",
                b"HTTP/1.0 204 N\r\n",
                b"HTTP/1.1 101 S\r\n",
                b"Content-Length: 3\r\n",
            ),
            *(
                b"Transfer-Encoding: chunked\r\n",
                b"Connection: close\r\n",
                b"3\r\nabc\r\n",
                b"0\r\n\r\n",
                b";x=y",
                b"X: y\r\n",
            ),
            *(b" ", b"\t", b"\0", b"abc", *_LINE_ENDS),
        ),
        (
            b"\0" + _OK + b"Content-Length: 3\r\n\r\nabc",
            b"\1" + _OK + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\n",
            b"\2HTTP/1.1 103 E\r\nlink: x\r\n\r\n" + _OK + b"\r\nto the end",
            b"\3HTTP/1.1 304 N\r\nContent-Length: 3\r\n\r\n",
        ),
    ),
    "request_head": Fuzzed(
        requests.request_head,
        (
            *(
                b"GET / HTTP/1.1\r\n",
                _POST,
                b"Host: a\r\n",
                b"Content-Length: 3\r\n",
                b"Transfer-Encoding: chunked\r\n",
            ),
            *(
                b"Expect: 100-continue\r\n",
                b"Connection: close\r\n",
                b"http://a/",
                b"OPTIONS * ",
                b"X: y\r\n",
                b": ",
                b" :",
            ),
            *(b"\0", b"\t", b" ", b"%00", b"[::1]:1", b"\xff", *_LINE_ENDS),
        ),
        (
            b"GET /a?b HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n",
            _POST + b"Content-Length: 10\r\nExpect: 100-continue\r\n\r\n",
            _POST + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
            b"OPTIONS * HTTP/1.0\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        ),
    ),
    "request_chunks": Fuzzed(
        requests.request_chunks,
        (
            b"3\r\nabc\r\n",
            b"0\r\n\r\n",
            b"0\r\n",
            b";a=b",
            b';a="b"',
            b"X: y\r\n",
            b"fff\r\n",
            b"003",
            b" ",
            b"\t",
            *_LINE_ENDS,
        ),
        (
            b"\0" + b"3\r\nabc\r\n0\r\n\r\n",
            b"\1" + b"A;x=y\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
            b'\2005;a="b"\r\nhello\r\n0\r\n\r\n',
        ),
    ),
    "request_body": Fuzzed(
        requests.request_body,
        (
            _CHAT,
            b'"model":',
            b'"a"',
            b'"messages":',
            b'"stream":true',
            b'"tools":[',
            b'"n":2',
            b'"role":"user"',
            *_JSON,
        ),
        (
            _CHAT,
            b'{"model":"a","messages":[{"role":"user","content":[{"type":"text","text":"x"}]}],"stream":true,"n":2}',
            b'{"model":"a","model":"b","messages":[{"role":"user","content":"x"}]}',
            b'{"messages":[],"model":"\\ud83d\\ude00","x":[[[{"a":1e5}]]]}',
        ),
    ),
    "responses_body": Fuzzed(
        requests.responses_body,
        (
            _RESPONSES,
            b'"input":[',
            b'"type":"function_call"',
            b'"type":"reasoning"',
            b'"type":"custom"',
            b'"call_id":"c"',
            b'"content":[',
            b'"tools":[',
            b'"role":"user"',
            *_JSON,
        ),
        (
            _RESPONSES,
            _ITEMS,
            b'{"model":"a","model":"b","input":"x"}',
            b'{"input":[{"type":"reasoning","summary":[],"encrypted_content":"x"}],"model":"a","x":[[{"a":1e5}]]}',
        ),
    ),
    "content": Fuzzed(
        requests.content,
        (b"\0", b"\1", b"aaaaaaaa", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"),
        (b"\0\0" + _CHAT, b"\1\0" + _CHAT * 40, b"\0\1\3\4hello", b"\1\2\4\x10\5\x20hello", b"\0\0", b"\1\0"),
    ),
}
