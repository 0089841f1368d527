"""A real HTTP server that speaks OpenAI's chat completions and, on request, misbehaves as real ones do."""

import json
import re
import socket
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CONSONANTS = "कखगघचछजझटठडढतथदधनपफबभमयरलव"
_PLACEHOLDER_OR_LETTER = re.compile(r"<ID\d+>|[a-z]", re.IGNORECASE)


def pseudo_hindi(segment: str) -> str:
    """A deterministic text in Devanagari of the same length, placeholders kept."""

    def one(found: re.Match[str]) -> str:
        text = found[0]
        return text if len(text) > 1 else CONSONANTS[ord(text.lower()) - ord("a")]

    return _PLACEHOLDER_OR_LETTER.sub(one, segment)


class TranslationServer(ThreadingHTTPServer):
    """Answers each request by the next mood, then well. `asked` counts how often each segment was asked for."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.moods: list[str] = []
        self.always = "well"
        self.poison = ""
        """Segments that hold this text get a 500, alone or in a batch."""
        self.key: str | None = None
        self.delay = 0.0
        self.requests = 0
        self.asked: Counter[str] = Counter()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def next_mood(self, texts: list[str]) -> str:
        with self.lock:
            self.requests += 1
            self.asked.update(texts)
            mood = self.moods.pop(0) if self.moods else self.always
        return "error" if self.poison and any(self.poison in text for text in texts) else mood


class _Handler(BaseHTTPRequestHandler):
    server: TranslationServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        items = json.loads(body["messages"][-1]["content"])
        mood = self.server.next_mood([item["text"] for item in items])
        time.sleep(self.server.delay)
        if self.server.key is not None and self.headers.get("Authorization") != f"Bearer {self.server.key}":
            self._send(401, f"wrong key {self.headers.get('Authorization')}")
        elif mood == "hang":
            time.sleep(1.5)
            self._send(200, "late")
        elif mood in ("error", "busy", "missing", "bad_request"):
            self._send({"error": 500, "busy": 429, "missing": 404, "bad_request": 400}[mood], "no")
        elif mood == "html":
            self._send(200, "<!DOCTYPE html><html><body>Sign in</body></html>", "text/html")
        elif mood == "drop":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self._send(200, json.dumps(_completion(mood, items)))

    def _send(self, status: int, text: str, kind: str = "application/json") -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if status == 429:
            self.send_header("Retry-After", "0")
        self.end_headers()
        try:
            self.wfile.write(data)
        except OSError:
            self.close_connection = True


def _completion(mood: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    answers = [{"id": item["id"], "text": pseudo_hindi(item["text"])} for item in items]
    if mood == "short":
        answers = answers[:-1]
    if mood == "shuffled":
        answers = answers[::-1]
    if mood == "numbers":
        answers[0]["text"] = 7  # type: ignore[assignment]
    content = json.dumps(answers, ensure_ascii=mood == "escaped")
    if mood == "fenced":
        content = f"```json\n{content}\n```"
    if mood == "chatty":
        content = f"Here you are: {content}"
    if mood == "markup":
        content = "<p>hello</p>"
    finish = "length" if mood == "cut" else "stop"
    return {"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": finish}]}
