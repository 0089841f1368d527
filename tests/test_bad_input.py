"""A user's mistakes: one screen, what and where and how to mend it, the right exit code, before any long work."""

import io
import json
import subprocess
from pathlib import Path

import pytest
import sentencepiece

from tests.conftest import CONFIGS, run_langadapt

SCREEN = 24  # lines of a terminal


def refused(done: subprocess.CompletedProcess[str], exit_code: int) -> str:
    """The error message of a verb, which must be short and no stack trace."""
    assert done.returncode == exit_code, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= SCREEN
    assert "fix:" in done.stderr
    return done.stderr


def prep_with(path: Path, output: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    """Prep of the sample with its Hindi documents replaced by a file."""
    return run_langadapt(
        "prep", CONFIGS / "data" / "sample.yaml", f"output_dir={output}", f"sources.1.path={path}", *overrides,
        check=False,
    )  # fmt: skip


@pytest.fixture
def documents(tmp_path):
    """Writes a JSONL file of raw bytes."""

    def write(content: bytes) -> Path:
        path = tmp_path / "documents.jsonl"
        path.write_bytes(content)
        return path

    return write


GOOD = json.dumps({"id": "a", "text": "एक अच्छा दस्तावेज़।"}, ensure_ascii=False).encode()


def test_a_missing_file(tmp_path) -> None:
    message = refused(prep_with(tmp_path / "no.jsonl", tmp_path / "data"), 2)
    assert "no.jsonl" in message


def test_an_empty_file(documents, tmp_path) -> None:
    message = refused(prep_with(documents(b""), tmp_path / "data"), 1)
    assert "documents.jsonl" in message
    assert "empty" in message


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "empty"),
        (b'{"id": "b", "text": "cut', "JSON"),
        ('{"id": "b", "text": "café"}'.encode("latin-1"), "UTF-8"),
        (b'{"id": "b"}', "text"),
    ],
    ids=["empty line", "malformed line", "not UTF-8", "no text"],
)
def test_a_bad_line_is_named_by_its_number(documents, tmp_path, line, reason) -> None:
    path = documents(GOOD + b"\n" + line + b"\n" + GOOD.replace(b'"a"', b'"c"') + b"\n")
    message = refused(prep_with(path, tmp_path / "data"), 1)
    assert f"{path}:2" in message
    assert reason.lower() in message.lower()
    assert "on_bad_line=reject" in message


def test_bad_lines_can_be_counted_and_kept_instead(documents, tmp_path) -> None:
    sample = (Path(__file__).parents[1] / "data_prep" / "sample_corpus" / "documents.hi.jsonl").read_bytes()
    path = documents(sample + b"{broken\n")
    done = prep_with(path, tmp_path / "data", "on_bad_line=reject", "sources.1.source=mine")
    assert done.returncode == 0, done.stderr
    receipt = json.loads((tmp_path / "data" / "ingest" / "mine.hi-Deva.real" / "00000.receipt.json").read_text())
    assert sum(receipt["counts"]["dropped"].values()) == 1


def test_a_tokenizer_without_an_end_of_document_token(tmp_path) -> None:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["one two three four"] * 20), model_writer=model, vocab_size=20, eos_id=-1,
        hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    path = tmp_path / "tokenizer.model"
    path.write_bytes(model.getvalue())
    done = run_langadapt(
        "prep", CONFIGS / "data" / "sample.yaml", f"output_dir={tmp_path / 'data'}", f"tokenizer.model={path}",
        check=False,
    )  # fmt: skip
    message = refused(done, 2)
    assert "tokenizer.model" in message
    assert "</s>" in message or "EOD" in message or "end" in message


def pretrain_with(prepared, tmp_path, *overrides: str) -> subprocess.CompletedProcess[str]:
    return run_langadapt(
        "pretrain", CONFIGS / "cpt" / "tiny_base.yaml", prepared.blend,
        f"exp_manager.explicit_log_dir={tmp_path / 'run'}", *overrides, check=False,
    )  # fmt: skip


def test_a_sequence_longer_than_the_data(prepared, tmp_path) -> None:
    message = refused(pretrain_with(prepared, tmp_path, "model.encoder_seq_length=65536"), 1)
    assert "65,536" in message or "65536" in message
    assert not (tmp_path / "run").exists()


def test_a_gpu_config_on_a_cpu(prepared, tmp_path) -> None:
    message = refused(pretrain_with(prepared, tmp_path, "trainer.accelerator=gpu", "model.megatron_amp_O2=true"), 2)
    assert "trainer.accelerator=cpu" in message


def test_an_unknown_key(prepared, tmp_path) -> None:
    message = refused(pretrain_with(prepared, tmp_path, "model.optim.learning_rat=0.1"), 2)
    assert "model.optim.learning_rat" in message


def test_a_misspelt_key_gets_a_suggestion(prepared, tmp_path) -> None:
    message = refused(pretrain_with(prepared, tmp_path, "model.num_layer=2"), 2)
    assert "did you mean model.num_layers" in message.lower()


def test_a_micro_batch_that_does_not_divide(prepared, tmp_path) -> None:
    message = refused(pretrain_with(prepared, tmp_path, "model.micro_batch_size=3"), 2)
    assert "micro_batch_size" in message
    assert "global_batch_size" in message


def test_a_checkpoint_that_is_none(prepared, tmp_path) -> None:
    fake = tmp_path / "base.nemo"
    fake.write_text("not a tar")
    done = run_langadapt(
        "cpt", CONFIGS / "cpt" / "tiny.yaml", prepared.blend, f"model.restore_from_path={fake}",
        f"exp_manager.explicit_log_dir={tmp_path / 'run'}", check=False,
    )  # fmt: skip
    assert "base.nemo is not a whole .nemo file" in refused(done, 1)
