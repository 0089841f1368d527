"""GPU settings on a machine without one are refused, all at once, with the overrides that mend them."""

import pytest
from omegaconf import OmegaConf

from recipes.checks.ground import CPU_SETTINGS, check_ground
from recipes.config import NEMO_CONFIGS, load
from tests.recipes.checks.conftest import refused
from tests.training_inputs import model_part


def test_tiny_configs_run_with_and_without_a_gpu(tiny):
    for folder in ("cpt", "sft", "dpo"):
        cfg = tiny(folder)
        model = OmegaConf.merge(model_part("tiny"), cfg.model)
        for has_gpu in (False, True):
            check_ground(cfg, model, has_gpu=has_gpu)


@pytest.mark.parametrize("accelerator", ["gpu", "cuda"])
def test_gpu_config_on_a_cpu_names_the_tiny_one(tiny, accelerator):
    cfg = tiny("cpt", {"trainer.accelerator": accelerator})
    error = refused(check_ground, cfg, cfg.model, has_gpu=False)
    assert "this configuration is for GPUs, and this machine has none" in str(error)
    assert "nemo_configs/{cpt,sft,dpo}/tiny.yaml" in error.fix
    assert error.fix.endswith("trainer.accelerator=cpu")
    check_ground(cfg, cfg.model, has_gpu=True)


def test_unknown_accelerator(tiny):
    cfg = tiny("cpt", {"trainer.accelerator": "tpu"})
    assert "trainer.accelerator is tpu" in str(refused(check_ground, cfg, cfg.model, has_gpu=True))


@pytest.mark.parametrize("accelerator", ["cpu", "auto"])
def test_all_gpu_settings_are_listed_at_once(tiny, accelerator):
    wrong = {f"model.{name}": not value for name, (value, _) in CPU_SETTINGS.items()}
    changes = {
        "trainer.accelerator": accelerator,
        "trainer.precision": "bf16",
        "model.sequence_parallel": True,
        "model.optim.name": "mcore_distributed_optim",
        "model.optim.overlap_grad_sync": True,
        **wrong,
    }
    cfg = tiny("cpt", changes)
    error = refused(check_ground, cfg, cfg.model, has_gpu=False)
    assert f"settings for GPUs are on: {len(CPU_SETTINGS) + 3}" in str(error)
    for override in (
        "trainer.precision=32",
        "model.use_cpu_initialization=true",
        "model.megatron_amp_O2=false",
        "model.transformer_engine=false",
        "model.masked_softmax_fusion=false",
        "model.gradient_accumulation_fusion=false",
        "model.apply_rope_fusion=false",
        "model.optim.name=fused_adam",
        "~model.optim.overlap_grad_sync",
    ):
        assert override in error.fix.split()


def test_a_key_that_is_absent_counts_with_upstreams_default(tiny):
    cfg = tiny("cpt")
    del cfg.model["masked_softmax_fusion"]
    error = refused(check_ground, cfg, cfg.model, has_gpu=False)
    assert "model.masked_softmax_fusion=false" in error.fix


def test_the_overrides_it_gives_make_the_4b_config_a_cpu_config(inputs):
    path = NEMO_CONFIGS / "cpt" / "nemotron_mini_4b_hindi.yaml"
    cfg = load([path], inputs.overrides("pretrain"), "pretrain")
    fix = refused(check_ground, cfg, cfg.model, has_gpu=False).fix.splitlines()[-1]
    mended = load([path], [*inputs.overrides("pretrain"), *fix.split()], "pretrain")
    check_ground(mended, mended.model, has_gpu=False)


@pytest.mark.parametrize(
    ("precision", "more", "suits"),
    [
        ("bf16", {}, True),
        ("bf16-mixed", {}, True),
        ("bf16", {"model.sequence_parallel": True}, False),
        ("bf16", {"model.activations_checkpoint_granularity": "full"}, False),
        ("32", {"model.sequence_parallel": True}, True),
        ("16", {}, False),
    ],
)
def test_a_cpu_trains_in_bf16_where_megatron_keeps_to_autocast(tiny, precision, more, suits):
    """Elsewhere bf16 and fp32 tensors meet, deep inside a backward pass."""
    cfg = tiny("cpt", {"trainer.precision": precision, "model.sequence_parallel": False, **more})
    if suits:
        check_ground(cfg, cfg.model, has_gpu=False)
    else:
        assert "trainer.precision=32" in refused(check_ground, cfg, cfg.model, has_gpu=False).fix
