"""Array jobs on a real Slurm: the same bytes as on one machine, and a driver that was killed is taken over."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from data_prep.documents import Document, Record
from data_prep.errors import DataError
from data_prep.executor.run import Execution
from data_prep.executor.settings import SlurmSettings
from data_prep.executor.slurm import read_jobs
from data_prep.layout import Layout
from data_prep.tasks import Done, Stage, Step, run_step
from tests.conftest import REPOSITORY
from tests.data_prep.tokenize.corpora import finished_shards, train_bytes
from tests.data_prep.tokenize.corpora import run as tokenize
from tests.slurm_cluster import PARTITION, missing, running

from ..test_documents import document
from .test_run import shout, task

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason="Slurm is not installed: apt-get install slurmctld slurmd slurm-client"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with running(tmp_path_factory.mktemp("slurm")) as environment:
        yield environment


@pytest.fixture(autouse=True)
def _on_cluster(cluster: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in cluster.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


SETTINGS = SlurmSettings(partition=PARTITION, poll_seconds=0.2, mem_per_cpu_gb=1)


def run(folder: Path, *names: str) -> Done:
    step = Step(name="documents", tasks=tuple(task(folder, name) for name in names), transforms=(shout,))
    execution = Execution(executor="slurm", workers=2, slurm=SETTINGS)
    execution.check()
    return run_step(Stage(name="split", steps=(step,)), step, execution=execution, logs=folder / "logs")


def test_a_step_runs_as_an_array_job_and_gives_the_bytes_of_one_machine(tmp_path: Path) -> None:
    done = run(tmp_path / "cluster", "a", "b", "c")
    assert [receipt.counts["kept"] for _, receipt in done] == [4, 4, 4]
    step = Step(name="documents", tasks=tuple(task(tmp_path / "here", name) for name in "abc"), transforms=(shout,))
    run_step(Stage(name="split", steps=(step,)), step, execution=Execution(), logs=tmp_path / "here" / "logs")
    for name in ("a.txt", "b.txt", "c.txt"):
        assert (tmp_path / "cluster" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()
    assert run(tmp_path / "cluster", "a", "b", "c") == []


def test_stage_tokenize_gives_the_bytes_of_one_machine(small_prep: Layout, tmp_path: Path) -> None:
    here = finished_shards(tmp_path / "here", small_prep.tokenizer, [30, 0, 20])
    there = finished_shards(tmp_path / "there", small_prep.tokenizer, [30, 0, 20])
    tokenize(here)
    assert tokenize(replace(there, executor="slurm", workers=2, slurm=SETTINGS)) == [6, 2]
    assert train_bytes(there) == train_bytes(here)


KEYS = {"MT_KEY": "mt-5b1d0c3e9f", "HF_TOKEN": "hf_77ac02e1d4"}


def holders(folder: Path) -> list[str]:
    """Files that hold one of the keys: scripts and environments, while Slurm keeps them."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in files if any(key.encode() in path.read_bytes() for key in KEYS.values())]


def look_for_keys(item: Document) -> Record:
    """What a task finds: its keys by their digests, and who else has them."""
    digests = " ".join(hashlib.sha256(os.environ.get(name, "").encode()).hexdigest() for name in KEYS)
    return document(id=item.id, text=f"{digests} {holders(Path(os.environ['SLURM_CONF']).parent)}")


def test_keys_reach_the_tasks_and_neither_slurm_nor_the_logs(
    tmp_path: Path, cluster: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "my home"))
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    work = tmp_path / "my work"
    step = Step(name="documents", tasks=(task(work, "a"), task(work, "b")), transforms=(look_for_keys,))
    execution = Execution(executor="slurm", workers=2, slurm=SETTINGS, key_variables=("MT_KEY",))
    run_step(Stage(name="split", steps=(step,)), step, execution=execution, logs=work / "logs")
    digests = " ".join(hashlib.sha256(key.encode()).hexdigest() for key in KEYS.values())
    for name in ("a", "b"):
        assert f"{digests} []" in (work / f"{name}.txt").read_text()
    assert holders(work) == []
    assert holders(Path(cluster["SLURM_CONF"]).parent) == []
    shown = subprocess.run(["scontrol", "show", "job", "--details"], capture_output=True, text=True, check=True).stdout
    assert "prep-split" in shown
    assert not any(key in shown for key in KEYS.values())
    assert os.environ["MT_KEY"] == KEYS["MT_KEY"]
    assert list((tmp_path / "my home").rglob("*.env")) == [], "no task needs them any more"


def test_a_users_mistake_on_a_node_arrives_whole(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"this is bad(.|\n)*f\.jsonl:3"):
        run(tmp_path, "a", "bad")
    assert (tmp_path / "a.receipt.json").is_file()


def test_a_killed_driver_is_taken_over_by_the_next(tmp_path: Path) -> None:
    """The jobs it left in the queue end first; nothing is done twice."""
    words = ["executor=slurm", "workers=2", f"slurm.partition={PARTITION}", "slurm.poll_seconds=0.2"]
    words += ["slurm.mem_per_cpu_gb=1", f"output_dir={tmp_path}", "ingest"]
    command = [sys.executable, "-m", "recipes.cli", "prep", "nemo_configs/data/sample.yaml", *words]
    logs = tmp_path / "logs" / "ingest" / "documents"
    driver = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not read_jobs(logs):
        assert time.monotonic() < deadline, "nothing was submitted"
        time.sleep(0.02)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    again = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=120)
    assert "waiting for jobs of an earlier run: " in again.stdout
    assert "ingest: 4 of 4 up to date, skipped" in again.stdout
    assert read_jobs(logs) == []
