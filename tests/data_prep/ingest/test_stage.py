import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from data_prep import pipeline
from data_prep.documents import Document, Reject
from data_prep.errors import DataError, UsageError
from data_prep.files import open_binary, read_shard
from data_prep.flow import shards_into
from data_prep.ingest import stage as ingest
from data_prep.ingest.stage import number_parts
from data_prep.layout import Layout
from data_prep.prep_settings import PrepSettings
from data_prep.receipts import Receipt, Tally
from data_prep.settings import load

Make = Callable[[str, bytes], Path]
DATASET = "news.hi-Deva.real"


def lines(count: int, word: str = "पाठ") -> bytes:
    return b"".join(f'{{"id": {n}, "text": "{word} {n}"}}\n'.encode() for n in range(count))


def settings(folder: Path, **changes: Any) -> PrepSettings:
    values: dict[str, Any] = {
        "output_dir": str(folder / "data"),
        "stage": "ingest",
        "sources": [
            {"path": str(folder / "in"), "lang": "hi-Deva", "kind": "real", "source": "news", "license": "CC0-1.0"}
        ],
        **changes,
    }
    config = folder / "prep.yaml"
    config.write_text(yaml.safe_dump(values), "utf-8")
    return load(PrepSettings, [config])


def run(folder: Path, **changes: Any) -> Layout:
    layout = settings(folder, **changes).layout
    assert pipeline.main([folder / "prep.yaml"], [], dry_run=False) == 0
    return layout


def snapshot(layout: Layout) -> dict[str, bytes]:
    files = [*(layout.root / "ingest").rglob("*.jsonl.zst"), *(layout.root / "rejects").rglob("*.jsonl.zst")]
    return {path.relative_to(layout.root).as_posix(): path.read_bytes() for path in files}


def test_each_file_becomes_shards_rejects_and_one_receipt(make_file: Make, tmp_path: Path) -> None:
    make_file("in/a.jsonl", lines(5))
    make_file("in/b.txt.gz", "अकेला".encode())
    layout = run(tmp_path)
    assert sorted(snapshot(layout)) == [
        f"ingest/{DATASET}/00000.jsonl.zst",
        f"ingest/{DATASET}/00001.jsonl.zst",
        f"rejects/ingest/{DATASET}/00000.jsonl.zst",
        f"rejects/ingest/{DATASET}/00001.jsonl.zst",
    ]
    receipt = Receipt.load(layout.stage_receipt("ingest", DATASET, "00001"))
    assert receipt.details == {"format": "text", "parts": 1}
    assert receipt.counts == {"in": 1, "kept": 1, "dropped": {}}
    assert next(iter(receipt.inputs)).endswith("in/b.txt.gz")


def test_a_large_file_is_cut_and_later_stages_find_every_part(make_file: Make, tmp_path: Path) -> None:
    make_file("in/a.jsonl", lines(40))
    make_file("in/b.jsonl", lines(3))
    prep = settings(tmp_path, ingest={"shard_characters": 60})
    assert pipeline.main([tmp_path / "prep.yaml"], [], dry_run=False) == 0
    shards = shards_into(prep, "clean")
    assert {shard.name for shard in shards} == {"00000", "00000-001", "00000-002", "00000-003", "00001"}
    ids = [document.id for name in sorted(shards, key=lambda s: s.name) for document in read_shard(name.path)]
    assert ids == [*map(str, range(40)), "0", "1", "2"]
    assert all(sum(len(d.text) for d in read_shard(shard.path)) <= 60 for shard in shards)
    assert Receipt.load(prep.layout.stage_receipt("ingest", DATASET, "00000")).details["parts"] == 4


def test_parts_of_an_earlier_longer_file_are_gone(make_file: Make, tmp_path: Path) -> None:
    make_file("in/a.jsonl", lines(40))
    layout = run(tmp_path, ingest={"shard_characters": 60})
    make_file("in/a.jsonl", lines(15))
    run(tmp_path, ingest={"shard_characters": 60})
    assert sorted(path.name for path in layout.folder("ingest", DATASET).iterdir()) == [
        "00000-001.jsonl.zst",
        "00000.jsonl.zst",
        "00000.receipt.json",
    ]


