"""What a job's script is told, from what lies in the run folder. `tests/launchers` runs the script on a real Slurm."""

import json
from pathlib import Path

import pytest

from recipes import stopping
from recipes.run_record import RunRecord
from recipes.submit import job, record
from recipes.submit.progress import DONE_FILE, checkpointed, progress

WORDS = ["cpt", "nemo_configs/cpt/tiny.yaml"]


@pytest.fixture(autouse=True)
def _in_a_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "71")
    monkeypatch.delenv("SLURM_ARRAY_JOB_ID", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))


def submitted(run: Path, kind: str = "cpt", tries: int = 2) -> Path:
    folder = record.next_folder(run)
    (folder / "log").mkdir(parents=True)
    record.Submission(
        name="x",
        kind=kind,
        words=WORDS,
        run=str(run),
        command="langadapt submit",
        time="",
        git={},
        versions={},
        cluster="a100-80gb",
        max_tries=tries,
        signal_seconds=60,
        hang_minutes=30,
        requeue=True,
    ).write(folder)
    return folder


def checkpoint(run: Path, step: int) -> None:
    (run / "checkpoints" / f"megatron_gpt--step={step}-last").mkdir(parents=True)


def ended(folder: Path) -> str:
    return json.loads((folder / "ended.json").read_text())["reason"]


def done(run: Path) -> None:
    model = run / "checkpoints" / "m.nemo"
    model.parent.mkdir(parents=True, exist_ok=True)
    model.touch()
    nothing = {"config": {}, "inputs": {}, "layout": {}, "ground": {}, "git": {}}
    RunRecord(stage="cpt", status="done", identity="", steps=9, model=str(model), **nothing).write(run)


def test_a_run_that_is_done_by_its_record_is_not_started_again(tmp_path: Path) -> None:
    folder = submitted(tmp_path)
    assert job.main(["begin", str(folder), ""]) == job.START
    done(tmp_path)
    assert job.main(["begin", str(folder), ""]) == job.DONE_ALREADY
    assert job.main(["end", str(folder), "143"]) == 0
    assert json.loads((tmp_path / DONE_FILE).read_text())["job"] == "71"


def test_a_loss_gone_wrong_is_not_started_again(tmp_path: Path) -> None:
    folder = submitted(tmp_path)
    job.main(["begin", str(folder), ""])
    checkpoint(tmp_path, 5)
    stopping.diverged(tmp_path, "at step 7 the loss is nan", None, [])
    assert job.main(["end", str(folder), "1"]) == job.ENDED
    assert ended(folder) == "The run was stopped: at step 7 the loss is nan."
    assert job.main(["begin", str(folder), ""]) == job.ENDED, "nor by a chain's next job"


def test_a_standing_alarm_is_not_started_again(tmp_path: Path) -> None:
    folder = submitted(tmp_path)
    job.main(["begin", str(folder), ""])
    alarm = {"watch": "en-Latn", "increase": 1.0, "readings": 1, "action": "stop"}
    config = {"langadapt": {"monitor": {"sets": [], "alarms": [alarm]}}, "trainer": {}, "model": {}}
    nothing = {"inputs": {}, "layout": {}, "ground": {}, "git": {}}
    RunRecord(stage="cpt", status="running", identity="", config=config, **nothing).write(tmp_path)
    line = {"step": 1, "time": 0.0, "monitor/change/en-Latn": 3.0}
    (tmp_path / "record" / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    assert job.main(["end", str(folder), "1"]) == job.ENDED
    assert "Stopped by the forgetting monitor: en-Latn is +3.00 % from its baseline." in ended(folder)


def test_a_stop_file_that_lies_there_keeps_the_job_from_starting(tmp_path: Path) -> None:
    folder = submitted(tmp_path)
    (tmp_path / "STOP").touch()
    assert job.main(["begin", str(folder), ""]) == job.ENDED
    assert "a file STOP lies in" in ended(folder)


def test_nodes_that_die_without_a_word_use_up_the_tries(tmp_path: Path) -> None:
    folder = submitted(tmp_path)
    assert [job.main(["begin", str(folder), ""]) for _ in range(3)] == [job.START, job.START, job.ENDED]
    assert "2 starts in a row left no checkpoint beyond step 0; the last one was killed without a word" in ended(folder)


def test_other_work_is_done_when_its_command_ends_well_and_only_for_that_command(tmp_path: Path) -> None:
    folder = submitted(tmp_path, "convert")
    job.main(["begin", str(folder), ""])
    assert job.main(["end", str(folder), "1"]) == job.AGAIN
    assert job.main(["end", str(folder), "0"]) == 0
    assert progress("convert", tmp_path, WORDS).done
    assert not progress("convert", tmp_path, [*WORDS, "parity=false"]).done


def test_a_data_preparation_advances_by_its_receipts(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "0.receipt.json").touch()
    assert progress("data", tmp_path, WORDS).step == 1


def test_steps_of_phases_are_added_up(tmp_path: Path) -> None:
    checkpoint(tmp_path / "phases" / "1", 40)
    checkpoint(tmp_path / "phases" / "2", 7)
    assert checkpointed(tmp_path) == 47


def test_a_log_of_an_earlier_start_is_not_read_again(tmp_path: Path) -> None:
    folder = submitted(tmp_path)
    log = folder / "log" / "rank-00000.log"
    log.write_text("Traceback (most recent call last):\n  File\nValueError: old\n")
    job.main(["begin", str(folder), ""])
    log.write_text(log.read_text() + "error: new\n  fix:   x\n")
    job.main(["end", str(folder), "1"])
    assert (folder / record.FAILURE).read_text().startswith("rank 0: error: new")


def test_a_damaged_folder_ends_the_job_with_a_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert job.main(["begin", str(tmp_path), ""]) == job.ENDED
    assert "error: " in capsys.readouterr().out
