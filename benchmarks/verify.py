"""`python -m benchmarks.verify`: `langadapt verify` beside tools that only read the same .bin, and its memory.

Each size is read REPETITIONS times by all in turn, from the page cache, so that the disk is no part of it; medians
count. `sha256sum` and `cat` are the system's; `hashlib` is Python's, which uses the processor's SHA instructions where
coreutils may not, and is the part of ours that takes the checksum. Peak memory is that of the process at 1, 4 and 16
times the tokens, interpreter and numpy included.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.common import median, table
from data_prep.indexed_dataset import dataset_writer, token_dtype
from data_prep.layout import REPOSITORY_ROOT, append_suffix

SIZES = (1, 4, 16)
VOCABULARIES = (32_000, 256_000)
REPETITIONS = 5
DOCUMENT_TOKENS = 500
EOD = 3
RIVALS = ("sha256sum", "hashlib", "cat")
_TIMED = """
import hashlib, sys, time
from pathlib import Path
from data_prep.verify.check import ModelTokenizer, verify
from data_prep.verify.tokens import KnownIds
prefix, size, eod = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
started, cpu = time.perf_counter(), time.process_time()
if sys.argv[4] == "hashlib":
    with open(f"{prefix}.bin", "rb") as file:
        hashlib.file_digest(file, "sha256")
else:
    known = KnownIds(size=size, eod_id=eod)
    report = verify(prefix, ModelTokenizer(name="benchmark", sha256="", known=known))
    assert not report.faults, report.faults
print(time.perf_counter() - started, time.process_time() - cpu)
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One reading of one file."""

    wall: float
    cpu: float
    peak_mb: float = 0.0


def main() -> None:
    """Measure and print one table, the ratios last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=40, help="size of the .bin at 1x")
    megabytes = parser.parse_args().megabytes
    rows, ratios, growth = [], [], []
    for vocabulary in VOCABULARIES:
        peaks = []
        for size in SIZES:
            with tempfile.TemporaryDirectory() as folder:
                prefix = make(Path(folder) / "bench", vocabulary, megabytes * size)
                timings = measure(prefix, vocabulary)
            for tool, timing in timings.items():
                name = f"{tool}, {token_dtype(vocabulary)}, {megabytes * size} MB"
                speeds = [f"{megabytes * size / seconds:,.0f}" for seconds in (timing.wall, timing.cpu)]
                rows.append([name, *speeds, f"{timing.peak_mb:.0f}" if timing.peak_mb else ""])
            peaks.append(timings["verify"].peak_mb)
            ratios.append([timings[rival].cpu / timings["verify"].cpu for rival in RIVALS])
        growth.append(peaks[-1] / peaks[0])
    print(table(["tool, ids, .bin", "MB/s", "MB/CPU s", "peak MB"], rows))
    shown = ", ".join(
        f"{median(each):.2f} {rival}" for each, rival in zip(zip(*ratios, strict=True), RIVALS, strict=True)
    )
    print(f"ratio of MB/CPU s to that of: {shown}; memory at {SIZES[-1]}x / 1x: {max(growth):.2f}")


def make(prefix: Path, vocabulary: int, megabytes: int) -> Path:
    """A dataset of random ids, each document ended by EOD."""
    draw = np.random.default_rng(0)
    dtype = token_dtype(vocabulary)
    documents = megabytes * 1_000_000 // np.dtype(dtype).itemsize // DOCUMENT_TOKENS
    with dataset_writer(prefix, dtype) as add:
        for _ in range(documents):
            ids = draw.integers(EOD + 1, vocabulary, DOCUMENT_TOKENS)
            ids[-1] = EOD
            add(ids)
    return prefix


def measure(prefix: Path, vocabulary: int) -> dict[str, Timing]:
    """The medians of each tool."""
    tokens = str(append_suffix(prefix, ".bin"))
    rounds = [
        {
            "verify": run_python(prefix, vocabulary, "verify"),
            "hashlib": run_python(prefix, vocabulary, "hashlib"),
            "sha256sum": run_command(["sha256sum", tokens]),
            "cat": run_command(["cat", tokens]),
        }
        for _ in range(REPETITIONS)
    ]
    return {
        tool: Timing(
            wall=median([each[tool].wall for each in rounds]),
            cpu=median([each[tool].cpu for each in rounds]),
            peak_mb=median([each[tool].peak_mb for each in rounds]),
        )
        for tool in rounds[0]
    }


def run_python(prefix: Path, vocabulary: int, what: str) -> Timing:
    """Ours, or the checksum alone, without the start of the interpreter."""
    command = [sys.executable, "-c", _TIMED, str(prefix), str(vocabulary), str(EOD), what]
    wall, cpu, peak = map(float, subprocess.check_output(command, cwd=REPOSITORY_ROOT, text=True).split())
    return Timing(wall=wall, cpu=cpu, peak_mb=peak / 1024)


def run_command(command: list[str]) -> Timing:
    """A command whose output is read through a pipe."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        while process.stdout and process.stdout.read(1 << 20):
            pass
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Timing(wall=wall, cpu=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


if __name__ == "__main__":
    main()
