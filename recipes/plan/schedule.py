"""Steps, time, money and disk of a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from recipes.checks.schedule import alignment_steps, check_schedule, one_epoch
from recipes.checks.values import whole
from recipes.model_shape import parameter_count
from recipes.plan import flops
from recipes.plan.cluster import Cluster
from recipes.plan.inputs import Inputs
from recipes.plan.work import Work


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What a run takes; figures of the whole run are None where its length is not known.

    Attributes:
        tokens_per_step: With every sequence as long as configured.
        flops: Of the whole run.
        mfu: The assumption all times rest on.
        cost: In the currency of the price.
    """

    steps: int | None
    examples: int | None
    tokens_per_step: int
    tokens: int | None
    flops_per_step: float
    flops: float | None
    mfu: float
    seconds_per_step: float
    tokens_per_second: float
    days: float | None
    gpu_hours: float | None
    cost: float | None


def steps(inputs: Inputs, examples: int | None) -> int | None:
    """Optimizer steps of the run; None where a number of epochs of unknown data decides.

    Raises:
        UsageError: The schedule leaves no room to decay.
        DataError: The examples do not fill a batch.
    """
    if inputs.schema == "pretrain":
        count = whole(inputs.cfg, "trainer.max_steps")
        check_schedule(inputs.cfg, count)
        return count
    if examples is None:
        limit = whole(inputs.cfg, f"trainer.{inputs.schema}.max_steps", minimum=-1)
        return limit if limit > 0 else None
    return alignment_steps(inputs.cfg, inputs.schema, one_epoch(inputs.cfg, examples, inputs.keys.global_batch))[1]


def schedule(work: Work, cluster: Cluster, gpus: int, steps: int | None, examples: int | None) -> Schedule:
    """Time at the stated utilisation: model FLOPs / (cards x peak x MFU)."""
    flops_per_step = flops.of_step(work)
    seconds = flops_per_step / (gpus * cluster.peak_flops(work.precision.element) * cluster.mfu)
    hours = None if steps is None else gpus * steps * seconds / 3600
    return Schedule(
        steps=steps,
        examples=examples,
        tokens_per_step=work.tokens_per_step,
        tokens=None if steps is None else steps * work.tokens_per_step,
        flops_per_step=flops_per_step,
        flops=None if steps is None else steps * flops_per_step,
        mfu=cluster.mfu,
        seconds_per_step=seconds,
        tokens_per_second=work.tokens_per_step / seconds,
        days=None if steps is None else steps * seconds / 86400,
        gpu_hours=hours,
        cost=None if hours is None else hours * cluster.price_per_gpu_hour,
    )


@dataclass(frozen=True, kw_only=True)
class Disk:
    """Bytes a run writes.

    Attributes:
        checkpoint: Weights, fp32 master weights where these are not, both moments.
        kept: Checkpoints that lie on the disk at once: the best, the last, and the one being written.
        model: The final .nemo: weights alone.
        most: What has to be free.
        host_memory: Of a node, for the weights DPO keeps there: its reference's, and the policy's while it is asked.
    """

    checkpoint: float
    kept: int | None
    model: float
    most: float | None
    host_memory: float


def disk(work: Work, cfg: DictConfig, gpus_per_node: int, steps: int | None, rank_parameters: int) -> Disk:
    """Sizes of checkpoints, which hold every tensor once whatever the layout."""
    parameters = parameter_count(work.model, work.vocabulary_rows)
    each = 2 if work.precision.is_o2 else 4
    checkpoint = parameters * (each + 8 + (4 if work.precision.is_o2 else 0))
    kept = _kept(cfg, work.schema, steps)
    copies = 2 * rank_parameters * each * gpus_per_node if work.schema == "dpo" else 0
    return Disk(
        checkpoint=checkpoint,
        kept=kept,
        model=parameters * each,
        most=None if kept is None else kept * checkpoint + parameters * each,
        host_memory=copies,
    )


def _kept(cfg: DictConfig, schema: str, steps: int | None) -> int | None:
    """Checkpoints on the disk at once; `save_top_k` of -1 keeps every one."""
    callback: Mapping[str, Any] = OmegaConf.select(cfg, "exp_manager.checkpoint_callback_params") or {}
    best = int(callback.get("save_top_k", 3))  # NeMo's default (nemo/utils/exp_manager.py, CallbackParams)
    if best >= 0:
        return best + 2
    every = cfg.trainer.val_check_interval if schema == "pretrain" else cfg.trainer[schema].save_interval
    return None if steps is None or not isinstance(every, int) else -(-steps // every) + 2
