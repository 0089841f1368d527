"""Faults of a whole preparation: kills, full disks and bad or hostile input. Nothing is lost, nothing is half there."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from data_prep import pipeline
from data_prep.documents import Document
from data_prep.errors import UsageError
from data_prep.files import open_binary, read_shard, sha256_file
from data_prep.layout import RECEIPT_SUFFIX, REPOSITORY_ROOT, SHARD_SUFFIX
from data_prep.receipts import Receipt

from .conftest import write_jsonl

SAMPLE = REPOSITORY_ROOT / "nemo_configs" / "data" / "sample.yaml"
HINDI = REPOSITORY_ROOT / "data_prep" / "sample_corpus" / "documents.hi.jsonl"
STAGES = ("clean", "dedup", "decontaminate", "perplexity", "split")


def command(root: Path, *overrides: str, config: Path = SAMPLE) -> list[str]:
    return [sys.executable, "-m", "recipes.cli", "prep", str(config), f"output_dir={root}", *overrides]


def start(root: Path, *overrides: str, **options: Any) -> "subprocess.Popen[str]":
    """A run in a process group of its own."""
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command(root, *overrides), cwd=REPOSITORY_ROOT, start_new_session=True, **(pipes | options))


def prep(root: Path, *overrides: str, config: Path = SAMPLE) -> None:
    assert pipeline.main([config], [f"output_dir={root}", *overrides], dry_run=False) == 0


def outputs(root: Path) -> dict[str, str]:
    """Checksums of all a run made but its logs and receipts, which hold times."""
    files = [path for path in root.rglob("*") if path.is_file() and "logs" not in path.parts and path.name != ".lock"]
    return {str(path.relative_to(root)): sha256_file(path) for path in files if "receipt.json" not in path.name}


def receipts(root: Path) -> dict[str, Receipt]:
    return {str(path.relative_to(root)): Receipt.load(path) for path in root.rglob(f"*{RECEIPT_SUFFIX}")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample corpus through every stage, never interrupted. Read only."""
    root = tmp_path_factory.mktemp("whole")
    prep(root)
    return root


def kill_group(process: "subprocess.Popen[str]") -> None:
    os.killpg(process.pid, signal.SIGKILL)


def kill_driver(process: "subprocess.Popen[str]") -> None:
    """As a user or the kernel does; the workers must not live on and write beside the next run's."""
    process.kill()
    process.wait()
    deadline = time.monotonic() + 5
    while _is_alive(process.pid):
        assert time.monotonic() < deadline, "workers outlive the process that started them"
        time.sleep(0.01)


def kill_worker(process: "subprocess.Popen[str]") -> None:
    """One worker, at once or the next that starts; the run ends with an error that says so, or had all it needed."""
    driver = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            workers = [each for child in driver.children() for each in child.children()]
            if workers:
                workers[0].kill()
                break
        except psutil.NoSuchProcess:
            continue
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (0, 1)
    assert not process.returncode or "ended without a receipt" in errors
    assert not process.returncode or "run the same command again" in errors
    assert "Traceback" not in errors


def _is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize(
    "kill", [kill_group, *(pytest.param(kill, marks=pytest.mark.long) for kill in (kill_driver, kill_worker))]
)
def test_killed_runs_are_finished_with_the_same_bytes(
    whole: Path, tmp_path: Path, kill: Callable[["subprocess.Popen[str]"], None]
) -> None:
    root, draw, killed = tmp_path / "killed", random.Random(kill.__name__), 0
    while killed < 5:
        process = start(root, "workers=2")
        time.sleep(draw.uniform(0.6, 1.8))
        if process.poll() is None:
            kill(process)
            killed += 1
        else:
            assert process.returncode == 0, process.stderr and process.stderr.read()
            shutil.rmtree(root)
        process.communicate()
    prep(root, "workers=2")
    assert outputs(root) == outputs(whole)