@pytest.mark.parametrize("change", ["added first", "removed", "renamed"])
def test_a_changed_list_of_files_gives_what_a_fresh_run_gives(
    make_file: Make, tmp_path: Path, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "bcd":
        make_file(f"in/{name}.jsonl", lines(3, name))
    run(tmp_path)
    capsys.readouterr()
    if change == "added first":
        make_file("in/a.jsonl", lines(3, "a"))
    elif change == "removed":
        (tmp_path / "in/c.jsonl").unlink()
    else:
        (tmp_path / "in/b.jsonl").rename(tmp_path / "in/e.jsonl")
    changed = run(tmp_path)
    said = " ".join(capsys.readouterr().out.split())
    if change == "removed":
        assert "00002.receipt.json: what it was made from is no longer there" in said
        assert "1 of 2 up to date" in said
    fresh = run(tmp_path, output_dir=str(tmp_path / "fresh"))
    assert snapshot(changed) == snapshot(fresh)


def test_a_second_run_reads_nothing(make_file: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_file("in/a.jsonl", lines(3))
    run(tmp_path)
    capsys.readouterr()
    run(tmp_path)
    assert capsys.readouterr().out == "ingest: 1 of 1 up to date, skipped\n"


def test_workers_and_interruptions_do_not_change_a_byte(make_file: Make, tmp_path: Path) -> None:
    for name in "abc":
        make_file(f"in/{name}.jsonl", lines(30, name) + b"broken\n")
    cut = {"ingest": {"shard_characters": 60}, "on_bad_line": "reject"}
    one = snapshot(run(tmp_path, **cut))
    layout = run(tmp_path, **cut, output_dir=str(tmp_path / "two"), workers=2)
    assert snapshot(layout) == one
    layout.stage_receipt("ingest", DATASET, "00001").unlink()
    layout.stage_shard("ingest", DATASET, "00001").write_bytes(b"half")
    layout.stage_shard("ingest", DATASET, "00001-077").write_bytes(b"stale")
    assert snapshot(run(tmp_path, **cut, output_dir=str(tmp_path / "two"))) == one


def test_every_row_ends_exactly_once(make_file: Make, tmp_path: Path) -> None:
    rows = [b'{"id": %d, "text": "x"}\n' % n if n % 3 else b"broken\n" for n in range(90)]
    make_file("in/a.jsonl", b"".join(rows))
    layout = run(tmp_path, on_bad_line="reject", ingest={"shard_characters": 7})
    receipt = Receipt.load(layout.stage_receipt("ingest", DATASET, "00000"))
    kept = [
        document.id
        for name in receipt.outputs
        if "/" not in name
        for document in read_shard(layout.folder("ingest", DATASET) / name)
    ]
    with open_binary(layout.rejects("ingest", DATASET, "00000")) as rejects:
        reasons = [json.loads(line)["reason"] for line in rejects]
    assert (len(kept), len(set(kept)), reasons) == (60, 60, ["not_json"] * 30)
    assert receipt.counts == {"in": 90, "kept": 60, "dropped": {"not_json": 30}}


def test_input_is_refused_before_any_work(make_file: Make, tmp_path: Path) -> None:
    make_file("in/a.jsonl", lines(3))
    make_file("in/b.jsonl", b"broken\n")
    with pytest.raises(DataError, match=r"not valid JSON(.|\n)*b\.jsonl:1"):
        run(tmp_path)
    assert not (tmp_path / "data").exists()
    with pytest.raises(UsageError, match="this input file does not exist"):
        run(tmp_path, sources=[settings(tmp_path).sources[0].__dict__ | {"path": "no/such.jsonl"}])


def test_a_later_change_of_a_reading_rule_reads_again(
    make_file: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_file("in/a.jsonl", lines(3))
    run(tmp_path)
    capsys.readouterr()
    run(tmp_path, ingest={"shard_characters": 8})
    assert "up to date" not in capsys.readouterr().out


def document(text: str) -> Document:
    tags = {"lang": "hi-Deva", "kind": "real", "source": "s", "license": "CC0-1.0", "parent_id": None, "group": "g"}
    return Document(id="1", text=text, **tags)  # type: ignore[arg-type]


def test_a_shard_takes_documents_until_it_is_full() -> None:
    sizes = [4, 4, 4, 20, 1, 10, 10, 0, 1]
    parts = [part for part, _ in number_parts(map(document, map("x".__mul__, sizes)), 10)]
    assert parts == [0, 0, 1, 2, 3, 4, 5, 5, 6]


def test_a_failed_task_leaves_no_half_file_while_its_error_is_held(make_file: Make, tmp_path: Path) -> None:
    """The error holds the frames of what failed, and a worker may be ended before they are collected."""
    make_file("in/a.jsonl", b"")
    (task,) = ingest.stage(settings(tmp_path)).tasks
    records = [Reject(id="r", reason="bad", where="f:1", text=""), document("lone surrogate \ud800")]
    with pytest.raises(UnicodeEncodeError) as held:
        task.write(records, Tally())
    assert held.tb is not None
    assert [path for path in (tmp_path / "data").rglob("*") if path.is_file()] == []
