"""Floating-point operations of a sequence, as Megatron-LM counts them for its own utilisation figure.

Megatron-LM core_r0.10.0, megatron/training/training.py, `num_floating_point_operations`, after the appendix of
arXiv 2104.04473: multiplications of matrices alone, 2mnk each, attention uncut by its causal mask, twice the forward
pass for the backward pass, nothing for recomputation.
"""

from recipes.model_shape import attention_sizes, is_gated
from recipes.plan.work import Recompute, Work


def forward_of_core_attention(work: Work) -> float:
    """Scores and weighted sums of one layer, one sequence."""
    query, _ = attention_sizes(work.model)
    return 4.0 * work.sequence**2 * query


def forward_of_layer(work: Work) -> float:
    """One transformer layer, one sequence."""
    hidden, ffn = work.model["hidden_size"], work.model["ffn_hidden_size"]
    query, key = attention_sizes(work.model)
    matrices = hidden * (2 * query + 2 * key) + hidden * ffn * (3 if is_gated(work.model) else 2)
    return float(2 * work.sequence * matrices + forward_of_core_attention(work))


def forward(work: Work) -> float:
    """The whole model, one sequence; the table lookup of the embedding multiplies nothing."""
    logits = 2.0 * work.sequence * work.model["hidden_size"] * work.vocabulary_rows
    return float(work.model["num_layers"] * forward_of_layer(work) + logits)


def of_step(work: Work) -> float:
    """One optimizer step: three forward passes' worth a sequence, and for DPO one of the reference on top."""
    passes = 4 if work.schema == "dpo" else 3
    return work.global_batch * work.sequences_per_sample * passes * forward(work)


def recomputed_share(work: Work, recompute: Recompute, stages: int) -> float:
    """What recomputation adds, as a share of `of_step`.

    Args:
        work: The run.
        recompute: What is computed again.
        stages: Pipeline stages, virtual ones counted: `block` counts its layers in each.
    """
    layers = work.model["num_layers"]
    again = {
        "none": 0.0,
        "selective": layers * forward_of_core_attention(work),
        "full": layers * forward_of_layer(work),
    }[recompute.granularity]
    if recompute.granularity == "full" and recompute.method == "block":
        again *= min(1.0, recompute.layers * stages / layers)
    return float(work.global_batch * work.sequences_per_sample * again / of_step(work))
