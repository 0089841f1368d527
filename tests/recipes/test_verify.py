"""`langadapt verify`: what words name, which tokenizer is taken, what is printed, and the exit code."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf
from sentencepiece import SentencePieceProcessor

from data_prep.files import sha256_file
from data_prep.indexed_dataset import dataset_writer, remove_dataset
from data_prep.layout import Layout, append_suffix, receipt_path
from data_prep.receipts import Receipt, describe_inputs, describe_outputs
from recipes import cli
from recipes.verify import find_prefixes
from tests.data_prep.fertility.tokenizers import byte_level
from tests.training_inputs import make_nemo, make_tokenizer

NAME = "news.hi-Deva.real"
TEXTS = ["नमस्ते दुनिया", "a few words\nto learn from", "नमस्ते", "words", "दुनिया"]


def make(layout: Layout, name: str = NAME) -> Path:
    """A dataset of real text and its receipt, as stage tokenize leaves them."""
    prefix = layout.prefix(name, "train")
    processor = SentencePieceProcessor(model_file=str(layout.tokenizer))
    documents = [[*processor.encode(text), processor.eos_id()] for text in TEXTS]
    with dataset_writer(prefix, "uint16") as add:
        for ids in documents:
            add(ids)
    Receipt(
        stage="tokenize",
        config_hash="",
        code_version="",
        inputs=describe_inputs([layout.tokenizer], prefix.parent),
        outputs=describe_outputs([append_suffix(prefix, suffix) for suffix in (".bin", ".idx")], prefix.parent),
        counts={},
        documents=len(documents),
        characters=sum(map(len, TEXTS)),
        tokens=sum(map(len, documents)),
        by={},
        details={
            "tokenizer_sha256": sha256_file(layout.tokenizer),
            "vocab_size": processor.get_piece_size(),
            "eod_id": processor.eos_id(),
            "dtype": "uint16",
        },
        seconds=0.0,
        created="",
    ).write(receipt_path(prefix))
    return prefix


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An output folder of `langadapt prep` with one dataset."""
    folder = Layout(tmp_path / "data")
    make_tokenizer(folder.tokenizer)
    make(folder)
    return folder


@pytest.fixture
def prefix(layout: Layout) -> Path:
    return layout.prefix(NAME, "train")


def verify(*words: object) -> int:
    return cli.main(["verify", *map(str, words)])


def test_a_sound_dataset_in_a_prepared_folder(prefix: Path, capsys) -> None:
    assert verify(prefix) == 0
    shown = capsys.readouterr().out
    assert f"{prefix}: sound\n" in shown
    assert all(column in shown for column in ("documents", "tokens", "seconds", "MB/s", "verdict"))


@pytest.mark.parametrize("suffix", ["", ".bin", ".idx"])
def test_a_prefix_or_one_of_its_files_is_a_dataset(prefix: Path, suffix: str, monkeypatch) -> None:
    monkeypatch.chdir(prefix.parent)
    assert find_prefixes([f"{prefix.name}{suffix}"]) == [prefix]


def test_a_folder_stands_for_every_dataset_below_it_whole_or_not(layout: Layout) -> None:
    half, gone, empty = (layout.prefix(name, "heldout") for name in ("half", "gone", "empty"))
    for folder in (half, gone, empty):
        folder.parent.mkdir(exist_ok=True)
    Path(f"{half}.bin").write_bytes(b"")
    Path(f"{gone}.idx").write_bytes(b"")
    receipt_path(empty).write_text("{}")
    (layout.tokens / "_parts").mkdir()
    (layout.tokens / "_parts" / "00000.idx").write_bytes(b"half written")
    (layout.root / "perplexity").mkdir()
    (layout.root / "perplexity" / "model.bin").write_bytes(b"no tokens")
    assert find_prefixes([str(layout.root)]) == [empty, gone, half, layout.prefix(NAME, "train")]


@pytest.mark.parametrize("parts", [["train", "validation"], []])
def test_a_blend_fragment_stands_for_its_datasets_each_once(layout: Layout, prefix: Path, parts: list[str]) -> None:
    other = make(layout, "web.hi-Deva.real")
    weighted = [0.7, str(prefix), 0.3, str(other)]
    value = dict.fromkeys(parts, weighted) if parts else weighted
    fragment = layout.root / "cpt.yaml"
    fragment.write_text(yaml.safe_dump({"model": {"data": {"data_prefix": value}}}))
    assert find_prefixes([str(fragment), f"{other}.idx"]) == [prefix, other]


