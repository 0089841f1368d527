"""What a kill around a checkpoint leaves is put in order before NeMo looks, and said."""

from pathlib import Path

import pytest

from recipes import checkpoints


@pytest.fixture
def run_folder(tmp_path):
    def make(*names: str) -> Path:
        for name in names:
            path = tmp_path / "checkpoints" / name
            path.parent.mkdir(exist_ok=True)
            if name.endswith(checkpoints.UNFINISHED):
                path.touch()
            else:
                path.mkdir()
                (path / "common.pt").touch()
        return tmp_path

    return make


def left(folder: Path) -> set[str]:
    return {path.name for path in (folder / "checkpoints").iterdir()}


def test_an_unfinished_first_checkpoint_is_removed(run_folder) -> None:
    folder = run_folder("a-step=8-last", "a-step=8-last-unfinished")
    assert checkpoints.tidy(folder) == ["removed a-step=8-last: it was not finished when the run stopped"]
    assert left(folder) == set()


def test_of_two_last_checkpoints_the_newest_stays(run_folder) -> None:
    folder = run_folder("a-step=8-last", "a-step=16-last", "a-step=16")
    assert checkpoints.tidy(folder) == ["removed a-step=8-last: a newer last checkpoint exists"]
    assert left(folder) == {"a-step=16-last", "a-step=16"}


def test_the_finished_one_stays_when_the_newer_is_unfinished(run_folder) -> None:
    folder = run_folder("a-step=8-last", "a-step=16-last", "a-step=16-last-unfinished")
    checkpoints.tidy(folder)
    assert left(folder) == {"a-step=8-last"}


def test_a_marker_without_its_checkpoint_goes_too(run_folder) -> None:
    folder = run_folder("a-step=8-last", "a-step=4-unfinished")
    checkpoints.tidy(folder)
    assert left(folder) == {"a-step=8-last"}


def test_a_final_model_of_a_run_that_has_not_ended_is_removed(run_folder) -> None:
    folder = run_folder("a-step=8-last", "a.nemo")
    assert checkpoints.tidy(folder) == [
        "removed a.nemo: the run had not ended when it stopped, its end writes a new one"
    ]
    assert left(folder) == {"a-step=8-last"}


def test_a_folder_in_order_is_left_alone(run_folder, tmp_path) -> None:
    assert checkpoints.tidy(tmp_path / "new") == []
    assert checkpoints.tidy(run_folder("a-step=8", "a-step=8-last")) == []
