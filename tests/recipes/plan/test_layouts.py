"""Layouts: what a step costs, which candidates there are, in which order they come."""

import pytest

from recipes.checks.layout import Layout
from recipes.plan import layouts
from recipes.plan.cluster import find
from recipes.plan.layouts import candidates, cheapest_changes, ranked, step_costs
from recipes.plan.work import Recompute
from tests.recipes.plan.conftest import LLAMA_1B

A100 = find("a100-80gb", [])
A100_40 = find("a100-40gb", [])


def keys(candidate: layouts.Candidate) -> dict[str, str]:
    return dict(word.split("=") for word in candidate.overrides)


def test_matrices_take_the_flops_at_the_stated_utilisation(work, placement):
    """1.1917e17 FLOP / (128 x 312e12 x 0.4) = 7.46 s."""
    assert step_costs(work(), placement(), A100).matrices == pytest.approx(7.46, abs=0.005)


def test_tensor_parallel_sums_are_four_a_layer_and_cross_the_nodes_links(work, placement):
    """9 micro batches x 32 layers x 4 sums x 2 x 4096 x 3072 x 2 bytes x 2 x 1/2, at 300e9 bytes/s: 0.193 s."""
    costs = step_costs(work(), placement(), A100)
    assert costs.tensor == pytest.approx(9 * 32 * 4 * 2 * 4096 * 3072 * 2 / 300e9)
    assert step_costs(work(), placement(full=1), A100).tensor == pytest.approx(1.5 * costs.tensor)


def test_a_pipeline_waits_for_its_stages_less_one_by_micro_batches(work, placement):
    """4 stages, 36 micro batches: 3/36 of the work; half of it with two virtual stages."""
    cut = Layout(tensor=2, pipeline=4, data=16)
    plain, interleaved = (step_costs(work(), placement(layout=cut, virtual=count), A100) for count in (1, 2))
    assert plain.bubble == pytest.approx((plain.matrices + plain.tensor) * 3 / 36)
    assert interleaved.bubble == pytest.approx(plain.bubble / 2)


def test_gradients_hide_behind_the_last_micro_batch_where_they_are_overlapped(work, placement):
    """2.095e9 weights x (4 + 2) bytes x 63/64 at 25e9 bytes/s = 0.495 s, of which 2/3 x 7.46 / 9 = 0.55 s is hidden."""
    assert step_costs(work(), placement(), A100).data == 0
    exposed = step_costs(work(is_overlapped=False), placement(), A100).data
    assert exposed == pytest.approx(2_095_454_208 * 6 * 63 / 64 / 25e9)


def test_gradients_of_one_node_take_its_own_links(work, placement):
    one_node = placement(layout=Layout(tensor=2, pipeline=1, data=4))
    exposed = step_costs(work(is_overlapped=False, optimizer="fused_adam"), one_node, A100).data
    assert exposed == pytest.approx(2_095_454_208 * 8 * 3 / 4 / 300e9)


def test_candidates_keep_the_rules_and_the_number_of_cards(work, placement):
    found = candidates(work(), placement(), A100, 0)
    assert len(found) > 50
    for each in found:
        cut = each.placement.layout
        assert cut.processes == 128
        assert 24 % cut.tensor == 8 % cut.tensor == 32 % cut.pipeline == 0
        assert 1152 % (each.placement.micro_batch * cut.data) == 0
        assert each.placement.sequence_parallel == (cut.tensor > 1)


def test_sequence_parallelism_stays_off_where_nothing_else_of_the_tensor_ranks_changes(work, placement):
    words = [keys(each) for each in candidates(work(), placement(sequence_parallel=False), A100, 0)]
    assert {"model.micro_batch_size": "1"} in words
    assert {"model.sequence_parallel": "true"} in words


def test_the_configured_layout_comes_first_and_changes_nothing(work, placement):
    first = candidates(work(), placement(), A100, 0)[0]
    assert (first.placement, first.overrides, first.changes, first.time) == (placement(), (), 0, 1.0)
    assert all(each.overrides for each in candidates(work(), placement(), A100, 0)[1:])