def test_words_that_name_no_dataset_are_wrong_usage(layout: Layout, capsys) -> None:
    (layout.root / "none").mkdir()
    other = layout.root / "sft.yaml"
    other.write_text("trainer: {}")
    for word, message in (
        (layout.root / "none", f"no token dataset in {layout.root}/none"),
        (layout.root / "nowhere", f"no token dataset at {layout.root}/nowhere"),
        (other, f"{other} has no model.data.data_prefix"),
    ):
        assert verify(word) == 2
        assert message in capsys.readouterr().err
    assert verify() == 2
    assert "no dataset is named" in capsys.readouterr().err
    other.write_text("model: {data: {data_prefix: [0.5]}}")
    assert verify(other) == 2
    assert f"model.data.data_prefix in {other}" in capsys.readouterr().err


def test_settings_that_contradict_each_other_are_wrong_usage(prefix: Path, capsys) -> None:
    assert verify(prefix, "tokenizer=a.model", "model=b.nemo") == 2
    assert "both tokenizer and model are given" in capsys.readouterr().err
    assert verify(prefix, "workers=0") == 2
    assert "samples=0 workers=0" in capsys.readouterr().err


def test_every_dataset_is_read_before_a_faulty_one_fails_the_run(layout: Layout, prefix: Path, capsys) -> None:
    make(layout, "web.hi-Deva.real")
    path = Path(f"{prefix}.bin")
    path.write_bytes(b"\xff\xff" + path.read_bytes()[2:])
    assert verify(layout.tokens) == 1
    shown = capsys.readouterr().out
    assert f"{prefix}: FAULTY: id_out_of_vocabulary, bin_not_as_written\n" in shown
    assert "  id_out_of_vocabulary: a token id is negative or beyond the vocabulary" in shown
    assert "    token 0 (byte 0 of the .bin) in document 0 is 65,535; the last id is 319\n" in shown
    assert f"  fix: copy both files again from where they are sound; or rm {prefix}.idx and run" in shown
    assert "web.hi-Deva.real_text_document: sound\n" in shown


def test_many_faults_of_a_kind_are_counted_and_the_first_shown(prefix: Path, capsys) -> None:
    path = Path(f"{prefix}.bin")
    path.write_bytes(b"\xff" * path.stat().st_size)
    tokens = path.stat().st_size // 2
    assert verify(prefix) == 1
    shown = capsys.readouterr().out
    assert f"no model has a row for it ({tokens} times, the first:)" in shown
    assert shown.count("is 65,535; the last id") == 3


def test_workers_find_the_same(layout: Layout, prefix: Path, capsys) -> None:
    make(layout, "web.hi-Deva.real")
    Path(f"{prefix}.bin").write_bytes(b"")
    found = []
    for workers in (1, 2):
        assert verify(layout.tokens, f"workers={workers}") == 1
        found.append([line for line in capsys.readouterr().out.splitlines() if not line.startswith("│")])
    assert found[0] == found[1]


def test_samples_are_the_text_of_the_same_documents_each_time(prefix: Path, capsys) -> None:
    assert verify(prefix, "samples=3") == 0
    first = capsys.readouterr().out
    assert (
        "  document 0 begins:\n    नमस्ते दुनिया\n  document 2 begins:\n    नमस्ते\n  document 4 begins:\n    दुनिया\n"
        in first
    )
    assert verify(prefix, "samples=100") == 0
    assert "  document 1 begins:\n    a few words\n    to learn from\n" in capsys.readouterr().out


def test_samples_of_what_cannot_be_read_are_refused_in_a_line(prefix: Path, capsys) -> None:
    path = Path(f"{prefix}.bin")
    path.write_bytes(path.read_bytes()[:-2])
    assert verify(prefix, "samples=1") == 1
    assert "  no samples: it is not sound\n" in capsys.readouterr().out


def test_a_dataset_without_receipt_is_checked_as_far_as_possible(layout: Layout, prefix: Path, capsys) -> None:
    receipt_path(prefix).unlink()
    assert verify(prefix, "samples=1") == 0
    shown = capsys.readouterr().out
    assert f"{prefix}: sound, as far as checked\n" in shown
    assert "  not checked: checksums, counts and the tokenizer it was made with: there is no receipt" in shown
    assert "  not checked: ids against a vocabulary, EOD at the end of documents: tokenizer=PATH says which\n" in shown
    assert "  no samples: tokenizer=PATH is needed to read its ids\n" in shown
    assert verify(prefix, f"tokenizer={layout.tokenizer}", "samples=1") == 0
    assert "नमस्ते दुनिया" in capsys.readouterr().out
    path = Path(f"{prefix}.bin")
    path.write_bytes(b"\xff\xff" + path.read_bytes()[2:])
    assert verify(prefix, f"tokenizer={layout.tokenizer}") == 1
    assert (
        "  fix: copy both files again from where they are sound; or tokenise the text again\n"
        in capsys.readouterr().out
    )


