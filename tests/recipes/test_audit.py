"""What a run consumed is counted from the index it read, and told apart from what was planned."""

import json

import numpy as np
import pytest

from data_prep.errors import DataError
from recipes import audit, cli, recorded_run, run_record
from recipes.audit import BlendIndex, Seen, Source
from recipes.run_record import RunRecord

PLAN = {
    "train": [
        {"prefix": "en", "source": "web", "lang": "en-Latn", "kind": "real", "tokens_drawn": 4096, "epochs": 0.5},
        {"prefix": "hi", "source": "wiki", "lang": "hi-Deva", "kind": "real", "tokens_drawn": 2048, "epochs": 2.0},
    ]
}


def index_of(folder, numbers, **values):
    """A note on an index that deals out these datasets."""
    path = folder / "dataset_index.npy"
    np.save(path, np.array(numbers, np.int16))
    sources = (Source(prefix="en", weight=0.6, tokens=8192), Source(prefix="hi", weight=0.4, tokens=1024))
    fields = {"sequence_length": 512, "samples": len(numbers), "order": "single", "dataset_index": str(path)}
    return BlendIndex(**{**fields, **values}, sources=sources)


def record_of(**values):
    config = {"model": {"global_batch_size": 4}, "trainer": {"max_steps": 3}}
    fields = {"stage": "cpt", "status": "running", "identity": "", "config": config, "inputs": {}, "layout": {}}
    return RunRecord(**{**fields, "ground": {}, "git": {}, **values})


def leave_run(folder, *, steps, plan=PLAN, numbers=(0, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 0, 1)):
    """The folder of a run stopped after some logged steps, as a kill leaves it."""
    (folder / "record").mkdir(parents=True)
    note = index_of(folder / "record", numbers).as_dict()
    (folder / audit.NOTE_NAME).write_text(json.dumps(note))
    lines = [{"step": step, "time": 0.0, "consumed_samples": 4.0 * (step + 1)} for step in range(steps)]
    (folder / run_record.METRICS_NAME).write_text("".join(json.dumps(line) + "\n" for line in lines))
    record_of(blend=plan).write(folder)


