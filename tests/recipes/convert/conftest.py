"""Tiny checkpoints made, converted and traced by NeMo in a process of its own, shared by all tests here."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from data_prep.layout import REPOSITORY_ROOT
from recipes.runtime.inference import Trace


@dataclass(frozen=True)
class Tiny:
    """What `make_checkpoint` leaves of one model."""

    name: str
    folder: Path
    """Of all models."""

    nemo: Path
    hf: Path
    output: str
    """What the command printed."""
    reference: Trace
    """NeMo's outputs for the probe."""
    sequences: list[list[int]]


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Tiny tensors: a second thread only waits, for seconds where the cores are shared."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> tuple[Path, str]:
    """The folder with all models, and what was printed."""
    folder = tmp_path_factory.mktemp("made")
    done = subprocess.run(
        [sys.executable, "-m", "tests.recipes.convert.make_checkpoint", str(folder)],
        cwd=REPOSITORY_ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return folder, done.stdout


def read(made: tuple[Path, str], name: str) -> Tiny:
    folder, output = made
    stored = torch.load(folder / f"{name}.pt", weights_only=True)
    paths = {"nemo": folder / f"{name}.nemo", "hf": folder / f"hf-{name}"}
    return Tiny(name=name, folder=folder, output=output, **paths, **stored)


@pytest.fixture(scope="session")
def tiny(made) -> Tiny:
    """A Nemotron with a SentencePiece tokenizer and untied tables."""
    return read(made, "tiny")


@pytest.fixture(scope="session")
def llama(made) -> Tiny:
    """A Llama with a Hugging Face tokenizer, tied tables and Llama 3.1's rotary embedding."""
    return read(made, "llama")


@pytest.fixture(scope="session")
def back(made):
    """The folder with what `make_nemo` leaves, and what it printed."""
    folder, _ = made
    done = subprocess.run(
        [sys.executable, "-m", "tests.recipes.convert.make_nemo", str(folder)],
        cwd=REPOSITORY_ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return SimpleNamespace(folder=folder, output=done.stdout)
