"""A client's request to Ollama and back, whole: bytes in, bytes out."""

import json

from lodestard.domain.settings import Upstream
from lodestard.protocols.ollama.api import OllamaCodec
from lodestard.protocols.openai.chat import StreamWriter, read_request


def test_a_streamed_chat_through_ollama() -> None:
    body = json.dumps({"model": "local", "stream": True, "messages": [{"role": "user", "content": "hi"}]}).encode()
    request = read_request(body, depth=64)
    codec = OllamaCodec()
    wire = codec.write_request(request, "llama3.1:8b", Upstream(dialect="ollama", url="http://127.0.0.1:11434"))
    assert (wire.path, wire.streamed) == ("/api/chat", True)
    assert json.loads(wire.body)["messages"] == [{"role": "user", "content": "hi"}]
    reader = codec.reader(wire)
    writer = StreamWriter(request, 7, "chatcmpl-1")
    out = writer.write(reader.feed(b'{"model":"m","message":{"content":"he"},"done":false}\n{"message":{"con'))
    out += writer.write(reader.feed(b'tent":"y"},"done":true,"done_reason":"stop"}\n'))
    assert reader.done
    out += writer.close()
    events = [line[6:] for line in out.split(b"\n") if line]
    assert events[-1] == b"[DONE]"
    texts = [json.loads(event)["choices"][0]["delta"].get("content", "") for event in events[:-1]]
    assert "".join(texts) == "hey"
