"""hf:// sources against a server of our own that answers as the hub does, in processes that may ask it."""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pytest
import zstandard
from pyarrow import parquet

from data_prep.layout import REPOSITORY_ROOT, Layout
from data_prep.receipts import Receipt

DATASET = "crawl.hi-Deva.real"


def parquet_bytes(*texts: str) -> bytes:
    out = io.BytesIO()
    parquet.write_table(pa.table({"text": list(texts), "id": [f"{text}-id" for text in texts]}), out)
    return out.getvalue()


class Hub(BaseHTTPRequestHandler):
    """The few answers huggingface_hub's file system needs of a dataset org/corpus."""

    files: dict[str, bytes]

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(self.path.split("?")[0])
        if match := re.fullmatch(r"/datasets/org/corpus/resolve/main/(.+)", path):
            self.send_file(self.files.get(match[1]))
        elif match := re.fullmatch(r"/api/datasets/org/corpus/tree/main/?(.*)", path):
            self.send_tree(match[1], deep="recursive=True" in self.path)
        elif re.fullmatch(r"/api/datasets/org/corpus(/revision/main)?", path):
            self.send_json({"id": "org/corpus", "sha": "0" * 40, "siblings": []})
        else:
            self.send_json({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})

    def send_tree(self, folder: str, *, deep: bool) -> None:
        inside = [entry for entry in self.entries() if entry["path"].startswith(folder and f"{folder}/")]
        if inside:
            self.send_json([each for each in inside if deep or str(Path(each["path"]).parent) == (folder or ".")])
        else:
            self.send_json({}, 404, {"X-Error-Code": "EntryNotFound"})

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
        wanted = re.findall(r"paths=([^&]+)", asked) or json.loads(asked)["paths"]
        self.send_json([entry for entry in self.entries() if entry["path"] in map(unquote, wanted)])

    def entries(self) -> list[dict[str, Any]]:
        folders = sorted({str(folder) for name in self.files for folder in Path(name).parents} - {"."})
        found: list[dict[str, Any]] = [
            {"type": "directory", "path": name, "oid": "d" * 40, "size": 0} for name in folders
        ]
        for name, content in self.files.items():
            large = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
            found.append({"type": "file", "path": name, "oid": "b" * 40, "size": len(content), "lfs": large})
        return found

    def send_file(self, content: bytes | None) -> None:
        if content is None:
            self.send_json({}, 404)
            return
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first, last = (int(span[1]), int(span[2] or len(content) - 1)) if span else (0, len(content) - 1)
        part = content[first : last + 1]
        self.send_response(206 if span else 200)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(content)}")
        self.send_header("ETag", '"x"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(part)

    def send_json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@pytest.fixture
def hub() -> Iterator[str]:
    """The address of a hub with one dataset."""
    Hub.files = {
        "README.md": b"# corpus",
        "data/hin/1.parquet": parquet_bytes("दूसरी"),
        "data/hin/0.parquet": parquet_bytes("पहली", "फ़ाइल"),
        "data/eng/0.parquet": parquet_bytes("other"),
        "lines/a.jsonl.zst": zstandard.compress('{"id": "l", "text": "पंक्ति"}\n'.encode()),
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def prep(folder: Path, address: str, endpoint: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`langadapt prep` of a hub source, stage ingest alone."""
    config = folder / "prep.yaml"
    config.write_text(
        f"""
output_dir: {folder / "data"}
stage: ingest
sources:
  - {{path: "{address}", lang: hi-Deva, kind: real, source: crawl, license: CC0-1.0}}
"""
    )
    return subprocess.run(
        [sys.executable, "-m", "recipes.cli", "prep", str(config)],
        env={
            **os.environ,
            "HF_ENDPOINT": endpoint,
            "HF_HUB_OFFLINE": "0",
            "HF_HOME": str(folder / "hf"),
            **environment,
        },
        cwd=REPOSITORY_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_files_of_the_hub_are_streamed_and_known_by_their_checksum(hub: str, tmp_path: Path) -> None:
    address = "hf://datasets/org/corpus/data/hin/*.parquet"
    done = prep(tmp_path, address, hub)
    assert done.returncode == 0, done.stderr
    folder = Layout(tmp_path / "data").folder("ingest", DATASET)
    first, second = (Receipt.load(folder / f"0000{index}.receipt.json") for index in (0, 1))
    assert (first.documents, second.documents) == (2, 1)
    checksum = hashlib.sha256(Hub.files["data/hin/0.parquet"]).hexdigest()
    size = len(Hub.files["data/hin/0.parquet"])
    assert first.details["hub"] == {
        "file": "hf://datasets/org/corpus/data/hin/0.parquet",
        "content": f"sha256:{checksum} {size} bytes",
    }
    assert "2 of 2 up to date, skipped" in prep(tmp_path, address, hub).stdout
    Hub.files["data/hin/1.parquet"] = parquet_bytes("दूसरी", "नई")
    assert "1 of 2 up to date, skipped" in prep(tmp_path, address, hub).stdout
    assert Receipt.load(folder / "00001.receipt.json").documents == 2


@pytest.mark.parametrize("place", ["lines", "lines/a.jsonl.zst"])
def test_a_folder_or_one_file_of_the_hub_reads_like_local_ones(hub: str, tmp_path: Path, place: str) -> None:
    done = prep(tmp_path, f"hf://datasets/org/corpus/{place}", hub)
    assert done.returncode == 0, done.stderr
    assert Receipt.load(Layout(tmp_path / "data").stage_receipt("ingest", DATASET, "00000")).documents == 1


@pytest.mark.parametrize(
    ("address", "environment", "status", "message"),
    [
        (
            "org/corpus/data",
            {"HF_HUB_OFFLINE": "1"},
            2,
            r"HF_HUB_OFFLINE forbids to ask it(.|\n)*HF_HUB_OFFLINE=0 lang",
        ),
        ("org/none/data/*.parquet", {}, 2, r"the hub has no such file, or not for you(.|\n)*HF_TOKEN"),
        ("org/corpus/none.parquet", {}, 2, r"the hub has no such file"),
        ("org/corpus/data/*.csv", {}, 2, r"the hub has no file of this pattern"),
        (
            "org/corpus/data/*",
            {"HF_ENDPOINT": "http://127.0.0.1:9"},
            1,
            r"cannot be reached: ConnectionError(.|\n)*path",
        ),
    ],
)
def test_what_the_hub_cannot_give_ends_in_a_message(
    hub: str, tmp_path: Path, address: str, environment: dict[str, str], status: int, message: str
) -> None:
    done = prep(tmp_path, f"hf://datasets/{address}", hub, **environment)
    assert done.returncode == status, done.stderr
    assert re.search(message, done.stderr)
    assert "Traceback" not in done.stderr
