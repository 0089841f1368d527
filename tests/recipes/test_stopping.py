"""What ends a run early: requests, which any process can make, and the rule on the loss, written out in numbers."""

import math
import os
import signal
import subprocess
import sys
import time

import pytest
from omegaconf import OmegaConf

from data_prep.errors import UsageError
from recipes import stopping
from recipes.run_settings import run_settings
from recipes.stopping import LossWatch, StopSettings
from tests.conftest import REPOSITORY

RULE = StopSettings(max_loss_increase=1.0, window=3, patience=2)


def faults(losses, settings=RULE, history=()):
    watch = LossWatch(settings, history)
    return [watch.fault(loss) for loss in losses]


def test_a_falling_loss_has_no_fault():
    assert faults([7.0, 6.0, 5.0, 4.0, 4.9, 5.0]) == [None] * 6


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_is_a_fault_at_once_and_without_a_rule(loss):
    assert faults([loss], StopSettings(max_loss_increase=None)) == [f"the loss is {loss}"]


def test_a_rise_is_a_fault_when_it_lasts():
    verdicts = faults([5.0, 5.2, 5.1, 6.2, 6.3])
    assert verdicts[:4] == [None] * 4
    assert verdicts[4] == "the loss is 6.3000, for 2 steps more than 1 above 5.1000, the median of the 3 before"


def test_one_high_loss_between_good_ones_is_none_and_does_not_move_the_median():
    watch = LossWatch(RULE, [5.0, 5.2, 5.1])
    assert [watch.fault(loss) for loss in (9.0, 5.0, 9.0, 5.0)] == [None] * 4
    assert list(watch.usual) == [5.1, 5.0, 5.0]


def test_there_is_no_verdict_before_the_window_is_full():
    assert faults([1.0, 9.0, 9.0]) == [None] * 3


def test_a_resumed_run_judges_by_the_losses_before_the_resume():
    assert faults([9.0, 9.0], history=[5.0, 5.0, 5.0])[1] is not None


def test_the_number_of_high_losses_says_from_where_on_weights_are_bad():
    watch = LossWatch(RULE, [5.0, 5.0, 5.0])
    assert [watch.fault(loss) for loss in (5.0, 9.0)] == [None, None]
    assert watch.fault(math.nan) is not None
    assert watch.steps_above == 2


@pytest.mark.parametrize("values", [{"window": 0}, {"patience": 0}, {"max_loss_increase": 0.0}])
def test_numbers_that_make_no_rule_are_refused(values):
    with pytest.raises(UsageError, match="give"):
        run_settings(OmegaConf.create({"langadapt": {"stop": values}}))


def test_the_time_limit_counts_from_the_start_of_the_command(monkeypatch):
    monkeypatch.setenv(stopping.STARTED, "1000")
    assert stopping.deadline("01:02:03:04") == 1000 + 86400 + 2 * 3600 + 3 * 60 + 4
    assert stopping.deadline(None) == math.inf


@pytest.mark.parametrize("sent", stopping.SIGNALS)
def test_a_signal_becomes_a_request(tmp_path, sent):
    before = signal.getsignal(sent)
    with stopping.listening(tmp_path):
        assert stopping.request(tmp_path) is None
        os.kill(os.getpid(), sent)
        time.sleep(0.01)
        assert stopping.request(tmp_path) == sent.name
    assert signal.getsignal(sent) == before


FORK = """
import multiprocessing, pathlib, sys, time
from recipes import stopping
folder = pathlib.Path(sys.argv[1])
def work():
    (folder / "runs").touch()
    time.sleep(60)
with stopping.listening(folder):
    fork = multiprocessing.get_context("fork").Process(target=work)
    fork.start()
    while not (folder / "runs").exists():  # CPython forgets a signal that comes before the fork has run at all
        time.sleep(0.01)
    fork.terminate()
    fork.join(timeout=20)
print(fork.exitcode, stopping.request(folder))
"""


def test_a_fork_ends_by_the_signal_and_asks_nothing(tmp_path):
    """NeMo reads chat examples in a multiprocessing pool, whose end is a SIGTERM to each of its forks."""
    command = [sys.executable, "-c", FORK, str(tmp_path)]  # this process may have threads, which a fork of it lacks
    said = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60).stdout
    assert said.split() == [str(-signal.SIGTERM), "None"]


def test_a_request_is_taken_back_with_its_reason_noted(tmp_path):
    stopping.request_stop(tmp_path, "SIGTERM")
    (tmp_path / "STOP").touch()
    stopping.obeyed(tmp_path, "SIGTERM")
    assert stopping.request(tmp_path) is None
    assert stopping.read_ending(tmp_path).reason == "SIGTERM"
    stopping.forget(tmp_path)
    assert stopping.read_ending(tmp_path) is None


def test_a_stop_file_is_a_request_and_survives_a_start(tmp_path):
    (tmp_path / "STOP").touch()
    stopping.forget(tmp_path)
    assert stopping.request(tmp_path) == "the file STOP"


def test_a_diverged_run_names_its_last_good_checkpoint_and_how_to_go_on(tmp_path):
    good, aside = tmp_path / "checkpoints" / "a-step=8-last", tmp_path / "diverged" / "a-step=16"
    error = stopping.diverged(tmp_path, "at step 17 the loss is nan", good, [aside])
    assert str(error).startswith("The run was stopped: at step 17 the loss is nan.")
    assert error.where == f"last good checkpoint: {good}; checkpoints from then on are in {tmp_path / 'diverged'}"
    assert "start the same command again: it goes on from a-step=8-last" in error.fix
    assert f"exp_manager.explicit_log_dir={tmp_path}-2" in error.fix
    assert stopping.read_ending(tmp_path).fault["what"] == error.what


def test_a_diverged_run_without_a_checkpoint_begins_anew(tmp_path):
    error = stopping.diverged(tmp_path, "at step 2 the loss is nan", None, [])
    assert error.where == "last good checkpoint: none"
    assert "it goes on from the beginning" in error.fix