def test_the_tokenizer_of_a_checkpoint_is_held_against_the_receipt(layout: Layout, prefix: Path, capsys) -> None:
    right = make_nemo(layout.root / "right.nemo", OmegaConf.create({}), layout.tokenizer)
    wrong = make_nemo(layout.root / "wrong.nemo", OmegaConf.create({}), make_tokenizer(layout.root / "w.model", 300))
    assert verify(prefix, f"model={right}", "samples=1") == 0
    assert "नमस्ते दुनिया" in capsys.readouterr().out
    assert verify(prefix, f"model={wrong}") == 1
    shown = capsys.readouterr().out
    assert f"    the tokenizer in {wrong}: SHA-256 " in shown
    assert "  fix: tokenizer=PATH of the one it was made with; or tokenise the text again with the model's\n" in shown


def test_a_hugging_face_tokenizer_is_held_against_the_receipt(layout: Layout, prefix: Path, capsys) -> None:
    """The text means nothing: the dataset was not made with it, and is said to be."""
    folder = byte_level(layout.root / "other", ["some words"])
    receipt = Receipt.load(receipt_path(prefix))
    details = receipt.details | {"tokenizer_sha256": sha256_file(folder / "tokenizer.json")}
    assert verify(prefix, f"tokenizer={folder}") == 1
    assert f"    {folder}/tokenizer.json: SHA-256 " in capsys.readouterr().out
    replace(receipt, details=details).write(receipt_path(prefix))
    assert verify(prefix, f"tokenizer={folder}", "samples=1") == 0
    assert "document 0 begins:" in capsys.readouterr().out


def test_a_tokenizer_that_cannot_be_had_is_wrong_usage(layout: Layout, prefix: Path, capsys) -> None:
    bare = make_nemo(layout.root / "bare.nemo", OmegaConf.create({}))
    assert verify(prefix, f"model={bare}") == 2
    assert f"{bare} holds no SentencePiece tokenizer" in capsys.readouterr().err
    assert verify(prefix, "tokenizer=nowhere.model") == 2
    assert "this tokenizer does not exist" in capsys.readouterr().err


def test_a_tokenizer_made_anew_since_is_the_wrong_one(layout: Layout, prefix: Path, capsys) -> None:
    make_tokenizer(layout.tokenizer, 300)
    assert verify(prefix) == 1
    assert "FAULTY: wrong_tokenizer" in capsys.readouterr().out


def test_a_moved_dataset_says_that_no_model_was_named(layout: Layout, prefix: Path, tmp_path: Path, capsys) -> None:
    shutil.copytree(prefix.parent, tmp_path / "elsewhere")
    assert verify(tmp_path / "elsewhere") == 0
    assert "  not checked: the model's tokenizer: tokenizer=PATH or model=CHECKPOINT.nemo" in capsys.readouterr().out


def test_datasets_without_documents_are_no_fault(layout: Layout, prefix: Path, capsys) -> None:
    receipt = json.loads(receipt_path(prefix).read_text())
    remove_dataset(prefix)
    receipt_path(prefix).write_text(json.dumps(receipt | {"outputs": {}, "documents": 0, "tokens": 0}))
    assert verify(layout.tokens, "samples=2") == 0
    assert f"{prefix}: no documents\n" in capsys.readouterr().out


def test_dry_run_names_the_datasets_and_reads_none(layout: Layout, prefix: Path, capsys) -> None:
    Path(f"{prefix}.bin").write_bytes(b"")
    assert verify(layout.tokens, "--dry-run") == 0
    assert capsys.readouterr().out == f"{prefix}\n"


def test_help_says_that_words_are_prefixes(capsys) -> None:
    with pytest.raises(SystemExit):
        verify("--help")
    assert "PREFIX | key=value" in capsys.readouterr().out


def test_a_prefix_with_signs_of_its_own_reaches_the_verb_unchanged(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a, b", "[1]", "2024", "it's", 'say "hi"', "कहानी"):
        assert verify(name) == 2
        assert f"no token dataset at {tmp_path / name}\n" in capsys.readouterr().err