def test_of_equally_quick_layouts_the_one_that_changes_least_comes_first(work, placement):
    """Tensor 2 x data 64 is within 2 % of the quickest, and configured: nothing to change."""
    best = ranked(candidates(work(), placement(), A100, 0))
    assert best[0].changes == 0
    assert [each.time for each in best] == sorted((each.time for each in best), key=lambda time: round(time / 0.02))
    assert all(each.memory.total <= 0.92 * 79.1 * 2**30 for each in best[1:])
    assert len({(each.placement.layout, each.placement.recompute) for each in best}) == len(best)


def test_reasons_name_what_a_layout_loses(work, placement):
    found = {each.placement: each for each in candidates(work(), placement(), A100, 0)}
    assert found[placement()].why == "3 % tensor-parallel sums"
    wide = found[placement(layout=Layout(tensor=4, pipeline=2, data=16), micro_batch=2, full=1)]
    assert "pipeline bubble" in wide.why
    assert wide.why.endswith("computes 27 % again")


def test_two_different_cheapest_changes_make_a_run_fit_40_gb(work, placement):
    """One node, micro batch 8: 9.6 GiB of activations and 5.9 of logits at micro batch 2 are four times that."""
    large = placement(layout=Layout(tensor=2, pipeline=1, data=4), micro_batch=8)
    found = candidates(work(global_batch=128), large, A100_40, 0)
    assert not found[0].fits
    first, second = cheapest_changes(found)
    assert first.fits
    assert first.time <= second.time + 0.02
    assert keys(first) == {"model.micro_batch_size": "1"}
    assert set(keys(second)) != set(keys(first))


def test_nothing_is_proposed_where_nothing_fits(work, placement):
    tiny_card = find("a100-80gb", ["memory_gib=5"])
    found = candidates(work(), placement(), tiny_card, 0)
    assert (ranked(found), cheapest_changes(found)) == ([], [])


def test_a_change_is_written_as_one_would_type_it(work, placement):
    found = candidates(work(), placement(), A100, 0)
    wanted = placement(layout=Layout(tensor=1, pipeline=2, data=64), sequence_parallel=False, full=1)
    (same,) = [each for each in found if each.placement == wanted]
    assert keys(same) == {
        "model.tensor_model_parallel_size": "1",
        "model.sequence_parallel": "false",
        "model.pipeline_model_parallel_size": "2",
        "model.activations_checkpoint_granularity": "full",
        "model.activations_checkpoint_method": "uniform",
        "model.activations_checkpoint_num_layers": "1",
    }
    assert same.changes == 3


def test_recomputation_can_be_switched_off_and_virtual_stages_go_with_another_pipeline(work, placement):
    cut = Layout(tensor=2, pipeline=4, data=16)
    selective = placement(layout=cut, virtual=2, recompute=Recompute(granularity="selective"))
    words = [keys(each) for each in candidates(work(), selective, A100, 0)]
    assert {"model.activations_checkpoint_granularity": "null"} in words
    off = {"model.pipeline_model_parallel_size": "2", "model.virtual_pipeline_model_parallel_size": "null"}
    assert off in words


def test_a_plain_optimizer_may_become_a_distributed_one(work, placement):
    plain = work(optimizer="fused_adam")
    found = [each for each in candidates(plain, placement(), A100, 0) if each.placement == placement()]
    assert [keys(each) for each in found] == [{}, {"model.optim.name": "mcore_distributed_optim"}]
    assert found[1].memory.optimizer == pytest.approx(found[0].memory.optimizer / 64)


def test_another_tensor_size_keeps_the_rows_of_the_checkpoints_tables(work, placement):
    """128,256 rows are 4 x 32,064, but no multiple of 4 x 128: NeMo would pad to 128,512."""
    llama = work(model=LLAMA_1B, vocabulary_rows=128_256)
    found = [each for each in candidates(llama, placement(), A100, 0) if each.placement.layout.tensor == 4]
    assert {keys(each)["model.make_vocab_size_divisible_by"] for each in found} == {"32064"}


def test_sft_has_its_micro_batch_elsewhere_and_dpo_pads_for_sequence_parallelism(work, placement):
    where = placement(layout=Layout(tensor=1, pipeline=1, data=128), sequence_parallel=False, micro_batch=1)
    sft = candidates(work(schema="sft"), where, A100, 0)
    assert any("model.data.train_ds.micro_batch_size" in keys(each) for each in sft)
    dpo = [each for each in candidates(work(schema="dpo"), where, A100, 1) if each.placement.layout.tensor == 2]
    assert {keys(each)["model.data.pad_length_to_multiple_of"] for each in dpo} == {"16"}
