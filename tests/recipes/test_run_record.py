"""The run record and the metrics survive what happens to a run: a kill, a resume, validation between steps."""

import subprocess
import sys

import pytest

from data_prep.errors import DataError, UsageError
from recipes import run_record
from recipes.run_record import RunRecord

LINES = """\
{"step": 0, "time": 1.0, "reduced_train_loss": 8.0, "lr": 0.1}
{"step": 1, "time": 2.0, "reduced_train_loss": 7.0, "lr": 0.1}
{"step": 1, "time": 2.5, "val_loss": 7.5}
{"step": 2, "time": 3.0, "reduced_train_loss": 6.5, "lr": 0.1}
{"step": 3, "time": 4.0, "reduced_tra
{"step": 2, "time": 9.0, "reduced_train_loss": 6.0, "lr": 0.1}
"""


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / run_record.METRICS_NAME
    path.parent.mkdir()
    path.write_text(LINES)
    return tmp_path


def test_a_repeated_step_counts_once_and_as_it_was_last(folder) -> None:
    assert run_record.losses(run_record.read_metrics(folder)) == [(1, 8.0), (2, 7.0), (3, 6.0)]


def test_validation_is_merged_into_its_step(folder) -> None:
    assert run_record.read_metrics(folder)[1]["val_loss"] == 7.5


def test_a_folder_without_a_run_has_neither(tmp_path) -> None:
    assert run_record.read(tmp_path) is None
    assert run_record.read_metrics(tmp_path) == []


def test_a_record_reads_back_as_written(tmp_path) -> None:
    record = RunRecord(
        stage="cpt",
        status="running",
        identity="abc",
        config={"trainer": {"max_steps": 3}},
        inputs={},
        layout={"tensor": 2, "pipeline": 1, "data": 1},
        ground={"name": "portable"},
        git={},
    )
    record.write(tmp_path / "run")
    assert run_record.read(tmp_path / "run") == record


def test_aligners_metrics_have_a_loss_too() -> None:
    assert run_record.losses([{"step": 4, "train/loss": 0.5}]) == [(5, 0.5)]


def test_a_damaged_record_is_named(tmp_path) -> None:
    path = tmp_path / run_record.FILE_NAME
    path.parent.mkdir()
    for content in ("{", '{"stage": "cpt"}'):
        path.write_text(content)
        with pytest.raises(DataError, match=r"run\.json cannot be read"):
            run_record.read(tmp_path)


def test_a_folder_is_held_by_one_process(tmp_path) -> None:
    holder = (
        f"from pathlib import Path; from recipes import run_record\nwith run_record.lock(Path({str(tmp_path)!r})):\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder + "    print('held', flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match=f"Another process is running in this folder: pid {process.pid}"):
            run_record.lock(tmp_path).__enter__()
        process.kill()
    with run_record.lock(tmp_path):
        pass


def test_time_of_a_killed_run_counts_from_its_metrics(folder) -> None:
    assert run_record.seconds_spent(folder, None) == 8.0
