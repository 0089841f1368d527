"""Memory of one rank by what it is for, and of the rank that needs most."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from recipes.checks.ground import DISTRIBUTED_OPTIMIZERS
from recipes.model_shape import rank_parameters
from recipes.plan import activations
from recipes.plan.work import Placement, Work


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes on one card.

    Attributes:
        weights: In the dtype they compute in.
        gradients: Of all weights, accumulated over the micro batches.
        optimizer: Both moments and, for 16-bit weights, what completes them to fp32.
        activations: Kept for the backward pass.
        logits: Of one micro batch, and what its loss is computed with.
        workspace: What the backward pass of one layer takes, recomputed activations included, beyond the logits, which
            are gone by then; CUDA, NCCL and the allocator.
    """

    weights: float
    gradients: float
    optimizer: float
    activations: float
    logits: float
    workspace: float

    @property
    def total(self) -> float:
        """All parts."""
        return sum(self.parts().values())

    def parts(self) -> Mapping[str, float]:
        """Bytes by part."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class StateBytes:
    """Bytes a weight takes on a rank that holds it."""

    weights: float
    gradients: float
    optimizer: float


def state_bytes(work: Work, ranks: int) -> StateBytes:
    """Weights, gradients and optimizer state of one weight.

    16-bit weights (`megatron_amp_O2`) take 2 bytes, their gradients 4, both moments 8 and the fp32 master weight 4
    (apex's distributed_fused_adam keeps its lower half alone: NeMo 2.1.0, megatron_base_model.py,
    `store_param_remainders`). Otherwise weights are fp32; autocast then keeps a 16-bit copy while a step computes.
    Megatron-LM's theoretical_memory_usage.py has the same 18, and 6 + 12 / ranks.

    Args:
        work: The run.
        ranks: Over which a distributed optimizer spreads its state: data x context parallel.
    """
    o2, shards = work.precision.is_o2, ranks if work.optimizer in DISTRIBUTED_OPTIMIZERS else 1
    master = (2 if work.optimizer == "distributed_fused_adam" else 4) if o2 else 0
    copies = 2 if work.precision.element == 2 and not o2 else 0
    return StateBytes(weights=2 if o2 else 4 + copies, gradients=work.gradient_bytes, optimizer=(master + 8) / shards)


def stage_memory(work: Work, placement: Placement, stage: int, *, reserved: float, reference_batch: int = 0) -> Memory:
    """Of a rank in one pipeline stage.

    Args:
        work: The run.
        placement: How it is laid out.
        stage: From 0.
        reserved: Bytes no tensor can have.
        reference_batch: Pairs DPO asks its reference at once (`model.dpo.log_prob_forward_micro_batch_size`).
    """
    cut = placement.layout
    weights = rank_parameters(work.model, work.vocabulary_rows, tensor=cut.tensor, pipeline=cut.pipeline, stage=stage)
    each = state_bytes(work, cut.data * cut.context)
    logits = 0.0
    if stage == cut.pipeline - 1:
        logits = activations.of_logits(work, placement)
    kept = activations.of_stage(work, placement, stage)
    if reference_batch and stage == cut.pipeline - 1:  # nothing is kept for it: it needs room beside the state alone
        logits = max(logits, activations.of_reference_logits(work, placement, reference_batch) - kept)
    layer = activations.of_recomputation(work, placement) + activations.of_gradients(work, placement)
    return Memory(
        weights=weights * each.weights,
        gradients=weights * each.gradients,
        optimizer=weights * each.optimizer,
        activations=kept,
        logits=logits,
        workspace=max(0.0, layer - logits) + reserved,
    )


def fullest_stage(work: Work, placement: Placement, *, reserved: float, reference_batch: int = 0) -> tuple[int, Memory]:
    """The stage whose ranks need most memory, and how much."""
    stages = {
        stage: stage_memory(work, placement, stage, reserved=reserved, reference_batch=reference_batch)
        for stage in range(placement.layout.pipeline)
    }
    stage = max(stages, key=lambda stage: stages[stage].total)
    return stage, stages[stage]