def test_every_document_ends_once_in_documents_or_in_rejects(whole: Path) -> None:
    """Also children, which are documents of their own from where they were made."""
    for path, receipt in receipts(whole).items():
        counts = receipt.counts
        assert counts["in"] == counts["kept"] + sum(counts["dropped"].values()), path
    for maker in ("ingest", "translate"):
        for folder in sorted(path for path in (whole / maker).iterdir() if path.name[0] != "_"):
            left_out = [whole / "rejects" / stage / folder.name for stage in STAGES]
            assert ids(folder) == ids(whole / "documents" / folder.name, *left_out)
    finished = [path for path in (whole / "documents").iterdir() if ".hi-Deva." in path.name]
    children = [path for path in (whole / "documents").iterdir() if ".hi-Latn." in path.name]
    left_out = [whole / "rejects" / "romanize" / path.name for path in children]
    parents = Counter(document.parent_id for path in children for document in documents(path))
    assert ids(*finished) == parents + ids(*left_out)
    assert max(ids(*(whole / "documents").iterdir()).values()) == 1


def documents(folder: Path) -> Iterator[Document]:
    for path in sorted(folder.rglob(f"*{SHARD_SUFFIX}")):
        yield from read_shard(path)


def ids(*folders: Path) -> "Counter[str | None]":
    """How often each id is in the shards of documents or rejects."""
    paths = [path for folder in folders for path in folder.rglob(f"*{SHARD_SUFFIX}")]
    return Counter(json.loads(line)["id"] for path in paths for line in open_binary(path))


def test_a_file_that_cannot_grow_ends_the_run_and_nothing_else(whole: Path, tmp_path: Path) -> None:
    """The limit on the size of a file stands for a full disk: writes fail in the same place with the same words."""
    root = tmp_path / "full"
    for workers, limit in ((1, 300), (2, 3_000), (1, 10_000), (2, 30_000)):
        set_limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (limit, limit))
        process = start(root, f"workers={workers}", preexec_fn=set_limit)
        _, errors = process.communicate(timeout=60)
        check_full(process.returncode, errors, root)
    prep(root)
    assert outputs(root) == outputs(whole)


def test_a_full_disk_ends_the_run_and_nothing_else(whole: Path, tmp_path: Path) -> None:
    root, copy, mount = tmp_path / "disk", tmp_path / "copy", "mount -t tmpfs -o size={} tmpfs '{}'"
    root.mkdir()
    if subprocess.run(
        ["unshare", "-m", "sh", "-c", mount.format("1m", root)], check=False, capture_output=True
    ).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    run = " ".join(f"'{word}'" for word in command(root))
    script = (
        f"{mount.format('500k', root)} || exit; {run} > /dev/null; echo code $? >&2; cp -a '{root}' '{copy}';"
        f"mount -o remount,size=100m '{root}'; {run} > /dev/null && cp -a '{root}' '{tmp_path}/again'"
    )
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script], cwd=REPOSITORY_ROOT, capture_output=True, text=True, check=True
    )
    errors, code = done.stderr.rsplit("code ", 1)
    check_full(int(code), errors, root)
    check_whole(copy)
    assert outputs(tmp_path / "again") == outputs(whole)


def check_full(code: int, errors: str, root: Path) -> None:
    """The error names a path and what to do, and what was left is whole."""
    assert code == 1, errors
    assert "cannot write any more" in errors
    assert f"where: {root}" in errors
    assert "run the same command again" in errors
    assert "Traceback" not in errors
    assert "Logging error" not in errors
    check_whole(root)


def check_whole(root: Path) -> None:
    """Receipts describe what is there, and every shard that has its name can be read to the end."""
    for name, receipt in receipts(root).items():
        folder = (root / name).parent
        for output, facts in receipt.outputs.items():
            assert sha256_file(folder / output) == facts["sha256"]
    for path in root.rglob(f"*{SHARD_SUFFIX}"):
        if path.name[0] != ".":
            assert all(map(json.loads, open_binary(path)))
    assert not list(root.rglob(".*.tmp"))


def with_hindi(folder: Path, path: Path) -> Path:
    """The sample's YAML with other Hindi documents."""
    settings = yaml.safe_load(SAMPLE.read_text("utf-8"))
    settings["sources"][1]["path"] = str(path)
    config = folder / "prep.yaml"
    config.write_text(yaml.safe_dump(settings), "utf-8")
    return config


