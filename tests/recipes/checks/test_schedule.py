"""A schedule that would not do what it says is refused."""

import pytest

from recipes.checks.schedule import Epoch, check_alignment_schedule, check_schedule, one_epoch
from tests.recipes.checks.conftest import refused


def test_learning_rate_may_not_end_higher(tiny):
    error = refused(check_schedule, tiny("cpt", {"model.optim.sched.min_lr": 0.1}), 200)
    assert "the learning rate would decay from 0.001 up to 0.1" in str(error)
    assert error.fix == "model.optim.sched.min_lr=0.0001"


@pytest.mark.parametrize("value", [0, -1.0, "high", None])
def test_learning_rate_is_a_positive_number(tiny, value):
    error = refused(check_schedule, tiny("cpt", {"model.optim.lr": value}), 200)
    assert f"model.optim.lr is {value}" in str(error)
    assert "model.optim.lr=1e-4" in error.fix


@pytest.mark.parametrize(("warmup", "constant"), [(200, 0), (10, 190), (0, 1000)])
def test_warm_up_and_constant_steps_leave_room_to_decay(tiny, warmup, constant):
    changes = {"model.optim.sched.warmup_steps": warmup, "model.optim.sched.constant_steps": constant}
    error = refused(check_schedule, tiny("cpt", changes), 200)
    assert f"{warmup} warm-up and {constant} constant steps leave nothing of 200 steps" in str(error)
    assert error.fix == "model.optim.sched.warmup_steps=10 model.optim.sched.constant_steps=0"


def test_shares_of_the_run_are_counted_as_steps(tiny):
    changes = {"model.optim.sched.warmup_steps": None, "model.optim.sched.warmup_ratio": 0.95}
    check_schedule(tiny("cpt", changes), 200)
    error = refused(check_schedule, tiny("cpt", {**changes, "model.optim.sched.constant_steps": 10}), 200)
    assert "190 warm-up and 10 constant steps leave nothing of 200 steps" in str(error)


@pytest.mark.parametrize("name", ["warmup", "constant"])
def test_steps_and_share_of_a_phase_are_one_too_many(tiny, name):
    error = refused(check_schedule, tiny("cpt", {f"model.optim.sched.{name}_ratio": 0.1}), 200)
    assert f"the schedule has {name}_steps and {name}_ratio" in str(error)
    assert error.fix.startswith(f"~model.optim.sched.{name}_ratio")


def test_the_schedule_is_as_long_as_the_run(tiny):
    check_schedule(tiny("cpt", {"model.optim.sched.max_steps": 200}), 200)
    error = refused(check_schedule, tiny("cpt", {"model.optim.sched.max_steps": 1000}), 200)
    assert "the schedule is for 1000 steps, the run has 200" in str(error)
    assert error.fix.startswith("~model.optim.sched.max_steps")


def test_a_run_without_a_schedule_has_nothing_to_check(tiny):
    check_schedule(tiny("cpt", {"model.optim.sched": None}), 1)


def test_examples_fill_a_batch(tiny):
    key = "model.data.train_ds.global_batch_size"
    assert one_epoch(tiny("sft"), 27, key) == Epoch(examples=27, steps=3)
    error = refused(one_epoch, tiny("sft"), 7, key)
    assert "7 examples do not fill one global batch of 8" in str(error)
    assert error.fix.startswith(f"{key}=7 or less")
    assert error.exit_code == 1


def test_steps_of_an_alignment_are_those_of_its_epochs(tiny):
    """Aligner's own default: 1000 steps at the minimum in an epoch of 195."""
    changes = {"trainer.sft.max_steps": -1, "trainer.sft.max_epochs": 1, "model.optim.sched.constant_steps": 1000}
    error = refused(check_alignment_schedule, tiny("sft", changes), "sft", Epoch(examples=1560, steps=195))
    assert "5 warm-up and 1000 constant steps leave nothing of 195 steps" in str(error)


@pytest.mark.parametrize(
    "changes",
    [{"trainer.dpo.max_steps": 0}, {"trainer.dpo.limit_train_batches": 0.1}, {"trainer.dpo.limit_train_batches": 0}],
)
def test_no_steps_at_all(tiny, changes):
    error = refused(check_alignment_schedule, tiny("dpo", changes), "dpo", Epoch(examples=20, steps=5))
    assert "20 examples and these limits make 0 steps" in str(error)
    assert "trainer.dpo.max_steps=-1" in error.fix


@pytest.mark.parametrize(
    ("every", "save", "steps", "found"),
    [
        (0.1, 100, 4062, "every 406 steps does not divide saving every 100"),
        (0.1, 100, 5, "every 0 steps"),
        (4, 6, 50, "every 4"),
    ],
)
def test_validation_divides_saving(tiny, every, save, steps, found):
    """Aligner asserts it at the first step (trainer_utils.py, check_progress), with its own DPO defaults too."""
    changes = {"trainer.dpo.val_check_interval": every, "trainer.dpo.save_interval": save}
    error = refused(check_alignment_schedule, tiny("dpo", changes), "dpo", Epoch(examples=4 * steps, steps=steps))
    assert found in str(error)
    assert error.fix == f"trainer.dpo.val_check_interval={save} trainer.dpo.save_interval={save}"


@pytest.mark.parametrize("key", ["trainer.dpo.max_steps", "trainer.dpo.max_epochs", "trainer.dpo.save_interval"])
def test_counts_are_whole_numbers(tiny, key):
    error = refused(check_alignment_schedule, tiny("dpo", {key: "many"}), "dpo", Epoch(examples=200, steps=50))
    assert f"{key} is many" in str(error)
