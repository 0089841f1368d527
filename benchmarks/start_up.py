"""Where the time goes before the first training step, and after the last one.

    python -m benchmarks.start_up [--repeat 3]

Times `langadapt pretrain nemo_configs/cpt/tiny_base.yaml` for 4 steps on the sample corpus, CPU only, every run in a
new process and a new run folder, from the start of the interpreter to its exit. The parts lie end to end: each
begins where the one above ends, so they add up to the whole. They come from moments that benchmarks.marked_run
writes down and from the times in the run's own record.

Files are in the page cache and bytecode is compiled: the very first run after `make setup` takes longer.
"""

import argparse
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from benchmarks import common, marked_run

STEPS = 4

PARTS = {
    "torch_begins": "Python, command line",
    "torch_ends": "import torch",
    "nemo_begins": "config, checks, hashes of the inputs, record",
    "patches_begins": "import NeMo and megatron-core",
    "patches_ends": "patches",
    "model_begins": "trainer, run folder",
    "model_ends": "model",
    "datasets_begins": "Lightning",
    "datasets_ends": "dataset index",
    "first_step": "optimizer, sanity validation, first step",
    "last_step": f"steps 2 to {STEPS}",
    "training_ends": "validation, checkpoint, .nemo",
    "exit": "exit",
}
"""Moments in order, each with the name of the part that ends there; the first part begins at the process's start."""

BEFORE_TRAINING = tuple(PARTS.values())[: list(PARTS).index("first_step") + 1]


def parts(marks: dict[str, float]) -> dict[str, float]:
    """Seconds of each part.

    Args:
        marks: Time of `start` and of every moment of PARTS.
    """
    moments = [marks[name] for name in ("start", *PARTS)]
    return {part: after - before for part, (before, after) in zip(PARTS.values(), pairwise(moments), strict=True)}


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    """Median of every part over the runs."""
    return {part: common.median([run[part] for run in runs]) for part in runs[0]}


def one_run(corpus: common.Corpus, folder: Path) -> dict[str, float]:
    """Seconds of each part of one run."""
    folder.mkdir()
    path = folder / "marks"
    start = time.time()
    common.run_module("benchmarks.marked_run", path, *common.pretrain_words(corpus, folder / "run", STEPS))
    end = time.time()
    steps = common.step_times(folder / "run")
    return parts({**marked_run.read(path), "start": start, "first_step": steps[0], "last_step": steps[-1], "exit": end})


def main() -> None:
    """Prints the table; the last line is the total."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3, help="runs (default 3)")
    repeat = parser.parse_args().repeat
    common.use_cpu()
    print(common.machine_facts(), flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = common.prepare_corpus(folder)
        runs = [one_run(corpus, folder / str(number)) for number in range(repeat)]
    middle = medians(runs)
    rows = [
        [part, f"{seconds:.2f}", f"{min(run[part] for run in runs):.2f}", f"{max(run[part] for run in runs):.2f}"]
        for part, seconds in middle.items()
    ]
    print(common.table(["part", "median s", "least", "most"], rows))
    print(f"to the first step {_total(runs, BEFORE_TRAINING):.1f} s (median of {repeat} runs)")
    print(f"total {_total(runs, tuple(PARTS.values())):.1f} s (median of {repeat} runs; lower is better)")


def _total(runs: list[dict[str, float]], names: tuple[str, ...]) -> float:
    """Median over the runs of the sum of some parts."""
    return common.median([sum(run[name] for name in names) for run in runs])


if __name__ == "__main__":
    main()
