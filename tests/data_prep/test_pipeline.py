import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_prep import pipeline
from data_prep.errors import DataError, UsageError
from data_prep.files import sha256_file
from data_prep.layout import Layout

from .conftest import make_corpus

SAMPLE = Path(__file__).parents[2] / "nemo_configs" / "data" / "sample.yaml"


def prep(config: Path, *overrides: str, dry_run: bool = False) -> int:
    return pipeline.main([config], list(overrides), dry_run=dry_run)


def outputs(root: Path) -> dict[str, str]:
    """Checksums of everything but receipts and logs, which hold times."""
    files = [path for path in root.rglob("*") if path.is_file() and "logs" not in path.parts]
    return {str(path.relative_to(root)): sha256_file(path) for path in files if "receipt.json" not in path.name}


def test_the_sample_corpus_is_prepared_in_seconds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    started = time.process_time()
    assert prep(SAMPLE, f"output_dir={tmp_path}") == 0
    assert time.process_time() - started < 10
    layout = Layout(tmp_path)
    for dataset in ("sample.en-Latn.real", "sample.hi-Deva.real", "sample.hi-Latn.romanized"):
        for split in ("train", "heldout"):
            assert layout.prefix(dataset, split).with_name(f"{dataset}_text_document.idx").is_file()
    out = capsys.readouterr().out
    for title in (
        "ingest",
        "clean",
        "dedup documents",
        "romanize",
        "tokenizer",
        "tokenize datasets",
        "instruct examples",
    ):
        assert f"{title} (" in out
    assert "dropped by reason" in out


def test_a_second_run_does_nothing_and_says_so(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prep(corpus)
    root = corpus.parent / "data"
    before = {path: path.stat().st_mtime_ns for path in root.rglob("[!.]*")}
    capsys.readouterr()
    prep(corpus)
    assert capsys.readouterr().out.splitlines() == [
        "ingest: 2 of 2 up to date, skipped",
        "split: 2 of 2 up to date, skipped",
        "romanize: 1 of 1 up to date, skipped",
        "tokenizer: 1 of 1 up to date, skipped",
        "tokenize datasets: 6 of 6 up to date, skipped",
        "instruct: 2 of 2 up to date, skipped",
        "audit: 1 of 1 up to date, skipped",
        f"open {root}/audit/audit.html",
    ]
    assert {path: path.stat().st_mtime_ns for path in root.rglob("[!.]*")} == before


def test_an_edited_source_is_noticed_and_the_other_left_alone(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prep(corpus)
    source = corpus.parent / "documents.en.jsonl"
    source.write_text(source.read_text("utf-8").replace("river", "stream"), "utf-8")
    capsys.readouterr()
    prep(corpus)
    out = capsys.readouterr().out
    assert "ingest: 1 of 2 up to date" in out
    assert "romanize: 1 of 1 up to date" in out
    assert "tokenizer: 1 of 1" not in out
    assert "tokenize datasets: " not in out


def test_workers_change_nothing_but_time(corpus: Path, tmp_path: Path) -> None:
    prep(corpus, f"output_dir={tmp_path}/one")
    prep(corpus, f"output_dir={tmp_path}/two", "workers=2")
    assert outputs(tmp_path / "one") == outputs(tmp_path / "two")


def test_a_killed_run_is_finished_by_the_next_with_the_same_bytes(corpus: Path, tmp_path: Path) -> None:
    prep(corpus, f"output_dir={tmp_path}/whole")
    script = "from data_prep import pipeline as p; from pathlib import Path; import sys; "
    script += "p.main([Path(sys.argv[1])], [sys.argv[2]], dry_run=False)"
    root = tmp_path / "killed"
    for seed in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(corpus), f"output_dir={root}"], stdout=subprocess.DEVNULL
        )
        time.sleep(random.Random(seed).uniform(0.5, 1.5))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    prep(corpus, f"output_dir={root}")
    assert outputs(root) == outputs(tmp_path / "whole")


def test_one_stage_can_run_alone_once_the_earlier_ones_have(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match=r"tokenize has nothing to read yet: stage ingest has not(.|\n)*leave out"):
        prep(corpus, "stage=tokenize")
    prep(corpus)
    capsys.readouterr()
    prep(corpus, "stage=tokenize")
    assert capsys.readouterr().out == "tokenize datasets: 6 of 6 up to date, skipped\n"


def test_a_ready_tokenizer_is_used_as_it_is(corpus: Path, small_prep: Layout, tmp_path: Path) -> None:
    ready = small_prep.tokenizer
    prep(corpus, f"output_dir={tmp_path}/out", f"tokenizer.model={ready}")
    assert sha256_file(Layout(tmp_path / "out").tokenizer) == sha256_file(ready)


def test_rejected_lines_are_in_the_table_and_in_the_rejects(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (corpus.parent / "documents.en.jsonl").open("a") as file:
        file.write("broken\n\n")
    with pytest.raises(DataError, match=r"documents\.en\.jsonl:61"):
        prep(corpus)
    prep(corpus, "on_bad_line=reject")
    assert "empty_line 1, not_json 1" in capsys.readouterr().out


def test_a_dry_run_checks_everything_and_writes_nothing(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prep(corpus, dry_run=True) == 0
    assert "tokenize: heldout/small.hi-Latn.romanized: to do" in capsys.readouterr().out
    assert not (corpus.parent / "data").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sources.0.path=/none/x.jsonl", r"does not exist(.|\n)*/none/x\.jsonl"),
        ("instruct.chat=/none/chat.jsonl", r"does not exist(.|\n)*chat\.jsonl"),
        ("tokenizer.model=/none/t.model", r"does not exist(.|\n)*t\.model"),
        ("tokenizer.vocab_size=100", r"leaves no room for text(.|\n)*tokenizer"),
        ("tokenizer.vocabsize=100", r"did you mean 'vocab_size'"),
        ("stage=tokenise", r"did you mean 'tokenize'"),
    ],
)
def test_what_cannot_work_is_refused_before_any_work(corpus: Path, override: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        prep(corpus, override)
    assert not (corpus.parent / "data").exists()


def test_data_preparation_needs_neither_torch_nor_nemo_and_datatrove_only_to_work() -> None:
    """The ground floor runs where the training stack is not installed, and `--help` is instant."""
    script = (
        "import sys, data_prep.pipeline, data_prep.blend; "
        "print(sorted({'torch', 'nemo', 'megatron', 'recipes', 'datatrove', 'sentencepiece'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_receipts_chain_from_the_source_to_the_tokens(tmp_path: Path) -> None:
    prep(make_corpus(tmp_path))
    layout = Layout(tmp_path / "data")
    documents = json.loads(layout.stage_receipt("documents", "small.en-Latn.real", "00000").read_text())
    prefix = layout.prefix("small.en-Latn.real", "train")
    tokens = json.loads(prefix.with_name(prefix.name + ".receipt.json").read_text())
    written = documents["outputs"]["train/00000.jsonl.zst"]["sha256"]
    assert tokens["inputs"]["../../documents/small.en-Latn.real/train/00000.jsonl.zst"] == written


def test_what_a_stage_does_less_than_expected_is_said_first(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prep(corpus, "clean.enabled=true", "sources.1.lang=bn-Beng", "romanize.enabled=false", dry_run=True)
    assert capsys.readouterr().out.startswith("clean: no function words of bn-Beng are known")
