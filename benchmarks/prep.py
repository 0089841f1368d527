"""The whole preparation, ingest to tokenize: memory by stage as the corpus grows, speed by stage, and two workers.

    python -m benchmarks.prep [--documents 500] [--repetitions 3] [--text FILE.jsonl ...]

Documents are random sentences of the sample corpus's Hindi, 20 each, in 16 files; the corpus at 4x and 16x has longer
files. Every stage that needs no trained translator runs, each in a process of its own with what it starts, so that
its peak is its own. Memory is the largest sum of the resident memory of those processes, sampled every 20 ms; CPU is
theirs after start-up. The last lines are the largest ratio of memory at 16x to 1x, and of wall time with one worker to
two (medians of runs that take turns; the machine must have two free cores).
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import yaml

from benchmarks.common import table
from benchmarks.dedup import documents, sentences
from data_prep.layout import REPOSITORY_ROOT

SAMPLE = REPOSITORY_ROOT / "data_prep" / "sample_corpus"
STAGES = ("ingest", "clean", "dedup", "decontaminate", "split", "romanize", "tokenizer", "tokenize")
GROWTH = (1, 4, 16)
FILES = 16


def write_corpus(folder: Path, pool: list[str], count: int) -> Path:
    """The files of a source and the YAML that prepares them."""
    (folder / "text").mkdir(parents=True)
    lines = [json.dumps({"id": each.id, "text": each.text}, ensure_ascii=False) for each in documents(pool, count)]
    for number in range(FILES):
        (folder / "text" / f"{number:02d}.jsonl").write_text("\n".join(lines[number::FILES]) + "\n", "utf-8")
    source = {"path": str(folder / "text"), "lang": "hi-Deva", "kind": "real", "source": "bench", "license": "CC0-1.0"}
    settings = {
        "output_dir": str(folder / "data"),
        "sources": [source],
        "decontaminate": {
            "enabled": True,
            "eval_sets": [{"name": "sample", "path": str(SAMPLE / "eval_items.jsonl"), "id_field": "id"}],
        },
        "tokenizer": {"vocab_size": 4096},
    }
    config = folder / "prep.yaml"
    config.write_text(yaml.safe_dump(settings), "utf-8")
    return config


def run(config: Path, *words: str) -> tuple[float, float, float]:
    """A run of prep: wall seconds, CPU seconds and peak megabytes of it and all it starts."""
    command = [sys.executable, "-m", "recipes.cli", "prep", str(config), *words]
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as said:
        process = psutil.Popen(command, cwd=REPOSITORY_ROOT, stdout=subprocess.DEVNULL, stderr=said)
        used: dict[int, float] = {}
        peak = 0
        while process.poll() is None:
            peak = max(peak, _sample(process, used))
            time.sleep(0.02)
        if process.returncode:
            said.seek(0)
            sys.exit(said.read())
    return time.monotonic() - started, sum(used.values()), peak / 2**20


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


def by_stage(config: Path) -> dict[str, tuple[float, float]]:
    """CPU seconds and peak megabytes of every stage, start-up taken off."""
    _, start_up, _ = run(config, "--dry-run")
    measured = {}
    for stage in STAGES:
        _, cpu, peak = run(config, stage)
        measured[stage] = max(cpu - start_up, 0.01), peak
    return measured


def one_against_two(config: Path, folder: Path, repetitions: int) -> dict[int, tuple[float, float]]:
    """Median wall and CPU seconds with one worker and with two, in turns."""
    timed: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    for number in range(repetitions):
        for workers, runs in timed.items():
            out = folder / f"{workers}-{number}"
            runs.append(run(config, f"output_dir={out}", f"workers={workers}")[:2])
    pick: Callable[[int, int], float] = lambda workers, part: statistics.median(each[part] for each in timed[workers])  # noqa: E731
    return {workers: (pick(workers, 0), pick(workers, 1)) for workers in timed}


def main() -> None:
    """Prints both tables; the ratios are on the last lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=500, help="documents of the corpus at 1x (default 500)")
    parser.add_argument("--repetitions", type=int, default=3, help="of the comparison of one worker with two")
    parser.add_argument("--text", type=Path, nargs="+", default=[SAMPLE / "documents.hi.jsonl"])
    given = parser.parse_args()
    pool = sentences(given.text)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        configs = {times: write_corpus(folder / str(times), pool, given.documents * times) for times in GROWTH}
        measured = {times: by_stage(config) for times, config in configs.items()}
        largest = GROWTH[-1]
        rows = [
            [
                stage,
                *(f"{measured[times][stage][1]:.0f}" for times in GROWTH),
                f"{measured[largest][stage][0]:.1f}",
                f"{given.documents * largest / measured[largest][stage][0]:,.0f}",
            ]
            for stage in STAGES
        ]
        header = ["stage", *(f"peak MB {times}x" for times in GROWTH), f"CPU s {largest}x", "documents/CPU s"]
        print(table(header, rows), flush=True)
        grown = max((measured[largest][stage][1] / measured[1][stage][1], stage) for stage in STAGES)
        timed = one_against_two(configs[largest], folder, given.repetitions)
    print(table(["workers", "wall s", "CPU s"], [[str(n), *(f"{each:.1f}" for each in timed[n])] for n in timed]))
    print(f"memory {largest}x / 1x: {grown[0]:.2f} at most (stage {grown[1]})")
    print(f"one worker / two: {timed[1][0] / timed[2][0]:.2f} (wall time of the whole preparation; higher is better)")


if __name__ == "__main__":
    main()
