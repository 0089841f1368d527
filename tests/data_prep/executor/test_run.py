import os
import signal
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from datatrove.data import Document as Carrier
from datatrove.pipeline.filters import LambdaFilter

from data_prep.documents import Document, Record, Reject
from data_prep.errors import DataError, UsageError
from data_prep.executor.run import Execution
from data_prep.executor.settings import RaySettings, SlurmSettings
from data_prep.executor.steps import from_carrier, to_carrier
from data_prep.layout import Layout
from data_prep.receipts import Tally
from data_prep.tasks import Stage, Step, Task, Written, run_step, split_off_rejects

from ..test_documents import document
from ..tokenize.corpora import finished_shards, train_bytes
from ..tokenize.corpora import run as tokenize

REJECT = Reject(id="r", reason="empty_text", where="f:1", text="")


def read(name: str) -> Iterable[Record]:
    if name == "bad":
        raise DataError("this is bad", where="f.jsonl:3", fix="mend it")
    return [document(id=f"{name}-{number}") for number in range(5)] + [REJECT]


def shout(item: Document) -> Record:
    if item.id.endswith("-4"):
        return Reject(id=item.id, reason="last", where="shout", text=item.text)
    return document(id=item.id, text=item.text.upper() + "!")


def write(folder: Path, name: str, records: Iterable[Record], _tally: Tally) -> Written:
    out = folder / f"{name}.txt"
    with split_off_rejects(records, folder / f"{name}.zst") as kept:
        out.write_text("\n".join(item.id + item.text for item in kept))
    return Written(outputs=(out,), details={"name": name})


def task(folder: Path, name: str, inputs: tuple[Path, ...] = ()) -> Task:
    return Task(
        name=name,
        settings={"name": name},
        inputs=inputs,
        receipt=folder / f"{name}.receipt.json",
        read=partial(read, name),
        write=partial(write, folder, name),
    )


def run(folder: Path, *names: str, workers: int = 1) -> list[Any]:
    step = Step(name="documents", tasks=tuple(task(folder, name) for name in names), transforms=(shout,))
    stage = Stage(name="split", steps=(step,))
    return run_step(stage, step, execution=Execution(workers=workers), logs=folder / "logs")


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_runs_through_the_transforms_to_its_receipt(tmp_path: Path, workers: int) -> None:
    done = run(tmp_path, "a", "b", "c", workers=workers)
    assert [item.name for item, _ in done] == ["a", "b", "c"]
    for _, receipt in done:
        assert receipt.counts == {"in": 6, "kept": 4, "dropped": {"empty_text": 1, "last": 1}}
    assert (tmp_path / "b.txt").read_text().splitlines()[0] == "b-0पहाड़"
    assert (tmp_path / "logs" / "task_00002.log").is_file()


def test_only_what_is_not_current_runs_again(tmp_path: Path) -> None:
    run(tmp_path, "a", "b")
    (tmp_path / "b.txt").unlink()
    assert [item.name for item, _ in run(tmp_path, "b", "a")] == ["b"]
    assert run(tmp_path, "a", "b") == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_users_mistake_arrives_whole_and_without_a_stack_trace(
    tmp_path: Path, workers: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataError) as raised:
        run(tmp_path, "a", "bad", workers=workers)
    assert str(raised.value) == "this is bad\n  where: f.jsonl:3\n  fix:   mend it"
    assert "Traceback" not in "".join(capfd.readouterr())
    assert not (tmp_path / "bad.receipt.json").exists()
    assert "Traceback" in (tmp_path / "logs" / "task_00001.log").read_text()


def test_the_console_stays_quiet(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, "a", "b", workers=2)
    assert "".join(capfd.readouterr()) == ""


def test_missing_inputs_are_named_before_anything_runs(tmp_path: Path) -> None:
    step = Step(name="datasets", tasks=(task(tmp_path, "a"), task(tmp_path, "b", (tmp_path / "none.zst",))))
    stage = Stage(name="tokenize", steps=(step,))
    with pytest.raises(UsageError, match=r"stage tokenize has nothing to read for b(.|\n)*none\.zst(.|\n)*leave out"):
        run_step(stage, step, execution=Execution(), logs=tmp_path / "logs")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("record", [document(), REJECT])
