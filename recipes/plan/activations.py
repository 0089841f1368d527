"""Bytes that the forward pass keeps for the backward pass, on one rank.

Korthikanti et al., arXiv 2205.05198, table 2, and Megatron-LM core_r0.10.0, theoretical_memory_usage.py, adapted:
grouped queries keep narrower keys and values, nothing is kept for a dropout of 0, gated activations keep three widths,
attention keeps no scores where a fused kernel computes it. What each term stands for was checked tensor by tensor
against a forward pass on the portable ground (tests/recipes/plan/test_built_models.py).
"""

import math

from recipes.model_shape import attention_sizes, is_gated
from recipes.plan.work import Placement, Work

ID_BYTES = 8
"""Of a token id, int64."""

STATISTIC_BYTES = 4
"""Of a norm's mean or inverse deviation and of a softmax's denominator, fp32."""


def tokens_per_micro_batch(work: Work, placement: Placement, micro_batch: int | None = None) -> float:
    """Tokens of one micro batch on one context-parallel rank."""
    samples = placement.micro_batch if micro_batch is None else micro_batch
    return samples * work.sequences_per_sample * work.sequence / placement.layout.context


def of_layer(work: Work, placement: Placement) -> float:
    """One layer, one micro batch."""
    per_token = _norms(work, placement) + _attention(work, placement) + _feed_forward(work, placement)
    return tokens_per_micro_batch(work, placement) * per_token


def of_layer_input(work: Work, placement: Placement) -> float:
    """All that full recomputation keeps of a layer."""
    per_token = work.precision.element * work.model["hidden_size"] / _sequence_ranks(placement)
    return float(tokens_per_micro_batch(work, placement) * per_token)


def of_chunk(work: Work, placement: Placement) -> float:
    """The layers of one (virtual) stage, one micro batch."""
    layers, recompute = _layers_of_chunk(work, placement), placement.recompute
    if recompute.granularity != "full":
        return layers * of_layer(work, placement)
    if recompute.method == "uniform":
        return math.ceil(layers / recompute.layers) * of_layer_input(work, placement)
    again = min(layers, recompute.layers)
    return again * of_layer_input(work, placement) + (layers - again) * of_layer(work, placement)


def of_recomputation(work: Work, placement: Placement) -> float:
    """What exists for a moment in the backward pass: the layers that are just computed again."""
    if placement.recompute.granularity != "full":
        return 0.0
    layers = _layers_of_chunk(work, placement)
    at_once = min(placement.recompute.layers, layers) if placement.recompute.method == "uniform" else 1
    return at_once * of_layer(work, placement)


def chunks_in_flight(work: Work, placement: Placement, stage: int) -> int:
    """Chunks whose backward pass is still to come when a stage holds most of them.

    1F1B: one micro batch more for every stage behind it. Interleaved (arXiv 2104.04473; megatron-core 0.10.0,
    pipeline_parallel/schedules.py): two more for every stage behind, and all earlier chunks of a round.
    """
    stages, batches = placement.layout.pipeline, placement.micro_batches(work)
    if placement.virtual == 1:
        return min(stages - stage, batches)
    warm_up = 2 * (stages - stage - 1) + (placement.virtual - 1) * stages
    return min(warm_up + 1, batches * placement.virtual)


def of_stage(work: Work, placement: Placement, stage: int) -> float:
    """Everything a pipeline stage keeps, without logits and loss."""
    flying = chunks_in_flight(work, placement, stage)
    kept = flying * of_chunk(work, placement)
    if stage == 0:
        dropout = work.model["hidden_size"] / _sequence_ranks(placement) if _drops(work, "hidden_dropout") else 0
        kept += math.ceil(flying / placement.virtual) * tokens_per_micro_batch(work, placement) * (ID_BYTES + dropout)
    if stage == placement.layout.pipeline - 1:
        kept += tokens_per_micro_batch(work, placement) * _norm(work, placement)
    return kept


def of_logits(work: Work, placement: Placement) -> float:
    """Logits and loss of one micro batch on the last stage, at the moment when they take most.

    Cross entropy: the softmax in fp32, and 16-bit logits beside it. DPO's log-probabilities in NeMo-Aligner 0.7.0
    (nemo_aligner/utils/distributed.py, DistributedLogprob.backward): softmax in fp32, the labels one-hot in int64, and
    their product in int64: 20 bytes.
    """
    element = work.precision.element
    per_logit = 20 if work.schema == "dpo" else 4 + (element if element < 4 else 0)
    return tokens_per_micro_batch(work, placement) * per_logit * work.vocabulary_rows / placement.layout.tensor


def of_reference_logits(work: Work, placement: Placement, micro_batch: int) -> float:
    """Logits of DPO's reference, which is asked before each step: fp32 logits, log-softmax and a copy of it."""
    tokens = tokens_per_micro_batch(work, placement, micro_batch)
    return tokens * 12 * work.vocabulary_rows / placement.layout.tensor


def of_gradients(work: Work, placement: Placement) -> float:
    """Gradients of a layer's activations while its backward pass runs: residual stream, between the two matrices."""
    widths = 3 if is_gated(work.model) else 2
    inner = widths * work.model["ffn_hidden_size"] / placement.layout.tensor
    per_token = work.precision.element * (2 * work.model["hidden_size"] + inner)
    return float(tokens_per_micro_batch(work, placement) * per_token)


def _layers_of_chunk(work: Work, placement: Placement) -> int:
    return int(work.model["num_layers"] // (placement.layout.pipeline * placement.virtual))


def _sequence_ranks(placement: Placement) -> int:
    """Ranks that share what tensor parallelism alone leaves whole on each."""
    return placement.layout.tensor if placement.sequence_parallel else 1


def _drops(work: Work, name: str) -> bool:
    return bool(work.model.get(name, 0.1) > 0)  # NeMo's default is 0.1


def _norm(work: Work, placement: Placement) -> float:
    """Input, output and statistics of one norm, a token."""
    is_rms = work.model.get("normalization", "layernorm") == "rmsnorm"
    kept = 2 if work.has_fused_kernels or not is_rms else 3  # torch's RMSNorm keeps the normalised input, too
    statistics = STATISTIC_BYTES if is_rms else 2 * STATISTIC_BYTES
    per_token = kept * work.precision.element * work.model["hidden_size"] + statistics
    return float(per_token / _sequence_ranks(placement))


def _norms(work: Work, placement: Placement) -> float:
    """Both norms of a layer, whose outputs the linear layers keep, and the masks of both dropouts, a token."""
    masks = 2 * work.model["hidden_size"] / _sequence_ranks(placement) if _drops(work, "hidden_dropout") else 0
    return 2 * _norm(work, placement) + masks


def _attention(work: Work, placement: Placement) -> float:
    """Queries, keys, values, the output and the softmax's denominators, a token."""
    query, key = attention_sizes(work.model)
    element, heads = work.precision.element, work.model["num_attention_heads"]
    kept = element * (2 * query + 2 * key)
    if not work.has_fused_kernels:
        kept += element * (query + key)  # values are a view of the projection's output, which stays with them
    kept += STATISTIC_BYTES * heads
    return float(kept / placement.layout.tensor)


def _feed_forward(work: Work, placement: Placement) -> float:
    """What lies between the two matrices, a token."""
    ffn, widths = work.model["ffn_hidden_size"], 2
    if is_gated(work.model):
        widths = 3 if work.model.get("bias_activation_fusion", True) else 4
    return float(work.precision.element * ffn * widths / placement.layout.tensor)
