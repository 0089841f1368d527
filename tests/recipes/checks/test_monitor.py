"""What the monitor is told to watch is looked at before anything is loaded."""

import pytest

from recipes.checks import check_dpo, check_pretrain, check_sft
from recipes.checks.monitor import check_monitor
from tests.recipes.checks.conftest import refused
from tests.training_inputs import make_dataset, make_tokenizer

SETS, ALARMS = "langadapt.monitor.sets", "langadapt.monitor.alarms"


@pytest.fixture
def heldout(inputs, tmp_path):
    return str(make_dataset(tmp_path / "web.en-Latn.real_text_document", inputs.tokenizer, 10))


def test_a_set_that_is_not_there(tiny) -> None:
    error = refused(check_pretrain, tiny("cpt", {SETS: ["no/such"]}), has_gpu=False)
    assert str(error).startswith("no token dataset no/such")
    assert error.where == SETS


def test_a_set_of_another_tokenizer(tiny, tmp_path) -> None:
    other = make_tokenizer(tmp_path / "other.model", 330)
    prefix = make_dataset(tmp_path / "web.en-Latn.real_text_document", other, 10)
    assert "was made with another tokenizer" in str(refused(check_monitor, tiny("cpt", {SETS: [str(prefix)]})))


def test_a_set_that_is_trained_on(tiny, inputs) -> None:
    error = refused(check_monitor, tiny("cpt", {SETS: [str(inputs.prefix)]}))
    assert str(error).startswith("the monitor set web.hi-Deva.real is among the data trained on")


def test_an_alarm_on_nothing_names_what_there_is(tiny, heldout) -> None:
    alarm = {"watch": "web.en-Latn.rael", "increase": 2.0}
    error = refused(check_monitor, tiny("cpt", {SETS: [heldout], ALARMS: [alarm]}))
    assert "an alarm watches web.en-Latn.rael, which is neither a set nor a language of one" in str(error)
    assert "did you mean web.en-Latn.real?" in error.fix
    check_monitor(tiny("cpt", {SETS: [heldout], ALARMS: [{**alarm, "watch": "web.en-Latn.real"}]}))


@pytest.mark.parametrize(("folder", "check"), [("sft", check_sft), ("dpo", check_dpo)])
def test_sft_and_dpo_have_no_monitor(tiny, heldout, folder, check) -> None:
    error = refused(check, tiny(folder, {SETS: [heldout]}), has_gpu=False)
    assert str(error).startswith(f"`{folder}` has no forgetting monitor")
