"""Time, money and disk, in numbers that can be worked out by hand."""

import json

import pytest
from omegaconf import OmegaConf

from recipes import cli
from recipes.plan.cluster import find
from recipes.plan.schedule import disk, schedule
from recipes.plan.work import Precision
from tests.conftest import CONFIGS, SMALL_MODEL, SMALL_RUN, weights

A100 = find("a100-80gb", [])
KEEP_THREE = OmegaConf.create(
    {"trainer": {"val_check_interval": 500}, "exp_manager": {"checkpoint_callback_params": {"save_top_k": 3}}}
)


def test_the_papers_run_takes_seven_days_at_40_percent(work):
    """1.0102e22 FLOP / (128 x 312e12 x 0.4 FLOP/s) = 632,400 s."""
    times = schedule(work(), A100, 128, 84_772, None)
    assert times.flops == pytest.approx(1.0e22, rel=0.02)
    assert times.days == pytest.approx(7.3, abs=0.05)
    assert times.gpu_hours == pytest.approx(22_484, rel=1e-3)
    assert times.cost == pytest.approx(22_484 * 1.8, rel=1e-3)
    assert times.tokens == 84_772 * 1152 * 4096
    assert times.tokens_per_second * times.seconds_per_step == pytest.approx(1152 * 4096)


def test_at_30_percent_it_takes_a_third_more(work):
    slower = schedule(work(), find("a100-80gb", ["mfu=0.3"]), 128, 84_772, None)
    assert slower.days == pytest.approx(9.76, abs=0.02)


def test_fp32_is_timed_by_the_fp32_peak(work):
    fp32 = schedule(work(precision=Precision(element=4, is_o2=False)), A100, 128, 1, None)
    assert fp32.seconds_per_step == pytest.approx(schedule(work(), A100, 128, 1, None).seconds_per_step * 312 / 19.5)


def test_a_run_of_unknown_length_has_figures_of_a_step_alone(work):
    times = schedule(work(), A100, 128, None, None)
    assert times.seconds_per_step > 0
    assert (times.steps, times.tokens, times.flops, times.days, times.gpu_hours, times.cost) == (None,) * 6


def test_a_checkpoint_is_fourteen_bytes_a_weight_and_five_lie_on_the_disk(work):
    """2 bf16 + 4 master + 8 moments; three best, the last, and the one being written."""
    sizes = disk(work(), KEEP_THREE, 8, 84_772, 0)
    assert sizes.checkpoint == 14 * 4_190_509_056
    assert sizes.model == 2 * 4_190_509_056
    assert sizes.kept == 5
    assert sizes.most == (5 * 14 + 2) * 4_190_509_056
    assert sizes.host_memory == 0


def test_keeping_every_checkpoint_counts_them(work):
    keep_all = OmegaConf.merge(KEEP_THREE, {"exp_manager": {"checkpoint_callback_params": {"save_top_k": -1}}})
    assert disk(work(), keep_all, 8, 84_772, 0).kept == 170 + 2
    assert disk(work(), keep_all, 8, None, 0).most is None


def test_dpo_keeps_two_copies_of_its_weights_in_the_hosts_memory(work):
    """The reference's, and the policy's while the reference is asked: 8 ranks x 2 x 2 bytes x their weights."""
    assert disk(work(schema="dpo"), KEEP_THREE, 8, 10, 1000).host_memory == 8 * 2 * 2 * 1000


@pytest.mark.slow
def test_a_real_checkpoint_and_the_weights_of_its_nemo_are_as_large_as_planned_within_three_percent(
    small_base, tmp_path
):
    """Torch's metadata are the rest; the .nemo holds its tokenizer beside the weights."""
    words = [str(CONFIGS / "cpt" / "tiny_base.yaml"), *SMALL_MODEL, *SMALL_RUN, f"output={tmp_path / 'plan.json'}"]
    assert cli.main(["plan", *words]) == 0
    planned = json.loads((tmp_path / "plan.json").read_text())["disk"]
    (last,) = small_base.parent.glob("*-last")
    assert sum(file.stat().st_size for file in last.rglob("*")) == pytest.approx(planned["checkpoint"], rel=0.03)
    assert sum(map(len, weights(small_base).values())) == pytest.approx(planned["model"], rel=0.03)
