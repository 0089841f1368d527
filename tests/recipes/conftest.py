"""A small real run for the verbs that read runs: cards, releases."""

from pathlib import Path
from shutil import copy, copytree

import pytest

from tests.conftest import CONFIGS, run_langadapt


@pytest.fixture(scope="session")
def tiny_run(prepared, small_base, tmp_path_factory) -> Path:
    """A work folder: prepared data, a base of two layers that was trained, converted through the gate and evaluated."""
    work = tmp_path_factory.mktemp("runs") / "tiny"
    copytree(prepared.data.root, work / "data")
    copytree(small_base.parent.parent, work / "base")
    model = work / "base" / "checkpoints" / small_base.name
    run_langadapt("convert", "to-hf", f"model={model}", f"output={work}/hf/base")
    run_langadapt(
        "evaluate",
        CONFIGS / "eval" / "tiny.yaml",
        f"models.base={work}/hf/base",
        f"documents={work}/data/documents",
        f"output={work}/evaluation.json",
        "seq_length=64",
        "bootstrap_samples=100",
        "generate.max_new_tokens=2",
    )
    return work


@pytest.fixture
def work(tiny_run, tmp_path) -> Path:
    """A copy of what cards and releases read of it, under the same name, to write into."""
    folder = tmp_path / tiny_run.name
    for part in ("base/record", "data/audit", "data/documents", "data/instruct", "hf"):
        copytree(tiny_run / part, folder / part)
    copy(tiny_run / "evaluation.json", folder)
    return folder
