"""State and activations against Megatron-LM's own theoretical report, and against sums written out.

The reports are what megatron/training/theoretical_memory_usage.py of core_r0.10.0 returns for the arguments named:
sequence parallel, selective recomputation, bf16.
"""

import pytest

from recipes.checks.layout import Layout
from recipes.plan import activations, memory
from recipes.plan.memory import Memory, stage_memory
from recipes.plan.work import Precision, Recompute

GPT_22B = {
    "num_layers": 48,
    "hidden_size": 6144,
    "ffn_hidden_size": 24576,
    "num_attention_heads": 64,
    "hidden_dropout": 0.1,
    "activation": "gelu",
    "position_embedding_type": "rope",  # the report knows no position table
    "transformer_engine": True,
}
GPT_175B = {**GPT_22B, "num_layers": 96, "hidden_size": 12288, "ffn_hidden_size": 49152, "num_attention_heads": 96}


def state(used: Memory) -> float:
    return used.weights + used.gradients + used.optimizer


def kept(one, where, stage: int) -> float:
    """What the report calls activations: of logits it counts the fp32 softmax alone, not the bf16 beside it."""
    softmax = activations.of_logits(one, where) * 4 / 6 if where.layout.pipeline == 1 else 0
    return activations.of_stage(one, where, stage) + softmax


@pytest.mark.parametrize(
    ("tensor", "pipeline", "data", "report"),
    [(2, 1, 64, 12_964_387_392), (2, 4, 16, 4_862_846_016)],
)
def test_state_of_nemotron_is_megatrons_report_within_a_thousandth(tensor, pipeline, data, report, work, placement):
    """6 + 12 / data bytes a weight; the report leaves out the biases of norms, 2 x 3072 a layer."""
    cut = Layout(tensor=tensor, pipeline=pipeline, data=data)
    used = stage_memory(work(), placement(layout=cut), 0, reserved=0)
    assert state(used) == pytest.approx(report, rel=1e-3)


def test_state_without_a_distributed_optimizer_is_megatrons_report_within_a_thousandth(work, placement):
    """18 bytes a weight of the 22-billion GPT of arXiv 2205.05198 on 8 tensor ranks; the report has no biases."""
    one = work(model=GPT_22B, vocabulary_rows=51_200, sequence=2048, global_batch=4, optimizer="fused_adam")
    used = stage_memory(one, placement(layout=Layout(tensor=8, pipeline=1, data=1)), 0, reserved=0)
    assert state(used) == pytest.approx(49_632_832_512, rel=1e-3)


@pytest.mark.parametrize(
    ("model", "micro", "cut", "virtual", "report"),
    [
        (GPT_22B, 4, Layout(tensor=8, pipeline=1, data=1), 1, 10_508_836_864),
        (GPT_175B, 1, Layout(tensor=8, pipeline=8, data=1), 1, 10_292_838_400),
        (GPT_175B, 1, Layout(tensor=8, pipeline=8, data=1), 3, 13_294_916_266),
    ],
    ids=["22B", "175B in 8 stages", "175B interleaved"],
)
def test_activations_of_plain_gpts_are_megatrons_report_within_a_hundredth(
    model, micro, cut, virtual, report, work, placement
):
    """34 bytes a token and hidden unit; ours adds the statistics of norms and softmax, fp32."""
    one = work(model=model, vocabulary_rows=51_200, sequence=2048, global_batch=64)
    where = placement(layout=cut, micro_batch=micro, virtual=virtual)
    assert kept(one, where, 0) == pytest.approx(report, rel=0.01)
    assert kept(one, where, 0) > report


def test_activations_of_nemotron_differ_from_megatrons_report_by_what_it_does_not_model(work, placement):
    """The report's 18 x 3072 + 4 x 9216 bytes a token and layer hold dropout masks and wider keys and values.

    Masks of a dropout that is 0, 2 x 3072 bytes; keys and values as wide as the queries, 2 x 2 x 2048 too much.
    Ours: norms 4 x 3072 x 2, queries and output 2 x 3072 x 2, keys and values 2 x 1024 x 2, feed-forward 2 x 9216 x 2,
    statistics 4 x (4 + 24).
    """
    tokens, report = 2 * 4096, 16_336_846_848
    layer = 4 * 3072 * 2 + 2 * 3072 * 2 + 2 * 1024 * 2 + 2 * 9216 * 2 + 4 * (4 + 24)
    assert activations.of_layer(work(), placement()) == tokens * layer / 2
    explained = 32 * tokens * (2 * 3072 + 2 * 2 * 2048) / 2
    assert kept(work(), placement(), 0) == pytest.approx(report - explained, rel=0.01)


