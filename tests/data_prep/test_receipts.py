import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from data_prep import receipts
from data_prep.documents import Reject
from data_prep.errors import DataError
from data_prep.receipts import Receipt, Tally, is_current
from data_prep.tasks import Task, Written, finish

from .test_documents import document

SETTINGS = {"fraction": 0.1}


def write(out: Path, records: object, tally: Tally) -> Written:
    kept = [record for record in records if not isinstance(record, Reject)]
    for item in kept:
        tally.add_tokens(item, 2)
    out.write_text(str(len(kept)))
    return Written(outputs=(out,))


@pytest.fixture
def done(tmp_path: Path) -> Path:
    """A folder with an input, an output and its receipt."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "in").write_text("input")
    task = Task(
        name="t",
        settings=SETTINGS,
        inputs=(folder / "in",),
        receipt=folder / "receipt.json",
        read=list,
        write=partial(write, folder / "out"),
    )
    records = [document(), document(id="d2"), Reject(id="r", reason="empty_text", where="f:3", text="")]
    finish("ingest", task, records)
    return folder


def current(folder: Path, **changes: object) -> bool:
    values = {"stage": "ingest", "settings": SETTINGS, "inputs": [folder / "in"]}
    return is_current(folder / "receipt.json", **{**values, **changes})


def test_a_receipt_counts_every_record_once(done: Path) -> None:
    receipt = Receipt.load(done / "receipt.json")
    assert receipt.counts == {"in": 3, "kept": 2, "dropped": {"empty_text": 1}}
    characters = 2 * len(document().text)
    assert (receipt.documents, receipt.characters, receipt.tokens) == (2, characters, 4)
    assert receipt.by == {"hi-Deva": {"real": {"documents": 2, "characters": characters, "tokens": 4}}}


def test_unchanged_work_is_current_even_after_the_folder_moved(done: Path, tmp_path: Path) -> None:
    assert current(done)
    moved = tmp_path / "elsewhere" / "deep"
    shutil.move(done, moved)
    assert current(moved)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "in").write_text("edited"),
        lambda folder: (folder / "in").unlink(),
        lambda folder: (folder / "out").write_text("shorter or longer"),
        lambda folder: (folder / "out").unlink(),
        lambda folder: (folder / "receipt.json").write_text('{"stage": "ing'),
        lambda folder: (folder / "receipt.json").write_text('{"stage": "ingest"}'),
        lambda folder: (folder / "receipt.json").unlink(),
    ],
    ids=["input edited", "input gone", "output resized", "output gone", "receipt cut", "receipt old", "no receipt"],
)
def test_changed_files_make_work_stale(done: Path, spoil: Callable[[Path], object]) -> None:
    spoil(done)
    assert not current(done)


def test_other_settings_stage_inputs_or_code_make_work_stale(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (done / "second").write_text("")
    assert not current(done, settings={"fraction": 0.2})
    assert not current(done, stage="tokenize")
    assert not current(done, inputs=[done / "in", done / "second"])
    monkeypatch.setattr(receipts, "code_version", lambda _stage: "0.0.0")
    assert not current(done)


def test_a_missing_receipt_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing(.|\n)*langadapt prep"):
        Receipt.load(tmp_path / "receipt.json")


def test_a_damaged_receipt_is_named(tmp_path: Path) -> None:
    (tmp_path / "receipt.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        Receipt.load(tmp_path / "receipt.json")


def test_problems_are_told_in_words(done: Path) -> None:
    receipt = Receipt.load(done / "receipt.json")
    assert receipt.broken_output(done) is None
    assert receipt.changed_input(done / "receipt.json") is None
    (done / "out").write_text("12345")
    (done / "in").write_text("edited")
    assert receipt.broken_output(done) == f"{done}/out has 5 bytes, its receipt says 1"
    assert receipt.changed_input(done / "receipt.json") == f"{done}/in has changed since"
    (done / "out").unlink()
    (done / "in").unlink()
    assert receipt.broken_output(done) == f"{done}/out is missing"
    assert receipt.changed_input(done / "receipt.json") is None


def test_the_receipt_of_a_failed_rerun_is_gone(done: Path) -> None:
    """A receipt must never vouch for outputs that a later, interrupted run half replaced."""

    def fail(_records: object, _tally: object) -> Written:
        raise KeyboardInterrupt

    task = Task(name="t", settings=SETTINGS, inputs=(), receipt=done / "receipt.json", read=list, write=fail)
    with pytest.raises(KeyboardInterrupt):
        finish("ingest", task, [])
    assert not (done / "receipt.json").exists()


def test_an_input_touched_but_not_changed_is_no_problem(done: Path) -> None:
    (done / "in").touch()
    assert Receipt.load(done / "receipt.json").changed_input(done / "receipt.json") is None
