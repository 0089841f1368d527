"""One tiny checkpoint made, converted and traced by NeMo in a process of its own, shared by all tests here."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from data_prep.layout import REPOSITORY_ROOT
from recipes.runtime.inference import Trace


@dataclass(frozen=True)
class Tiny:
    """What `make_checkpoint` leaves."""

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
def tiny(tmp_path_factory) -> Tiny:
    folder = tmp_path_factory.mktemp("tiny")
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
    stored = torch.load(folder / "reference.pt", weights_only=True)
    return Tiny(nemo=folder / "tiny.nemo", hf=folder / "hf", output=done.stdout, **stored)
