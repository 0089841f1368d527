"""A run that would follow a schedule not its configuration's, or could not load its checkpoint, is refused."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from recipes.checks.resume import check_layout_change, check_start, schedule_change
from tests.recipes.checks.conftest import refused

FOLDER = Path("runs/x")
RANDOM = {"model.restore_from_path": None}


def config(cfg) -> dict:
    return OmegaConf.to_container(cfg, resolve=True)


def change(tiny, folder: str, changes: dict[str, object]):
    return schedule_change(folder, config(tiny(folder)), tiny(folder, changes), FOLDER)


def test_training_checkpoint_that_would_not_be_read(tiny):
    error = refused(check_start, tiny("cpt", {"model.restore_from_ckpt": "a.ckpt"}))
    assert "does not read model.restore_from_ckpt" in str(error)
    assert "model.restore_from_path=CHECKPOINT.nemo" in error.fix
    check_start(tiny("cpt"))


def test_a_checkpoint_of_another_run_brings_its_own_schedule(tiny):
    error = refused(check_start, tiny("cpt", {"model.resume_from_checkpoint": "other/last.ckpt"}))
    assert "step, optimizer, lr, min_lr and max_steps are the checkpoint's" in str(error)
    assert "exp_manager.explicit_log_dir=ITS_FOLDER" in error.fix
    assert "model.restore_from_path=CHECKPOINT.nemo" in error.fix


@pytest.mark.parametrize(
    "changes", [{}, {"model.optim.name": "distributed_fused_adam"}, {"model.megatron_amp_O2": True}], ids=str
)
def test_a_reset_rate_needs_what_upstream_needs(tiny, changes):
    error = refused(check_start, tiny("cpt", {"model.reset_lr": True, **changes}))
    assert "model.reset_lr needs a distributed optimizer and megatron_amp_O2" in str(error)
    assert error.fix.startswith("model.reset_lr=false")


def test_a_rate_is_not_reset_at_every_restart(tiny):
    changes = {
        "model.reset_lr": True,
        "model.optim.name": "mcore_distributed_optim",
        "model.megatron_amp_O2": True,
        "model.resume_from_checkpoint": "other/last.ckpt",
    }
    error = refused(check_start, tiny("cpt", changes))
    assert "would start the schedule again at every restart" in str(error)
    check_start(tiny("cpt", {**changes, "exp_manager.resume_if_exists": False}))


def test_the_same_schedule_is_no_change(tiny):
    assert change(tiny, "cpt", {"model.seed": 1, "model.data.num_workers": 2}) is None


def test_more_steps_would_train_at_min_lr(tiny):
    error = change(tiny, "cpt", {"trainer.max_steps": 480})
    assert "holds a cpt run with another schedule: trainer.max_steps 240 -> 480" in str(error)
    assert "all steps after 240 would train at min_lr 0.0001" in str(error)
    first, second = error.fix.splitlines()
    assert first == "trainer.max_steps=240, to end the run as it began"
    assert "exp_manager.explicit_log_dir=runs/x-2" in second
    assert second.endswith("model.restore_from_path=runs/x/checkpoints/megatron_gpt.nemo")


def test_fewer_steps_are_refused_without_a_word_on_min_lr(tiny):
    error = change(tiny, "cpt", {"trainer.max_steps": 100})
    assert "trainer.max_steps 240 -> 100" in str(error)
    assert "all steps after" not in str(error)


def test_every_changed_key_of_the_schedule_is_named(tiny):
    error = change(
        tiny, "cpt", {"model.optim.lr": 1e-5, "model.optim.sched.min_lr": 1e-6, "model.optim.sched.warmup_ratio": 0.1}
    )
    assert (
        "model.optim.lr 0.001 -> 1e-05, model.optim.sched.min_lr 0.0001 -> 1e-06, "
        "model.optim.sched.warmup_ratio None -> 0.1" in str(error)
    )
    assert "model.optim.sched.warmup_ratio=null" in error.fix


def test_a_schedule_that_is_left_out_is_a_change(tiny):
    assert "model.optim.sched.name CosineAnnealing -> None" in str(change(tiny, "cpt", {"model.optim.sched": None}))


def test_an_alignments_steps_are_named_once_and_its_checkpoint_by_its_own_key(tiny):
    error = change(tiny, "dpo", {"trainer.dpo.max_steps": 60, "trainer.max_steps": 60})
    assert "another schedule: trainer.dpo.max_steps 30 -> 60\n" in str(error)
    assert "pretrained_checkpoint.restore_from_path=runs/x/checkpoints/megatron_gpt.nemo" in error.fix
    error = change(tiny, "sft", {"trainer.sft.max_epochs": 20})
    assert "trainer.sft.max_epochs 10 -> 20" in str(error)
    assert "model.restore_from_path=runs/x/checkpoints/megatron_gpt_sft.nemo" in error.fix


def test_a_distributed_optimizer_stored_by_rank_stays_at_its_cut(tiny):
    changes = {"model.optim.name": "mcore_distributed_optim", "model.dist_ckpt_parallel_dist_opt": False}
    before = config(tiny("cpt", changes))
    other = {**changes, "model.tensor_model_parallel_size": 1, "model.pipeline_model_parallel_size": 2}
    error = refused(check_layout_change, before, tiny("cpt", other), FOLDER)
    assert "the run's checkpoints do not go from tensor 2 x pipeline 1 to tensor 1 x pipeline 2" in str(error)
    assert error.fix.startswith("model.tensor_model_parallel_size=2 model.pipeline_model_parallel_size=1")
    check_layout_change(before, tiny("cpt", changes), FOLDER)
    check_layout_change(before, tiny("cpt", {**other, "model.dist_ckpt_parallel_dist_opt": True}), FOLDER)


def test_a_run_from_random_weights_keeps_its_rows_under_another_tensor_size(tiny):
    before = config(tiny("cpt", RANDOM))
    one = {**RANDOM, "model.tensor_model_parallel_size": 1}
    error = refused(check_layout_change, before, tiny("cpt", {**one, "model.make_vocab_size_divisible_by": 64}), FOLDER)
    assert "a vocabulary of 320 is padded to 320 rows here, in the run's checkpoints to 512" in str(error)
    assert error.fix.startswith("model.make_vocab_size_divisible_by=512\nor model.tensor_model_parallel_size=2")
    wider = {**RANDOM, "model.make_vocab_size_divisible_by": 384}
    assert "padded to 768 rows here" in str(refused(check_layout_change, before, tiny("cpt", wider), FOLDER))
    three = {**RANDOM, "model.tensor_model_parallel_size": 3}
    assert refused(check_layout_change, before, tiny("cpt", three), FOLDER).fix.startswith("model.tensor_model")
    check_layout_change(before, tiny("cpt", {**one, "model.make_vocab_size_divisible_by": 256}), FOLDER)
    check_layout_change(before, tiny("cpt", {"model.tensor_model_parallel_size": 1}), FOLDER)
