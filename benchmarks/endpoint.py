"""A server with OpenAI's chat completions that answers at once: letter by letter to Devanagari, and Devanagari back.

    python -m benchmarks.endpoint PORT_FILE

For benchmarks of everything but the engine: a process of its own, so that nothing of it counts as ours.
"""

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import ascii_lowercase
from typing import Any

_CONSONANTS = "कखगघचछजझटठडढतथदधनपफबभमयरलव"[: len(ascii_lowercase)]
_THERE = str.maketrans(ascii_lowercase, _CONSONANTS)
_BACK = str.maketrans(_CONSONANTS, ascii_lowercase)
_PLACEHOLDER = re.compile(r"(<ID\d+>)")


def translate(segment: str) -> str:
    """Its like in the other script, placeholders kept."""
    table = _BACK if any(char in _CONSONANTS for char in segment) else _THERE
    parts = _PLACEHOLDER.split(segment)
    return "".join(part if number % 2 else part.lower().translate(table) for number, part in enumerate(parts))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        items = json.loads(body["messages"][-1]["content"])
        answers = [{"id": item["id"], "text": translate(item["text"])} for item in items]
        message = {"role": "assistant", "content": json.dumps(answers, ensure_ascii=False)}
        data = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main() -> None:
    """Serve until killed; the port stands in a file."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    Path(sys.argv[1]).write_text(str(server.server_address[1]))
    server.serve_forever()


if __name__ == "__main__":
    main()
