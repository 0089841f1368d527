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
                (path / ".metadata").write_bytes(b"model.weight" if "no-optimizer" in name else b"optimizer.state")
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


def test_a_finished_checkpoint_newer_than_the_last_becomes_the_last(run_folder) -> None:
    folder = run_folder("a-step=8-last", "a-step=16", "a-step=16-last", "a-step=16-last-unfinished")
    assert checkpoints.tidy(folder) == [
        "removed a-step=16-last: it was not finished when the run stopped",
        "renamed a-step=16 to a-step=16-last: the run goes on from it, the newest that is finished",
        "removed a-step=8-last: a newer last checkpoint exists",
    ]
    assert left(folder) == {"a-step=16-last"}


def test_the_first_checkpoint_is_not_lost_when_its_second_copy_is_unfinished(run_folder) -> None:
    folder = run_folder("a-step=8", "a-step=8-last", "a-step=8-last-unfinished")
    checkpoints.tidy(folder)
    assert left(folder) == {"a-step=8-last"}


def test_a_checkpoint_without_optimizer_is_no_last_one(run_folder) -> None:
    folder = run_folder("a-step=8-last", "no-optimizer-step=16")
    assert checkpoints.tidy(folder) == []


def test_checkpoints_from_a_step_on_are_set_aside(run_folder) -> None:
    folder = run_folder("a-step=8", "a-step=16", "a-step=16-last", "a-step=24-last", "a-step=24-last-unfinished")
    assert checkpoints.set_aside(folder, 16) == sorted((folder / "diverged").iterdir())
    assert left(folder) == {"a-step=8", "a-step=24-last", "a-step=24-last-unfinished"}
    assert {path.name for path in (folder / "diverged").iterdir()} == {"a-step=16", "a-step=16-last"}
    assert checkpoints.newest(folder).name == "a-step=8"
    checkpoints.tidy(folder)
    assert left(folder) == {"a-step=8-last"}


def test_a_second_attempt_replaces_what_the_first_set_aside(run_folder) -> None:
    folder = run_folder("a-step=16-last")
    checkpoints.set_aside(folder, 16)
    run_folder("a-step=16-last")
    assert len(checkpoints.set_aside(folder, 16)) == 1
    assert checkpoints.newest(folder) is None
    assert checkpoints.set_aside(folder, 16) == []