@pytest.mark.parametrize(
    ("precision", "optimizer", "expected"),
    [
        (Precision(element=2, is_o2=True), "fused_adam", (2, 4, 12)),
        (Precision(element=2, is_o2=True), "mcore_distributed_optim", (2, 4, 12 / 64)),
        (Precision(element=2, is_o2=True), "distributed_fused_adam", (2, 4, 10 / 64)),
        (Precision(element=2, is_o2=False), "fused_adam", (6, 4, 8)),
        (Precision(element=4, is_o2=False), "fused_adam", (4, 4, 8)),
        (Precision(element=4, is_o2=False), "mcore_distributed_optim", (4, 4, 8 / 64)),
    ],
)
def test_bytes_a_weight(precision, optimizer, expected, work):
    each = memory.state_bytes(work(precision=precision, optimizer=optimizer), 64)
    assert (each.weights, each.gradients, each.optimizer) == expected


def test_without_sequence_parallelism_norms_and_residuals_are_whole_on_every_tensor_rank(work, placement):
    """(4 x 3072 x 2 + 4 x 4) bytes a token and layer, not halved: arXiv 2205.05198, equation 2 against 4."""
    more = activations.of_layer(work(), placement(sequence_parallel=False)) - activations.of_layer(work(), placement())
    assert more == 2 * 4096 * (4 * 3072 * 2 + 4 * 4) / 2


def test_full_recomputation_keeps_inputs_and_works_on_one_group_of_layers(work, placement):
    where = placement(full=4)
    assert activations.of_chunk(work(), where) == 32 / 4 * 2 * 4096 * 3072 * 2 / 2
    assert activations.of_recomputation(work(), where) == 4 * activations.of_layer(work(), where)


def test_block_recomputation_keeps_the_layers_behind_its_block(work, placement):
    where = placement(recompute=Recompute(granularity="full", method="block", layers=30))
    layer, given = activations.of_layer(work(), where), activations.of_layer_input(work(), where)
    assert activations.of_chunk(work(), where) == 30 * given + 2 * layer
    assert activations.of_recomputation(work(), where) == layer


def test_selective_recomputation_saves_nothing_where_attention_is_fused(work, placement):
    selective = placement(recompute=Recompute(granularity="selective"))
    assert activations.of_stage(work(), selective, 0) == activations.of_stage(work(), placement(), 0)


@pytest.mark.parametrize(("virtual", "flying"), [(1, [4, 3, 2, 1]), (2, [11, 9, 7, 5])], ids=["1F1B", "interleaved"])
def test_chunks_in_flight_by_stage(virtual, flying, work, placement):
    """Interleaved on the first stage: 2 x 3 warm-up, 4 of the first round and the one in work."""
    where = placement(layout=Layout(tensor=2, pipeline=4, data=16), virtual=virtual)
    assert [activations.chunks_in_flight(work(), where, stage) for stage in range(4)] == flying


def test_no_more_micro_batches_fly_than_there_are(work, placement):
    where = placement(layout=Layout(tensor=2, pipeline=16, data=4), micro_batch=144)
    assert activations.chunks_in_flight(work(), where, 0) == 2


def test_context_parallel_ranks_share_the_tokens(work, placement):
    halves = placement(layout=Layout(tensor=2, pipeline=1, data=32, context=2))
    assert activations.of_layer(work(), halves) == activations.of_layer(work(), placement()) / 2


def test_the_fullest_of_two_stages_is_the_one_with_logits_where_the_vocabulary_is_large(work, placement):
    where = placement(layout=Layout(tensor=2, pipeline=2, data=32))
    stage, used = memory.fullest_stage(work(), where, reserved=1000)
    first = stage_memory(work(), where, 0, reserved=1000)
    assert stage == 1
    assert used.logits == 2 * 4096 * 6 * 256_000 / 2
    assert first.logits == 0
    assert used.total == sum(used.parts().values()) > first.total
    assert used.workspace == 1000
    assert first.workspace == activations.of_gradients(work(), where) + 1000


def test_dpo_takes_two_sequences_a_pair_and_twenty_bytes_a_logit(work, placement):
    used = stage_memory(work(schema="dpo"), placement(), 0, reserved=0, reference_batch=2)
    assert used.activations == pytest.approx(2 * activations.of_stage(work(), placement(), 0), rel=1e-12)
    assert used.logits == 2 * 2 * 4096 * 20 * 256_000 / 2


def test_a_large_reference_batch_can_decide_dpos_memory(work, placement):
    used = stage_memory(work(schema="dpo"), placement(micro_batch=1), 0, reserved=0, reference_batch=8)
    assert used.activations + used.logits == 8 * 2 * 4096 * 12 * 256_000 / 2