@pytest.mark.parametrize(("consumed", "expected"), [(0, [0, 0]), (4, [3, 1]), (7, [4, 3])])
def test_only_the_consumed_samples_count(consumed, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(audit, "_CHUNK", 3)
    index = index_of(tmp_path, [0, 1, 0, 0, 1, 0, 1, 0, 0])
    assert audit.count(index, consumed, tmp_path) == expected


def test_samples_become_tokens_and_epochs_beside_the_plan(tmp_path):
    english, hindi = audit.compare(index_of(tmp_path, []), [8, 4], PLAN)
    assert (english.tokens_seen, english.tokens_planned) == (4096, 4096)
    assert (english.epochs, english.epochs_planned) == (0.5, 0.5)
    assert (hindi.tokens_seen, hindi.epochs, hindi.epochs_planned) == (2048, 2.0, 2.0)
    assert (hindi.source, hindi.lang, hindi.kind, hindi.tokens_available) == ("wiki", "hi-Deva", "real", 1024)


def test_without_a_plan_what_was_seen_still_stands(tmp_path):
    english, _ = audit.compare(index_of(tmp_path, []), [8, 4], None)
    assert (english.tokens_seen, english.tokens_planned, english.source) == (4096, None, None)


def test_steps_behind_the_last_logged_line_are_counted_by_batches():
    """With log_every_n_steps 10 a run of 24 steps logs its 20th last."""
    metrics = [{"step": 9, "consumed_samples": 40.0}, {"step": 19, "consumed_samples": 80.0}, {"step": 19, "loss": 1.0}]
    assert audit.consumed_samples(metrics, record_of(steps=24)) == 96
    assert audit.consumed_samples(metrics, record_of(steps=0)) == 80


def row(prefix, seen, planned, epochs):
    names = {"source": prefix, "lang": "hi-Deva", "kind": "real", "tokens_available": 100, "samples": seen // 10}
    values = {"tokens_planned": planned, "tokens_seen": seen, "epochs_planned": epochs, "epochs": seen / 100}
    return Seen(prefix=prefix, **names, **values)


def test_a_dataset_of_two_phases_is_one_line_with_the_sum():
    first, both = audit.merged([[row("a", 50, 50, 0.5), row("b", 20, 20, 0.2)], [row("b", 70, 80, 0.8)]])
    assert (first.tokens_seen, both.tokens_seen, both.tokens_planned) == (50, 90, 100)
    assert (both.epochs, both.epochs_planned, both.samples) == (pytest.approx(0.9), 1.0, 9)


def test_a_phase_without_a_plan_leaves_the_sum_without_one():
    (both,) = audit.merged([[row("b", 20, None, None)], [row("b", 70, 80, 0.8)]])
    assert (both.tokens_seen, both.tokens_planned) == (90, None)


def test_the_verb_counts_a_killed_run_anew(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    leave_run(tmp_path, steps=2)
    assert cli.main(["audit", str(tmp_path)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.replace("│", " ").splitlines()]
    assert ["web.en-Latn.real", "8,192", "4,096", "2,560", "62.5%", "0.50", "0.31"] in lines
    assert ["wiki.hi-Deva.real", "1,024", "2,048", "1,536", "75.0%", "2.00", "1.50"] in lines
    assert run_record.read(tmp_path).seen is None


def test_a_run_that_has_read_nothing_is_said_to(tmp_path, capsys):
    record_of().write(tmp_path)
    assert cli.main(["audit", str(tmp_path)]) == 0
    assert f"{tmp_path} has read nothing yet, or its stage has no blend" in capsys.readouterr().out


def test_a_folder_of_no_run_is_refused(tmp_path, capsys):
    assert cli.main(["audit", str(tmp_path)]) == 2
    assert "This is no run folder: it has no run record." in capsys.readouterr().err
    assert cli.main(["audit"]) == 2
    assert "no run folder is named" in capsys.readouterr().err


def test_an_index_that_is_gone_is_named_with_what_rebuilds_it(tmp_path, capsys):
    leave_run(tmp_path, steps=2)
    (tmp_path / "record" / "dataset_index.npy").unlink()
    assert cli.main(["audit", str(tmp_path)]) == 1
    message = capsys.readouterr().err
    assert "Megatron's blending index cannot be read" in message
    assert "Megatron builds it anew" in message


def test_a_run_that_has_trained_does_not_fail_for_want_of_a_count(tmp_path, capsys):
    leave_run(tmp_path, steps=2)
    record = run_record.read(tmp_path)
    assert [row["samples"] for row in recorded_run._seen(tmp_path, record)] == [5, 3]
    (tmp_path / "record" / "dataset_index.npy").unlink()
    assert recorded_run._seen(tmp_path, record) is None
    assert "cpt: the sampling audit is left out: Megatron's blending index cannot be read" in capsys.readouterr().out


@pytest.mark.parametrize(("values", "consumed"), [({"order": "cyclic"}, 2), ({}, 4)])
def test_samples_not_read_once_and_in_order_are_not_counted(values, consumed, tmp_path):
    index = index_of(tmp_path, [0, 1, 0], **values)
    with pytest.raises(DataError, match=f"{consumed} samples were consumed of an index of 3") as caught:
        audit.count(index, consumed, tmp_path / "note.json")
    assert "dataloader_type=single" in caught.value.fix


def test_a_damaged_note_is_named(tmp_path):
    path = tmp_path / "note.json"
    path.write_text('{"samples": 3}')
    with pytest.raises(DataError, match="no note on a blending index"):
        audit.read_note(path)


def test_of_many_datasets_the_table_shows_the_largest():
    table = audit.table([row(f"d{number}", 10 * number, None, None) for number in range(60)])
    assert table.row_count == 40 + 1 + 1 + 1
