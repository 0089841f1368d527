"""Verb `demo`: the whole recipe at toy size, each step through the verb a real run uses.

Text -> Megatron datasets -> blend -> a tiny Nemotron pre-trained mostly on English -> continued pre-training on the
blend with tensor parallelism -> SFT -> DPO -> Hugging Face checkpoints with a parity proof -> bits per byte -> report.
Every step leaves a receipt or a run record, so a killed demo continues where it stopped when run again.
"""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from data_prep import settings as strict
from data_prep.errors import LangadaptError, UsageError
from data_prep.files import atomic_write
from recipes.demo_plan import DemoSettings, Step, plan

STEP_SECONDS = "steps.json"


class StepFailed(LangadaptError):
    """A step of the demo ended with an error, which it has printed."""


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Runs the chain, or prints its commands."""
    settings = strict.load(DemoSettings, configs, overrides)
    check_inputs(settings)
    steps = plan(settings)
    if dry_run:
        print("\n".join("langadapt " + " ".join(step.arguments) for step in steps))
        return 0
    start = time.time()
    for number, step in enumerate(steps, start=1):
        run_step(step, f"[{number}/{len(steps)}]", settings.workdir)
    print_summary(settings.workdir, time.time() - start)
    return 0


def check_inputs(settings: DemoSettings) -> None:
    """Refuses input files that are not there, before anything starts."""
    for option, path in (("--real-hi", settings.real_hi), ("--real-en", settings.real_en)):
        if path is not None and not path.is_file():
            raise UsageError(f"{path} does not exist.", where=option, fix=f"{option} /path/to/documents.jsonl")


def run_step(step: Step, number: str, workdir: Path) -> None:
    """Runs one command in a process of its own and adds its seconds to the record.

    Raises:
        StepFailed: It failed; carries the command's exit code and how to repeat it alone.
    """
    print(f"\n{number} {step.name}: {step.purpose}", flush=True)
    start = time.time()
    code = run_command([sys.executable, "-m", "recipes.cli", *step.arguments])
    if code != 0:
        failure = StepFailed(
            f"The step `{step.name}` ended with exit code {code}; its message is above.",
            where=" ".join(("langadapt", *step.arguments)),
            fix="mend it and run the same demo command again: finished steps are not repeated",
        )
        failure.exit_code = max(code, 1)
        raise failure
    add_seconds(workdir, step.name, time.time() - start)


def run_command(command: list[str]) -> int:
    """Runs a command to its end; an interrupt or a termination of the demo stops it first."""
    process = subprocess.Popen(command)
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def add_seconds(workdir: Path, name: str, seconds: float) -> None:
    """Records a step's wall time; a repeated, skipped step keeps the longer, first one."""
    path = workdir / STEP_SECONDS
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known[name] = round(max(seconds, known.get(name, 0.0)), 1)
    workdir.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as stream:
        stream.write(json.dumps(known, indent=2).encode())


def print_summary(workdir: Path, seconds: float) -> None:
    """Where the time went, and where the result is."""
    steps = json.loads((workdir / STEP_SECONDS).read_text(encoding="utf-8"))
    print("\nwhere the time went (s): " + ", ".join(f"{name} {value:.0f}" for name, value in steps.items()))
    print(f"demo: done in {seconds:.0f} s; open {(workdir / 'report.html').absolute()}")
