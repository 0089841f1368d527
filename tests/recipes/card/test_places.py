"""The parts of a run are found below one folder, or named one by one."""

import pytest

from data_prep.errors import UsageError
from data_prep.settings import load
from recipes.card import places
from recipes.card.places import PlaceSettings


def find(*overrides) -> places.Places:
    return places.find(load(PlaceSettings, [], list(overrides)))


def test_a_work_folder_holds_all_parts(tiny_run) -> None:
    found = find(f"run=[{tiny_run}]")
    assert found.models == {"base": tiny_run / "hf" / "base"}
    assert found.runs == {"base": tiny_run / "base"}
    assert (found.data, found.evaluation) == (tiny_run / "data", tiny_run / "evaluation.json")


def test_parts_can_be_named_one_by_one(tiny_run) -> None:
    found = find(f"model={tiny_run}/hf/base", "stage=cpt", f"runs.cpt={tiny_run}/base", f"data={tiny_run}/data")
    assert found == places.Places(
        models={"cpt": tiny_run / "hf" / "base"},
        runs={"cpt": tiny_run / "base"},
        data=tiny_run / "data",
        evaluation=None,
    )


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], "no run is named"),
        (["run=[/no/such/run]"], "there is no such folder"),
        (["run=[a,b]"], "one run at a time"),
        (["run=[{run}]", "stage=dpo"], "there is no converted dpo model"),
        (["run=[{run}]", "runs.rlhf=x"], "runs.rlhf is no training stage"),
        (["model={run}/data"], "model is not there"),
        (["model={run}/hf/base", "runs.base={run}/data"], "runs.base is not there"),
        (["model={run}/hf/base", "evaluation={run}/none.json"], "evaluation is not there"),
        (["data={run}/evaluation.json"], "data is not there"),
    ],
)
def test_what_was_named_must_be_there(overrides, message, tiny_run) -> None:
    with pytest.raises(UsageError, match=message) as error:
        find(*(override.format(run=tiny_run) for override in overrides))
    assert error.value.fix


def test_a_folder_that_does_not_name_its_stage_asks_for_it(tiny_run, tmp_path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="does not say which stage the model is of") as error:
        find(f"model={tmp_path}/model")
    assert "stage=dpo" in error.value.fix
