"""FLOPs are counted as Megatron-LM counts them."""

import pytest

from recipes.plan import flops
from recipes.plan.work import Recompute
from tests.recipes.plan.conftest import LLAMA_1B, NEMOTRON


def megatron(model: dict, rows: int, sequence: int, batch: int) -> float:
    """Megatron-LM core_r0.10.0, training.py, `num_floating_point_operations`, written out for dense models."""
    hidden, layers, heads = model["hidden_size"], model["num_layers"], model["num_attention_heads"]
    gate = 1.5 if model["activation"].endswith("glu") else 1
    attention = (1 + model["num_query_groups"] / heads + sequence / hidden) * heads * model["kv_channels"] / hidden
    terms = attention + model["ffn_hidden_size"] / hidden * gate + rows / (2 * layers * hidden)
    return 12 * batch * sequence * layers * hidden**2 * terms


@pytest.mark.parametrize(("model", "rows"), [(NEMOTRON, 256_000), (LLAMA_1B, 128_256)], ids=["Nemotron", "Llama 1B"])
def test_a_step_is_what_megatron_reports(model, rows, work):
    ours = flops.of_step(work(model=model, vocabulary_rows=rows))
    assert ours == pytest.approx(megatron(model, rows, 4096, 1152), rel=1e-12)


def test_the_papers_run_is_a_hundredth_above_1e22(work):
    """84,772 steps; 6 x 4.19e9 weights x 400e9 tokens = 1.006e22 (facts of the paper), counted otherwise."""
    assert 84_772 * flops.of_step(work()) == pytest.approx(1.0102e22, rel=1e-4)


def test_a_preference_pair_is_two_sequences_asked_of_policy_and_reference(work):
    """3 forward passes' worth for the policy and 1 for the reference, on 2 sequences: 8/3 of pre-training."""
    assert flops.of_step(work(schema="dpo")) == pytest.approx(8 / 3 * flops.of_step(work()))


def test_full_recomputation_repeats_every_layer_but_not_the_logits(work):
    layers = 32 * flops.forward_of_layer(work())
    share = flops.recomputed_share(work(), Recompute(granularity="full"), stages=1)
    assert share == pytest.approx(layers / (3 * flops.forward(work())))
    assert share == pytest.approx(0.271, abs=5e-4)


def test_block_recomputation_counts_its_layers_in_every_stage(work):
    whole = flops.recomputed_share(work(), Recompute(granularity="full"), stages=4)
    some = Recompute(granularity="full", method="block", layers=2)
    assert flops.recomputed_share(work(), some, stages=4) == pytest.approx(whole * 2 * 4 / 32)


def test_selective_recomputation_repeats_the_core_of_attention_alone(work):
    share = flops.recomputed_share(work(), Recompute(granularity="selective"), stages=1)
    assert share == pytest.approx(32 * 4 * 4096**2 * 3072 / (3 * flops.forward(work())))
