"""Metrics of NeMo and of NeMo-Aligner land on the right step, in the file and on the terminal."""

import json
from pathlib import Path

import pytest

from recipes.runtime.metrics import ConsoleLogger, JsonLinesLogger


@pytest.fixture
def lines(tmp_path):
    logger = JsonLinesLogger(tmp_path / "record" / "metrics.jsonl")

    def log(*entries):
        for metrics, step in entries:
            logger.log_metrics(metrics, step)
        return [json.loads(line) for line in logger.path.read_text().splitlines()]

    return log


def test_nemos_global_step_wins_over_a_step_that_is_one_too_small(lines) -> None:
    entries = lines(({"reduced_train_loss": 7.0, "global_step": 8.0}, 7), ({"val_loss": 6.0}, 7))
    assert [entry["step"] for entry in entries] == [8, 8]


def test_aligners_validation_belongs_to_the_step_before_its_number(lines) -> None:
    entries = lines(({"train/loss": 0.7}, 0), ({"val/loss": 0.6}, 1))
    assert [entry["step"] for entry in entries] == [0, 0]


def test_the_monitors_step_is_its_own_and_its_first_reading_comes_before_any() -> None:
    logger = JsonLinesLogger(Path("unused"))
    logger.step_of({"global_step": 3.0}, 3)
    assert [logger.step_of({"monitor/seconds": 1.0}, step) for step in (0, 8)] == [-1, 7]


def test_what_is_no_number_is_left_out(lines) -> None:
    (entry,) = lines(({"train/loss": 1.0, "note": "text"}, 3))
    assert set(entry) == {"step", "time", "train/loss"}


def test_a_log_gets_megatrons_line_about_twenty_times_a_run(capsys) -> None:
    logger = ConsoleLogger(max_steps=100)
    for step in range(100):
        logger.log_metrics({"reduced_train_loss": 5.0, "lr": 1e-3, "grad_norm": 1.5, "global_step": float(step)}, step)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 20
    assert printed[-1].startswith(" iteration 100/100 | consumed samples: ")
    assert "learning rate: 1.000E-03 | lm loss: 5.0000 | grad norm: 1.500 |" in printed[-1]


def test_validation_gets_a_line_of_its_own(capsys) -> None:
    logger = ConsoleLogger(max_steps=10)
    logger.log_metrics({"val/loss": 0.5}, 4)
    assert capsys.readouterr().out == " validation at iteration 4 | lm loss: 0.5000 |\n"


def test_the_monitor_gets_a_line_of_its_own(capsys) -> None:
    logger = ConsoleLogger(max_steps=10)
    names = {"en-Latn": (2.0, 0.0), "hi-Deva": (1.5, -25.0)}
    values = {f"monitor/bits_per_byte/{name}": bits for name, (bits, _) in names.items()}
    values |= {f"monitor/change/{name}": change for name, (_, change) in names.items()}
    logger.log_metrics({**values, "monitor/share": 0.0123}, 4)
    assert capsys.readouterr().out == (
        " monitor at iteration 4 | bits per byte of en-Latn: 2.0000 (+0.00 %) | hi-Deva: 1.5000 (-25.00 %)"
        " | share of time: 0.0123 |\n"
    )


def test_a_terminal_gets_a_progress_bar(monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    logger = ConsoleLogger(max_steps=2)
    logger.log_metrics({"train/loss": 0.5}, 0)
    assert logger.progress.tasks[0].completed == 1
    logger.log_metrics({"train/loss": 0.25}, 1)
    assert logger.progress.finished
    assert "loss 0.2500" in logger.progress.tasks[0].description