PEAK = "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]); "
PEAK += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr); sys.exit(code)"
"""Runs a command from a small process: a child starts with the peak memory of what forked it."""


def test_all_kinds_of_bad_lines_together_are_counted_in_bounded_memory(tmp_path: Path) -> None:
    source = tmp_path / "hindi"
    source.mkdir()
    good = HINDI.read_bytes().splitlines(keepends=True)
    bad = [b"{broken\n", b'{"id": "u", "text": "\xff\xfe"}\n', b"\n", b"null\n", b"[1]\n"]
    bad += [b'{"id": null, "text": "a"}\n', b'{"id": "n", "text": null}\n', b'{"id": "z", "text": "a\\u0000b"}\n']
    with (source / "a.jsonl").open("wb") as file:
        file.writelines([*good[:40], *bad, *good[40:], *good[:3]])
        file.write(b'{"id": "long", "text": "')
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n')
    (source / "empty.jsonl").touch()
    root = tmp_path / "data"
    words = command(root, "on_bad_line=reject", "perplexity.memory=200M", config=with_hindi(tmp_path, source))
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *words], cwd=REPOSITORY_ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stderr.split()[-1]) < 500_000  # kilobytes; the libraries alone take 250,000
    dropped = Receipt.load(root / "ingest" / "sample.hi-Deva.real" / "00000.receipt.json").counts["dropped"]
    assert sum(dropped.values()) == len(bad) + 1
    assert dropped.keys() >= {"not_json", "not_utf8", "empty_line", "missing_id", "nul_character", "line_too_long"}
    empty = Receipt.load(root / "ingest" / "sample.hi-Deva.real" / "00001.receipt.json")
    assert empty.counts["dropped"] == {"empty_file": 1}
    left_out = [root / "rejects" / stage / "sample.hi-Deva.real" for stage in STAGES]
    product = root / "documents" / "sample.hi-Deva.real"
    assert ids(root / "ingest" / "sample.hi-Deva.real") == ids(product, *left_out)
    assert max(ids(product).values()) == 1
    assert sum(ids(root / "rejects" / "dedup" / "sample.hi-Deva.real").values()) >= 3


def test_hostile_text_is_carried_as_text(tmp_path: Path) -> None:
    """Paths are not opened, commands, templates, markup and interpolations not evaluated, ids are no file names."""
    canary = tmp_path / "canary"
    hostile = [
        f"$(touch {canary}) `touch {canary}` ; touch {canary} | sh",
        f"__import__('os').system('touch {canary}') {{{{ 7*7 }}}} {{0.__class__}} %(x)s ${{oc.env:HOME}}",
        f"<script>fetch('file://{canary}')</script><!--#exec cmd='touch {canary}'--> [bold]x[/bold] <unk></s> \\u0000",
        "../../../../etc/passwd /dev/zero file:///dev/random hf://x/y \x1b[2J",
    ]
    source = write_jsonl(
        tmp_path / "hostile.jsonl",
        [
            {"id": f"../../../{text[:30]}/{n}", "text": f"{text}\n\n{json.loads(line)['text']}", "pair": f"[/x]{n}"}
            for n, (text, line) in enumerate(zip(hostile * 4, HINDI.read_text("utf-8").splitlines(), strict=False))
        ],
    )
    root = tmp_path / "data"
    prep(root, "clean.enabled=false", "workers=2", config=with_hindi(tmp_path, source))
    given = {each["id"]: each["text"] for each in map(json.loads, source.read_text("utf-8").split("\n")[:-1])}
    found = {document.id: document.text for document in documents(root / "documents" / "sample.hi-Deva.real")}
    assert found == given
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "hostile.jsonl", "prep.yaml"]


def test_two_runs_in_one_folder_refuse_each_other(whole: Path, tmp_path: Path) -> None:
    with (
        pipeline.hold(tmp_path),
        pytest.raises(UsageError, match=rf"(?s)another process .*pid {os.getpid()} .*{tmp_path}.*another output_dir"),
    ):
        prep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    prep(whole)
    assert (whole / ".lock").read_bytes() == b""