def test_records_travel_through_datatrove_unchanged(record: Record) -> None:
    assert from_carrier(to_carrier(record)) == record


def test_datatroves_own_filters_work_on_what_travels() -> None:
    carriers = [to_carrier(document(id="keep")), to_carrier(document(id="drop"))]
    kept = list(LambdaFilter(lambda carrier: carrier.id == "keep")(iter(carriers)))
    assert [from_carrier(carrier) for carrier in kept] == [document(id="keep")]
    assert isinstance(kept[0], Carrier)


def killed_in_the_middle(_item: Document) -> Record:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def test_a_killed_worker_is_an_error_and_not_a_wait_for_ever(tmp_path: Path) -> None:
    step = Step(name="documents", tasks=(task(tmp_path, "a"), task(tmp_path, "b")), transforms=(killed_in_the_middle,))
    stage = Stage(name="split", steps=(step,))
    with pytest.raises(DataError, match=r"of 2 tasks ended without a receipt(.|\n)*out of memory(.|\n)*same command"):
        run_step(stage, step, execution=Execution(workers=2), logs=tmp_path / "logs")


@pytest.mark.parametrize("name", ["slurm", "ray"])
def test_a_cluster_that_is_not_there_is_refused_before_any_work(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/none")
    monkeypatch.setitem(sys.modules, "ray", None)
    execution = Execution(executor=name, slurm=SlurmSettings(partition="cpu"))
    with pytest.raises(UsageError, match={"slurm": "no sbatch", "ray": "Ray is not installed"}[name]):
        execution.check()


def test_slurm_needs_a_partition() -> None:
    with pytest.raises(UsageError, match=r"needs a partition(.|\n)*slurm\.partition=NAME"):
        Execution(executor="slurm").check()


@pytest.fixture
def _ray_ends() -> Iterator[None]:
    """In a test the process outlives the run."""
    yield
    import ray

    ray.shutdown()


@pytest.mark.usefixtures("_ray_ends")
def test_ray_runs_every_task_and_a_users_mistake_arrives_whole(tmp_path: Path) -> None:
    """A real Ray, started on this machine."""
    step = Step(name="documents", tasks=tuple(task(tmp_path, name) for name in ("a", "b")), transforms=(shout,))
    execution = Execution(executor="ray", workers=2, ray=RaySettings(mem_per_cpu_gb=0.1))
    done = run_step(Stage(name="split", steps=(step,)), step, execution=execution, logs=tmp_path / "logs")
    assert [receipt.counts["kept"] for _, receipt in done] == [4, 4]
    step = Step(name="documents", tasks=(task(tmp_path, "bad"),))
    with pytest.raises(DataError, match=r"this is bad(.|\n)*f\.jsonl:3(.|\n)*mend it"):
        run_step(Stage(name="split", steps=(step,)), step, execution=execution, logs=tmp_path / "logs")


@pytest.mark.usefixtures("_ray_ends")
def test_stage_tokenize_on_ray_gives_the_bytes_of_one_machine(small_prep: Layout, tmp_path: Path) -> None:
    here = finished_shards(tmp_path / "here", small_prep.tokenizer, [30, 0, 20])
    there = finished_shards(tmp_path / "there", small_prep.tokenizer, [30, 0, 20])
    tokenize(here)
    assert tokenize(replace(there, executor="ray", workers=2, ray=RaySettings(mem_per_cpu_gb=0.1))) == [6, 2]
    assert train_bytes(there) == train_bytes(here)


@pytest.mark.usefixtures("_ray_ends")
def test_a_ray_cluster_that_is_not_there_is_named_with_the_fix(tmp_path: Path) -> None:
    step = Step(name="documents", tasks=(task(tmp_path, "a"),))
    execution = Execution(executor="ray", ray=RaySettings(address="auto"))
    with pytest.raises(
        UsageError, match=r"cannot join the Ray cluster(.|\n)*ray\.address=auto(.|\n)*null to start Ray"
    ):
        run_step(Stage(name="split", steps=(step,)), step, execution=execution, logs=tmp_path / "logs")
