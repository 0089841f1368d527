"""The image cannot be built here: its Dockerfile is linted, its pins compared, its smoke test run on the CPU."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from recipes.runtime import ground
from tests.conftest import REPOSITORY

FOLDER = REPOSITORY / "launchers" / "container"
DOCKERFILE = (FOLDER / "Dockerfile").read_text()
HADOLINT = str(Path(sys.executable).with_name("hadolint"))


def argument(name: str) -> str:
    (value,) = re.findall(rf"^ARG {name}=(\S+)$", DOCKERFILE, re.MULTILINE)
    return str(value)


def hadolint(*words: str, text: str | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([HADOLINT, "--no-color", *words], input=text, capture_output=True, text=True, check=False)


def test_the_dockerfile_is_clean() -> None:
    done = hadolint(str(FOLDER / "Dockerfile"))
    assert (done.returncode, done.stdout) == (0, "")


def test_a_dockerfile_with_faults_is_found() -> None:
    said = hadolint("-", text="FROM ubuntu:latest\nADD https://x.org/y /y\nRUN curl x | sh\n").stdout
    assert {"DL3007", "DL4006"} <= set(re.findall(r"DL\d+", said))


def test_everything_fetched_is_pinned() -> None:
    for image in [argument("BASE_IMAGE"), *re.findall(r"^FROM ([^$\s]\S*)", DOCKERFILE, re.MULTILINE)]:
        assert re.fullmatch(r"[\w./-]+:[\w.-]*\d[\w.-]*", image), image
    for name in ("APEX_COMMIT", "TE_COMMIT"):
        assert re.fullmatch("[0-9a-f]{40}", argument(name))
    assert "ADD " not in DOCKERFILE
    assert DOCKERFILE.count("git clone") == DOCKERFILE.count("checkout --quiet")
    unpinned = [
        word
        for word in re.findall(r"pip install (.*)", DOCKERFILE)
        if not re.search(r"==|-r |/tmp/|--editable|\\$", word)
    ]
    assert unpinned == []


def test_nvcc_is_of_the_version_torch_was_built_with_or_apex_would_refuse() -> None:
    nvcc = re.search(r"cuda:(\d+)\.(\d+)", argument("BASE_IMAGE"))
    assert nvcc is not None
    assert argument("TORCH_CUDA") == f"cu{nvcc[1]}{nvcc[2]}"


def test_the_nemo_set_comes_from_requirements_alone_and_is_the_pinned_one() -> None:
    assert not re.search(r"(nemo[-_]toolkit|megatron[-_]core|nemo[-_]aligner)==", DOCKERFILE)
    lines = (REPOSITORY / "requirements" / "nemo.txt").read_text().splitlines()
    assert {name: pin for name, _, pin in (line.partition("==") for line in lines if "==" in line)} == ground.PINS


def test_every_folder_the_package_needs_is_in_the_image() -> None:
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    kept = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert {"data_prep", "recipes", "nemo_configs", "launchers", "requirements", "pyproject.toml", "README.md"} <= kept
    assert all((REPOSITORY / name).exists() for name in kept)


def smoke(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(FOLDER / "smoke.sh"), *words],
        env={**os.environ, "PYTHON": sys.executable, **environment},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


@pytest.mark.skipif(not ground.detect().missing, reason="this is the container")
def test_the_smoke_test_refuses_an_image_without_gpu_or_apex(tmp_path: Path) -> None:
    done = smoke(str(tmp_path / "run"))
    assert done.returncode == 1
    assert "smoke: the ground is portable, not container: missing" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.long
def test_the_smoke_test_trains_two_steps_on_the_portable_ground(tmp_path: Path) -> None:
    done = smoke(str(tmp_path / "my run"), GROUND="portable")
    assert done.stdout.endswith(f"smoke: good (portable, {tmp_path}/my run)\n"), done.stderr[-3000:]
