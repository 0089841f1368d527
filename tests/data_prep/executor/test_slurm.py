"""The array job as datatrove submits it, run by stand-ins for sbatch, srun and squeue on this machine.

test_slurm_cluster.py runs the same on a real one; here the script and rare answers of the programs are what counts.
"""

import json
import os
import sys
from pathlib import Path

import pytest

from data_prep.errors import DataError, LangadaptError
from data_prep.executor.run import Execution
from data_prep.executor.settings import SlurmSettings
from data_prep.executor.slurm import read_jobs
from data_prep.tasks import Done, Stage, Step, run_step

from .test_run import shout, task

SBATCH = """#!{python}
import os, re, subprocess, sys
script = sys.argv[-1]
text = open(script).read()
log = open({log!r}, "a")
log.write(text + "\\n---" + " ".join(sys.argv[1:-1]) + "\\n")
last = int(re.search(r"--array=0-(\\d+)", text)[1])
for element in range(last + 1):
    environment = dict(os.environ, SLURM_ARRAY_TASK_ID=str(element), PATH=os.environ["PATH"])
    for word in sys.argv[1:-1]:
        if "RUN_OFFSET" in word:
            environment["RUN_OFFSET"] = word.rpartition("=")[2]
    subprocess.run(["bash", script], env=environment, stdout=log, stderr=log)
print("Submitted batch job 4711")
"""
SRUN = """#!/bin/bash
while [[ "$1" == -* ]]; do [[ "$1" == -n ]] && shift; shift; done
exec "$@"
"""
SQUEUE = """#!/bin/bash
[ -e {busy} ] && rm {busy} && echo 4711 && exit 0
echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins on PATH; what was submitted is in `submitted`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    scripts = {
        "sbatch": SBATCH.format(python=sys.executable, log=str(tmp_path / "submitted")),
        "srun": SRUN,
        "squeue": SQUEUE.format(busy=tmp_path / "busy"),
    }
    for name, text in scripts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    return tmp_path


def run(folder: Path, *names: str, **slurm: object) -> Done:
    step = Step(name="documents", tasks=tuple(task(folder, name) for name in names), transforms=(shout,))
    settings = SlurmSettings(**{"partition": "cpu", "poll_seconds": 0.01, **slurm})  # type: ignore[arg-type]
    execution = Execution(executor="slurm", workers=2, slurm=settings)
    execution.check()
    return run_step(Stage(name="split", steps=(step,)), step, execution=execution, logs=folder / "logs")


def test_a_step_is_an_array_job_and_its_receipts_say_that_it_is_done(cluster: Path) -> None:
    (cluster / "busy").touch()
    done = run(cluster, "a", "b", "c", sbatch_args={"account": "nlp"})
    assert [item.name for item, _ in done] == ["a", "b", "c"]
    submitted = (cluster / "submitted").read_text()
    for line in ("--array=0-2%2", "--partition=cpu", "--account=nlp", "--time=24:00:00", "--job-name=prep-split"):
        assert f"#SBATCH {line}" in submitted
    assert submitted.count("#SBATCH --array") == 1  # no second job to merge statistics
    assert run(cluster, "a", "b", "c") == []


def test_more_tasks_than_an_array_may_have_become_several_jobs(cluster: Path) -> None:
    assert len(run(cluster, "a", "b", "c", max_array_size=2)) == 3
    assert (cluster / "submitted").read_text().count("#SBATCH --array") == 2


def test_a_failed_task_says_why_on_the_login_node_and_the_others_stay_done(cluster: Path) -> None:
    with pytest.raises(DataError, match=r"this is bad(.|\n)*f\.jsonl:3"):
        run(cluster, "a", "bad", "c")
    assert [item.name for item, _ in run(cluster, "a", "c")] == []


def test_jobs_of_a_killed_driver_are_waited_for(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(cluster, "a")
    assert read_jobs(cluster / "logs") == []
    (cluster / "logs" / "jobs.txt").write_text("4711\n")
    run(cluster, "a")
    assert "waiting for jobs of an earlier run: 4711" in capsys.readouterr().out
    assert read_jobs(cluster / "logs") == []


def test_a_refused_submission_names_the_script_and_what_to_check(
    cluster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_1")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(cluster / "home"))
    (cluster / "bin" / "sbatch").write_text("#!/bin/bash\necho 'invalid partition' >&2; exit 1\n")
    with pytest.raises(LangadaptError, match=r"sbatch refused(.|\n)*launch_script\.slurm(.|\n)*slurm\.partition"):
        run(cluster, "a")
    assert list((cluster / "home").rglob("*.env")) == []


def test_the_executor_is_described_in_the_logs(cluster: Path) -> None:
    run(cluster, "a")
    assert json.loads((cluster / "logs" / "executor.json").read_text())["world_size"] == 1


def test_a_queue_cannot_be_asked_without_a_pause() -> None:
    with pytest.raises(ValueError, match=r"poll_seconds 0 is not a time to wait(.|\n)*15"):
        SlurmSettings(partition="cpu", poll_seconds=0)
