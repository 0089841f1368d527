"""What benchmarks share: the sample corpus through the public verbs, measured runs, machine facts, medians, tables."""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from data_prep.layout import REPOSITORY_ROOT, Layout
from recipes import run_record

CONFIGS = REPOSITORY_ROOT / "nemo_configs"
TINY_BASE = CONFIGS / "cpt" / "tiny_base.yaml"


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """The sample corpus, ready to train on.

    Attributes:
        tokenizer: Its SentencePiece model.
        blend: The fragment that names its token datasets.
    """

    tokenizer: Path
    blend: Path


def use_cpu() -> None:
    """Hides every GPU from this process and its children: both benchmarks time the portable ground.

    Call before torch is imported.
    """
    os.environ["CUDA_VISIBLE_DEVICES"] = ""


def langadapt(*words: object) -> None:
    """Runs a verb in a process of its own; raises CalledProcessError with its output shown if it fails."""
    run_module("recipes.cli", *words)


def run_module(module: str, *words: object) -> None:
    """Runs `python -m MODULE WORDS` below the repository; its output is shown only if it fails."""
    command = [sys.executable, "-m", module, *map(str, words)]
    done = subprocess.run(command, cwd=REPOSITORY_ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(done.stdout[-2000:], done.stderr[-4000:], sep="\n", file=sys.stderr)
        done.check_returncode()


@dataclass(frozen=True, kw_only=True)
class Used:
    """What a process and all it started took: seconds of wall and CPU time, and megabytes at their peak."""

    wall: float
    cpu: float
    peak: float
    said: str
    """Its output and its errors."""


def run_measured(command: Sequence[str], environment: dict[str, str] | None = None) -> Used:
    """Runs a command below the repository to its end; resident memory is summed and sampled every 20 ms.

    Raises:
        CalledProcessError: It failed; `stderr` holds what it said.
    """
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as said:
        process = psutil.Popen(command, cwd=REPOSITORY_ROOT, env=environment, stdout=said, stderr=said)
        used: dict[int, float] = {}
        peak = 0
        while process.poll() is None:
            peak = max(peak, _sample(process, used))
            time.sleep(0.02)
        wall = time.monotonic() - started
        said.seek(0)
        text = said.read()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=text)
    return Used(wall=wall, cpu=sum(used.values()), peak=peak / 2**20, said=text)


def _sample(process: psutil.Process, used: dict[int, float]) -> int:
    """Resident bytes of a process tree now; notes the CPU seconds of each process."""
    resident = 0
    try:
        for each in (process, *process.children(recursive=True)):
            times = each.cpu_times()
            used[each.pid] = times.user + times.system
            resident += each.memory_info().rss
    except psutil.Error:  # one has just ended
        pass
    return resident


def prepare_corpus(folder: Path) -> Corpus:
    """Prep and blend of the sample corpus by the shipped configs."""
    data, blend = Layout(folder / "data"), folder / "blend.yaml"
    langadapt("prep", CONFIGS / "data" / "sample.yaml", f"output_dir={data.root}")
    langadapt("blend", CONFIGS / "data" / "blend_tiny_base.yaml", f"tokens_dir={data.tokens}", f"output={blend}")
    return Corpus(tokenizer=data.tokenizer, blend=blend)


def pretrain_words(corpus: Corpus, folder: Path, steps: int) -> list[str]:
    """Command line of a pre-training run of `steps` steps with one validation and one checkpoint, both at its end.

    Megatron's index of the samples goes into the run folder, so that every run builds it anew.
    """
    return [
        "pretrain",
        str(TINY_BASE),
        str(corpus.blend),
        f"trainer.max_steps={steps}",
        f"trainer.val_check_interval={steps}",
        "model.optim.sched.warmup_steps=1",
        f"model.data.index_mapping_dir={folder / 'index'}",
        f"exp_manager.explicit_log_dir={folder}",
    ]


def step_times(folder: Path) -> list[float]:
    """When each training step of a run was logged, in seconds since the epoch; validation has lines of its own."""
    lines = (folder / run_record.METRICS_NAME).read_text(encoding="utf-8").splitlines()
    return [entry["time"] for entry in map(json.loads, lines) if run_record.LOSS_KEYS[0] in entry]


def machine_facts() -> str:
    """What a reader needs to judge absolute times."""
    import torch

    from recipes.runtime.ground import versions

    known = versions()
    names = ("python", "torch", "nemo-toolkit", "megatron-core", "transformers")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    machine = f"{_processor()}, {cores} cores, {torch.get_num_threads()} torch threads, CPU only"
    return f"{machine}, load {os.getloadavg()[0]:.1f}\n" + ", ".join(f"{name} {known[name]}" for name in names)


def _processor() -> str:
    """Model name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def median(values: Sequence[float]) -> float:
    """The middle value: one repetition disturbed by another process does not move it."""
    return statistics.median(values)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the first is aligned left, the others right."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
