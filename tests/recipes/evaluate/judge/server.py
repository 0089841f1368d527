"""A real HTTP server with OpenAI's chat completions: replies by a script, by a function, or not at all."""

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

AXES = ("Factual Accuracy", "Relevance", "Clarity", "Language Consistency", "Conciseness", "Overall")


def grades(grade: float = 4.0, **changed: Any) -> str:
    return json.dumps({**dict.fromkeys(AXES, grade), **changed})


class JudgeServer(ThreadingHTTPServer):
    """Each request takes the next of `script`, then `reply` of its prompt.

    A number is a status; "hang" outlasts the client; "drop" closes the connection; bytes are a body; the rest is what
    the model says. `asked` counts prompts.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[Any] = []
        self.reply: Callable[[str], Any] = lambda _: grades()
        self.finish = "stop"
        self.usage: dict[str, int] | None = {"prompt_tokens": 100, "completion_tokens": 20}
        self.key: str | None = None
        self.delay = 0.0
        self.dies_after: int | None = None
        self.asked: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.under_way = self.most_under_way = 0
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def requests(self) -> int:
        return self.asked.total()

    def take(self, body: dict[str, Any]) -> Any:
        prompt = body["messages"][-1]["content"]
        with self.lock:
            self.asked[prompt] += 1
            self.bodies.append(body)
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            given = self.script.pop(0) if self.script else None
            dead = self.dies_after is not None and self.requests > self.dies_after
        time.sleep(self.delay)
        with self.lock:
            self.under_way -= 1
        if dead:
            return "drop"
        return self.reply(prompt) if given is None else given


class _Handler(BaseHTTPRequestHandler):
    server: JudgeServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._send(200, json.dumps({"object": "list", "data": [{"id": "judge-7b", "object": "model"}]}).encode())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        given = self.server.take(body)
        authorization = self.headers.get("Authorization")
        if self.server.key is not None and authorization != f"Bearer {self.server.key}":
            self._error(401, f"wrong key {authorization}")
        elif body["model"] != "judge":
            self._error(404, f"The model `{body['model']}` does not exist.")
        elif given == "hang":
            time.sleep(0.6)
            self._error(500, "late")
        elif given == "drop":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif isinstance(given, int):
            self._error(given, f"no, {authorization}")
        else:
            self._send(200, given if isinstance(given, bytes) else json.dumps(self._completion(given)).encode())

    def _completion(self, content: str | None) -> dict[str, Any]:
        message = {"role": "assistant", "content": content}
        choice = {"index": 0, "message": message, "finish_reason": self.server.finish}
        return {"id": "1", "object": "chat.completion", "model": "judge-2411", "choices": [choice]} | (
            {"usage": self.server.usage} if self.server.usage else {}
        )

    def _error(self, status: int, message: str) -> None:
        self._send(status, json.dumps({"error": {"message": message}}).encode())

    def _send(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Retry-After-Ms", "1")
        self.end_headers()
        try:
            self.wfile.write(data)
        except OSError:
            self.close_connection = True
