"""Whether a configuration's settings exist on the machine it is about to run on."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from data_prep.errors import UsageError

# Without a GPU: the value each setting needs, and what NeMo 2.1.0 takes where the key is absent.
CPU_SETTINGS: dict[str, tuple[Any, Any]] = {
    "use_cpu_initialization": (True, False),
    "megatron_amp_O2": (False, False),
    "transformer_engine": (False, False),
    "fp8": (False, False),
    "fsdp": (False, False),
    "persist_layer_norm": (False, False),
    "masked_softmax_fusion": (False, True),
    "bias_activation_fusion": (False, True),
    "bias_dropout_add_fusion": (False, True),
    "gradient_accumulation_fusion": (False, False),
    "grad_div_ar_fusion": (False, False),
    "apply_rope_fusion": (False, False),
    "cross_entropy_loss_fusion": (False, False),
    "use_flash_attention": (False, False),
    "ub_tp_comm_overlap": (False, False),
}

# NeMo's names of the optimizers that share their state out over data-parallel ranks.
DISTRIBUTED_OPTIMIZERS = ("mcore_distributed_optim", "distributed_fused_adam")

# Arguments of the distributed optimizers, which fused_adam does not take.
DISTRIBUTED_OPTIMIZER_KEYS = (
    "bucket_cap_mb",
    "overlap_grad_sync",
    "overlap_param_sync",
    "contiguous_grad_buffer",
    "contiguous_param_buffer",
    "grad_sync_dtype",
    "param_sync_dtype",
    "dtype",
)

TINY = "nemo_configs/{cpt,sft,dpo}/tiny.yaml"


def check_ground(cfg: DictConfig, model: DictConfig, *, has_gpu: bool) -> None:
    """The accelerator is there, and no setting needs one that is not.

    Args:
        cfg: The whole configuration.
        model: The model section that will be built; for SFT and DPO the checkpoint's with ours laid over it.
        has_gpu: Whether this machine has a CUDA device.

    Raises:
        UsageError: With every override that mends it.
    """
    accelerator = cfg.trainer.get("accelerator", "auto")
    if accelerator not in {"gpu", "cuda", "cpu", "auto"}:
        raise UsageError(
            f"trainer.accelerator is {accelerator}", where="trainer.accelerator", fix="trainer.accelerator=gpu or cpu"
        )
    if accelerator in {"gpu", "cuda"} and not has_gpu:
        raise UsageError(
            "this configuration is for GPUs, and this machine has none",
            where=f"trainer.accelerator={accelerator}",
            fix=f"run a tiny configuration here: {TINY}\nor make this one run on the CPU:\n"
            + " ".join(["trainer.accelerator=cpu", *_cpu_overrides(cfg, model)]),
        )
    overrides = _cpu_overrides(cfg, model)
    if overrides and (accelerator == "cpu" or not has_gpu):
        raise UsageError(
            f"this run is on the CPU, and settings for GPUs are on: {len(overrides)}",
            where=", ".join(override.lstrip("~").split("=")[0] for override in overrides),
            fix=f"add: {' '.join(overrides)}\nor take them from nemo_configs/ground/portable.yaml",
        )


def _cpu_overrides(cfg: DictConfig, model: DictConfig) -> list[str]:
    """Overrides that make a configuration run without a GPU."""
    needed = [] if _precision_suits_cpu(cfg, model) else ["trainer.precision=32"]
    for name, (value, default) in CPU_SETTINGS.items():
        if bool(model.get(name, default)) != value:
            needed.append(f"model.{name}={str(value).lower()}")
    if OmegaConf.select(model, "optim.name") != "fused_adam":
        needed.append("model.optim.name=fused_adam")
    return needed + [f"~model.optim.{key}" for key in DISTRIBUTED_OPTIMIZER_KEYS if key in cfg.model.optim]


def _precision_suits_cpu(cfg: DictConfig, model: DictConfig) -> bool:
    """Whether the CPU trains in the precision asked for: fp32, or bf16 by autocast over fp32 weights.

    Outside autocast, where Megatron recomputes activations or gathers them for sequence parallelism, bf16 and fp32
    meet (megatron-core 0.10.0, tensor_parallel/random.py, layers.py); on GPUs `megatron_amp_O2` makes all of it bf16.
    """
    precision = str(cfg.trainer.get("precision"))
    if precision in {"bf16", "bf16-mixed"}:
        return not (model.get("sequence_parallel", False) or model.get("activations_checkpoint_granularity"))
    return precision in {"32", "32-true"}
