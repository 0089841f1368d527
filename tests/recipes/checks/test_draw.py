"""A run keeps to the plan of its blend; without one, no dataset is read more often than the limit."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from data_prep.errors import UsageError
from recipes.checks.draw import Draw, check_draw, draws
from recipes.draw_settings import DrawSettings
from recipes.run_settings import run_settings
from tests.recipes.checks.conftest import refused
from tests.training_inputs import make_dataset

PREFIX = "model.data.data_prefix"
PLAN = Path("blend/cpt.json")
LENGTH, BATCH = 256, 8


def with_two_datasets(tiny, inputs, small: Path, steps: int, **changes: object):
    blend = [3, str(inputs.prefix), 1, str(small)]
    value = {"train": blend, "validation": blend, "test": blend}
    return tiny("cpt", {PREFIX: value, "trainer.max_steps": steps, **changes})


@pytest.fixture
def small(inputs, tmp_path) -> Path:
    """1,025 tokens beside the 4,097 of the other dataset."""
    return make_dataset(tmp_path / "small", inputs.tokenizer, 1025)


def plan_of(inputs, small: Path, samples: int, *, length: int = LENGTH, weight: float = 0.25):
    entries = [(str(inputs.prefix), 1 - weight, 4), (str(small), weight, 2)]
    return {
        "samples": samples,
        "sequence_length": length,
        "train": [{"prefix": prefix, "weight": share, "max_epochs": cap} for prefix, share, cap in entries],
    }


def test_epochs_follow_weights_steps_and_tokens():
    """3 to 1 of 8,000 tokens: 6,000 of 1,000 and 2,000 of 4,000."""
    assert draws([(3, "a"), (1, "b")], [1000, 4000], 8000) == [
        Draw(prefix="a", tokens=1000, epochs=6.0),
        Draw(prefix="b", tokens=4000, epochs=0.5),
    ]


def test_a_run_of_the_plans_length_has_nothing_to_tell(tiny, inputs, small):
    """4 steps of 8 sequences, planned in samples of another length."""
    cfg = with_two_datasets(tiny, inputs, small, 4)
    assert check_draw(cfg, PLAN, plan_of(inputs, small, 4 * BATCH), DrawSettings()) == []
    assert check_draw(cfg, PLAN, plan_of(inputs, small, 8 * BATCH, length=LENGTH // 2), DrawSettings()) == []


def test_a_run_longer_than_its_plan_names_the_value_on_either_side(tiny, inputs, small):
    cfg = with_two_datasets(tiny, inputs, small, 8)
    error = refused(check_draw, cfg, PLAN, plan_of(inputs, small, 4 * BATCH), DrawSettings())
    assert "the run draws 16,384 tokens, its blend was planned for 8,192" in str(error)
    assert f"read 2 times as often as planned: {small} 4.00 epochs, its cap is 2" in str(error)
    assert error.fix == "trainer.max_steps=4\nor plan the blend anew: langadapt blend ... budget_tokens=16384"
    assert str(PLAN) in error.where
    assert error.exit_code == 2


def test_steps_are_rounded_up_to_a_whole_batch_without_a_word(tiny, inputs, small):
    cfg = with_two_datasets(tiny, inputs, small, 4)
    assert check_draw(cfg, PLAN, plan_of(inputs, small, 4 * BATCH - 5), DrawSettings()) == []


def test_a_run_shorter_than_its_plan_says_so(tiny, inputs, small):
    (line,) = check_draw(
        with_two_datasets(tiny, inputs, small, 4), PLAN, plan_of(inputs, small, 32 * BATCH), DrawSettings()
    )
    assert line == "draws 8,192 of the 65,536 tokens its blend was planned for: epochs fall in proportion"


def test_without_a_plan_the_limit_holds(tiny, inputs, small):
    cfg = with_two_datasets(tiny, inputs, small, 16)
    error = refused(check_draw, cfg, None, None, DrawSettings())
    assert f"{small} has 1,025 tokens and would be read 7.99 times" in str(error)
    assert "the limit is 4 epochs" in str(error)
    assert error.fix.startswith("trainer.max_steps=8\nor plan the weights: langadapt blend")
    assert error.fix.endswith("or langadapt.draw.max_epochs=8, if you mean it")
    (line,) = check_draw(cfg, None, None, DrawSettings(max_epochs=8))
    assert line == f"draws 32,768 tokens, at most 7.99 epochs (of {small})"


def test_no_steps_fit_where_one_is_too_much(tiny, inputs, small):
    error = refused(check_draw, with_two_datasets(tiny, inputs, small, 1), None, None, DrawSettings(max_epochs=0.1))
    assert error.fix.startswith("plan the weights")


def test_a_blend_changed_after_its_plan_is_held_to_the_limit(tiny, inputs, small):
    cfg = with_two_datasets(tiny, inputs, small, 16)
    other = plan_of(inputs, small, 16 * BATCH, weight=0.5)
    assert "would be read 7.99 times" in str(refused(check_draw, cfg, PLAN, other, DrawSettings()))
    lines = check_draw(cfg, PLAN, other, DrawSettings(max_epochs=8))
    assert f"the plan {PLAN} is of another blend than {PREFIX}.train: its caps on epochs are not applied" in lines


def test_splits_cut_out_of_the_datasets_leave_less_of_each(tiny, inputs):
    changes = {PREFIX: [1.0, str(inputs.prefix)], "model.data.splits_string": "1,1,0", "trainer.max_steps": 2}
    (line,) = check_draw(tiny("cpt", changes), None, None, DrawSettings())
    assert "at most 2.00 epochs" in line


def test_a_blend_megatron_may_not_index_is_announced(tiny, inputs, tmp_path):
    """One whole epoch ends between what upstream asks for and what it may deal out (tests/data_prep/blend)."""
    big = make_dataset(tmp_path / "big", inputs.tokenizer, 61 * 16 + 1)
    rest = [make_dataset(tmp_path / f"small{n}", inputs.tokenizer, 33) for n in range(40)]
    blend = [60, str(big)]
    for prefix in rest:
        blend += [1, str(prefix)]
    changes = {
        PREFIX: {"train": blend, "validation": blend, "test": blend},
        "model.data.seq_length": 16,
        "model.global_batch_size": 10,
        "trainer.max_steps": 10,
    }
    draw, tight = check_draw(tiny("cpt", changes), None, None, DrawSettings())
    assert draw == f"draws 1,600 tokens, at most 0.98 epochs (of {big})"
    assert "may stop with `oversamples` at its start: its index of big is tight for 100 samples" in tight
    assert tight.endswith("then plan the blend with budget_tokens=1600 sequence_length=16")


@pytest.mark.parametrize("value", [0, -1, ".nan"])
def test_a_limit_is_above_0(value):
    with pytest.raises(UsageError, match="is not above 0"):
        run_settings(OmegaConf.create(f"langadapt: {{draw: {{max_epochs: {value}}}}}"))
