"""Stage tokenize beside Megatron-LM's tools, datatrove's Megatron tokenizer and the bare library, on the same text.

    python -m benchmarks.tokenize [--megabytes 32] [--hindi FILE.jsonl ...] [--english FILE.jsonl ...]
        [--megatron-lm FOLDER [--megatron-python PYTHON]] [--vocabularies 32000 256000] [--repetitions 3] [--workers 2]

Hindi text, and Hindi and English mixed, is made of the sentences of the given files (`text` fields) with one word in
twenty made of the halves of two others, so that new words never end, as in real text. SentencePiece BPE (as stage
tokenizer trains it) and byte-level BPE (Llama 3's pattern) are trained on it; a small text gives fewer entries than
asked for. Every rival ends in `.bin/.idx` with an end-of-document token; ours reads zstd shards, checks as it goes,
hashes what it reads and writes, and merges; the others read one plain file (datatrove one a task). "bare, in memory" is
gigatoken alone, from a list of texts to arrays; "bare, from shards" reads what ours reads. Both keep all in memory.

Each run measures itself after its imports; what one document takes is taken off. CPU seconds are of one worker or
thread; wall seconds and memory (of all processes) are of --workers. "whole s" is what a user waits for with --workers,
start and imports included. Slow rivals get a sixteenth of the text. preprocess_data.py reads a tokenizer's Hugging Face
folder, and in runs of its own SentencePiece's model with SentencePiece's library. Bytes are compared with ours. Medians
of runs that take turns; MB are of text.

Megatron-LM comes from a checkout of https://github.com/NVIDIA/Megatron-LM. Its head wants Python 3.12, triton and, for
preprocess_data_fast.py, awkward: name an interpreter that has them. What could not run is named with its reason.
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.common import Used, machine_facts, median, run_measured, table
from benchmarks.dedup import sentences
from benchmarks.tokenize_inputs import (
    DATASET,
    EOD,
    Input,
    Tokenizer,
    make_texts,
    settings,
    train_tokenizer,
    write_input,
)
from data_prep import vocabulary
from data_prep.documents import Document
from data_prep.layout import REPOSITORY_ROOT, append_suffix
from data_prep.tasks import Task, no_records, run_step

SAMPLE = REPOSITORY_ROOT / "data_prep" / "sample_corpus"
SLOW_SHARE, SHORTEST = 16, 0.2
OURS, BARE, BARE_FILE, DATATROVE = "langadapt", "bare, in memory", "bare, from shards", "datatrove"
SLOW_MEGATRON, FAST_MEGATRON = "preprocess_data.py", "preprocess_data_fast.py"
SENTENCEPIECE_MEGATRON = "preprocess_data.py, sentencepiece"
SLOW = (SLOW_MEGATRON, SENTENCEPIECE_MEGATRON, DATATROVE)


def run_ours(given: Path, tokenizer: Path, workers: int) -> None:
    """The stage on its executor."""
    from data_prep.tokenize.stage import stage

    prepared = settings(given, tokenizer, workers)
    shutil.rmtree(prepared.layout.tokens, ignore_errors=True)
    prepared.tokenizer_file.parent.mkdir(exist_ok=True)
    for file in vocabulary.files(tokenizer):
        shutil.copy(file, prepared.tokenizer_file.parent / file.name)
    planned = stage(prepared)
    for step in planned.steps:
        run_step(planned, step, execution=prepared.execution, logs=prepared.layout.logs(planned.name, step.name))


def run_bare(given: Path, tokenizer: Path, _workers: int, *, from_file: bool) -> None:
    """Only the library, on as many threads as others have workers; what it starts with is not measured."""
    import gigatoken

    from data_prep.tokenize import gigatoken_source

    source, _ = gigatoken_source.read(vocabulary.load(tokenizer))
    model = gigatoken.Tokenizer.from_json(source)
    if from_file:
        shards = sorted(settings(given, tokenizer).layout.folder("documents", DATASET.name).glob("train/*.zst"))
        tell(partial(model.encode_files, gigatoken.JsonlFileSource([*shards])))
    else:
        with (given / "text.jsonl").open("rb") as lines:
            texts = [json.loads(line)["text"] for line in lines]
        tell(partial(model.encode_batch, texts))


def tell(work: Callable[[], object]) -> None:
    """Do some work and print the seconds it took, of this process and of those it waited for."""
    before, started = sum(os.times()[:4]), time.monotonic()
    work()
    print(json.dumps({"cpu": sum(os.times()[:4]) - before, "wall": time.monotonic() - started}), flush=True)


MEGATRON = """
import importlib.util, json, os, sys, time
sys.argv = sys.argv[1:]
spec = importlib.util.spec_from_file_location("tool", sys.argv[0])
tool = sys.modules["tool"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)
before, started = sum(os.times()[:4]), time.monotonic()
tool.main()
print(json.dumps({"cpu": sum(os.times()[:4]) - before, "wall": time.monotonic() - started}), flush=True)
"""
"""Runs one of Megatron-LM's tools as `tell` does, under an interpreter of its own."""


def run_datatrove(given: Path, tokenizer: Path, workers: int) -> None:
    """A task a worker, each with a file of its own; our reader, since theirs needs a package more."""
    from datatrove.executor.local import LocalPipelineExecutor
    from datatrove.pipeline.tokens import MegatronDocumentTokenizer

    from data_prep.executor.steps import ReadStep

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    out = given / "datatrove"
    shutil.rmtree(out, ignore_errors=True)
    tasks = [_reading(path) for path in sorted((given / "split").iterdir())]
    encode = MegatronDocumentTokenizer(str(out), tokenizer_name_or_path=str(tokenizer), eos_token=EOD)
    LocalPipelineExecutor(
        [ReadStep(tasks), encode], tasks=workers, workers=workers, logging_dir=str(out / "logs")
    ).run()


def _reading(path: Path) -> Task:
    read = partial(_documents, path)
    return Task(name=path.name, settings={}, inputs=(), receipt=path, read=read, write=no_records)  # type: ignore[arg-type]


def _documents(path: Path) -> Iterator[Document]:
    tags: Any = {"lang": "", "kind": "real", "source": "", "license": "", "parent_id": None, "group": ""}
    with path.open("rb") as lines:
        for line in lines:
            yield Document(**json.loads(line), **tags)


SIDES: dict[str, Callable[[Path, Path, int], None]] = {
    OURS: run_ours,
    BARE: partial(run_bare, from_file=False),
    BARE_FILE: partial(run_bare, from_file=True),
    DATATROVE: run_datatrove,
}


@dataclass(frozen=True, kw_only=True)
class Timed(Used):
    """What a side took for the text alone, and the seconds of its whole process."""

    whole: float


@dataclass(frozen=True, kw_only=True)
class Bench:
    """How every side is started."""

    workers: int
    repetitions: int
    megatron: Path | None
    python: str

    def sides(self, tokenizer: Tokenizer) -> tuple[str, ...]:
        """Those that take such a tokenizer, in the order of the table."""
        sentencepiece = (SENTENCEPIECE_MEGATRON,) if tokenizer.own.suffix == ".model" else ()
        megatron = (FAST_MEGATRON, SLOW_MEGATRON, *sentencepiece) if self.megatron else ()
        return (OURS, BARE, BARE_FILE, *megatron, DATATROVE)

    def command(self, side: str, given: Input, tokenizer: Tokenizer, workers: int) -> list[str]:
        """The process of one side on one input."""
        if side in SIDES:
            own = tokenizer.own if side != DATATROVE else tokenizer.folder / "tokenizer.json"
            words = ["--side", side, "--input", str(given.folder), "--tokenizer", str(own)]
            return [sys.executable, "-m", "benchmarks.tokenize", *words, "--workers", str(workers)]
        shutil.rmtree(given.folder / side, ignore_errors=True)
        (given.folder / side).mkdir()
        tool = side.partition(",")[0]
        words = [f"{self.megatron}/tools/{tool}", "--input", str(given.plain), "--append-eod"]
        words += ["--output-prefix", str(given.folder / side / "out")]
        if side == SENTENCEPIECE_MEGATRON:
            words += ["--tokenizer-type", "GPTSentencePieceTokenizer", "--tokenizer-model", str(tokenizer.own)]
        else:
            words += ["--tokenizer-type", "HuggingFaceTokenizer", "--tokenizer-model", str(tokenizer.folder)]
        words += ["--use-gigatoken"] if side == FAST_MEGATRON else ["--workers", str(workers)]
        return [self.python, "-c", MEGATRON, *words]

    def measure(self, side: str, given: Input, one: Input, tokenizer: Tokenizer) -> Timed:
        """What encoding took; a CalledProcessError says that the side cannot run."""
        inputs = [given] if side in (BARE, BARE_FILE) else [given, one]
        used, *base = (self.told(side, each, tokenizer, self.workers) for each in inputs)
        cpu, *base_cpu = (self.told(side, each, tokenizer, 1).cpu for each in inputs)
        return replace(used, wall=used.wall - sum(each.wall for each in base), cpu=cpu - sum(base_cpu))

    def told(self, side: str, given: Input, tokenizer: Tokenizer, workers: int) -> Timed:
        """Seconds as a run says them, and the memory it was seen to take."""
        path = os.pathsep.join(filter(None, (str(self.megatron or ""), os.environ.get("PYTHONPATH"))))
        environment = os.environ | {"RAYON_NUM_THREADS": str(workers)}
        environment |= {} if side in SIDES else {"PYTHONPATH": path}
        used = run_measured(self.command(side, given, tokenizer, workers), environment)
        seconds = json.loads(next(line for line in used.said.splitlines() if line.startswith('{"cpu"')))
        return Timed(whole=used.wall, peak=used.peak, said=used.said, **seconds)


def same_bytes(side: str, given: Input) -> str:
    """Whether a rival's tokens are ours, to the byte."""
    theirs = given.folder / side / "out_text_document"
    if not append_suffix(theirs, ".bin").is_file():
        return "-"
    ours = settings(given.folder, Path("t.model")).layout.prefix(DATASET.name, "train")
    pairs = ((append_suffix(ours, suffix), append_suffix(theirs, suffix)) for suffix in (".bin", ".idx"))
    return "identical" if all(one.read_bytes() == two.read_bytes() for one, two in pairs) else "DIFFER"


def compare(bench: Bench, inputs: dict[str, Input], tokenizer: Tokenizer) -> dict[str, tuple[float, Timed, str]]:
    """Megabytes, medians and bytes of every side that could run."""
    runs: dict[str, list[Timed]] = {side: [] for side in bench.sides(tokenizer)}
    of = {side: inputs["slow" if side in SLOW else "whole"] for side in runs}
    for _ in range(bench.repetitions):
        for side in list(runs):
            try:
                runs[side].append(bench.measure(side, of[side], inputs["one"], tokenizer))
            except subprocess.CalledProcessError as error:
                del runs[side]
                lines = error.stderr.strip().splitlines() or ["without a word"]
                print(f"{side} could not run with {tokenizer.name}: {lines[-1]}", flush=True)
    bench.told(OURS, inputs["slow"], tokenizer, bench.workers)
    found = {}
    for side, used in runs.items():
        middle: Any = {
            name: median([getattr(each, name) for each in used]) for name in ("wall", "cpu", "peak", "whole")
        }
        found[side] = (of[side].megabytes, replace(used[0], **middle), same_bytes(side, of[side]))
    return found


def print_table(title: str, found: dict[str, tuple[float, Timed, str]]) -> None:
    rows = []
    for side, (size, used, same) in found.items():
        speeds = (speed(size, used.wall), speed(size, used.cpu))
        rows.append([side, f"{size:.0f}", *speeds, f"{used.whole:.1f}", f"{used.peak:.0f}", same])
    columns = ["", "MB", "MB/s", "MB/CPU s", "whole s", "peak MB", "bytes"]
    print(title, table(columns, rows), "", sep="\n", flush=True)


def speed(megabytes: float, seconds: float) -> str:
    """Megabytes a second; nothing where start-up drowns them."""
    return f"{megabytes / seconds:.1f}" if seconds > SHORTEST else "-"


def ratio(found: dict[str, tuple[float, Timed, str]], rival: str, what: str) -> float:
    """Our throughput by a rival's; not a number where start-up drowns one of them."""
    ours, theirs = (getattr(used, what) / size for size, used, _ in (found[OURS], found[rival]))
    return theirs / ours if min(ours, theirs) * found[OURS][0] > SHORTEST else math.nan


def main() -> None:
    """Prints a table a text and tokenizer, the memory as the text grows, and the ratios on the last lines."""
    given = _arguments()
    if given.side:
        work = partial(SIDES[given.side], given.input, given.tokenizer, given.workers)
        work() if given.side in (BARE, BARE_FILE) else tell(work)
        return
    bench = Bench(
        workers=given.workers,
        repetitions=given.repetitions,
        megatron=given.megatron_lm and given.megatron_lm.absolute(),
        python=given.megatron_python,
    )
    if not bench.megatron:
        print(f"{SLOW_MEGATRON} and {FAST_MEGATRON} not run: no --megatron-lm FOLDER")
    hindi, english = sentences(given.hindi), sentences(given.english)
    results = []
    with tempfile.TemporaryDirectory() as name:
        for text, pools in (("Hindi", [hindi]), ("mixed", [hindi, english])):
            texts = list(make_texts(pools, given.megabytes))
            parts = {"whole": texts, "slow": texts[: max(1, len(texts) // SLOW_SHARE)], "one": texts[:1]}
            folder = Path(name) / text
            inputs = {part: write_input(folder / part, parts[part], given.workers) for part in parts}
            for kind in ("SentencePiece", "byte-level BPE"):
                for size in given.vocabularies:
                    tokenizer = train_tokenizer(kind, size, texts, folder / kind / str(size))
                    found = compare(bench, inputs, tokenizer)
                    print_table(f"{text}, {tokenizer.name}", found)
                    results.append(found)
        grown = [bench.told(OURS, inputs[part], tokenizer, bench.workers).peak for part in ("slow", "whole")]
    print(machine_facts())
    print(f"peak memory at {SLOW_SHARE} times the text: {grown[1] / grown[0]:.2f} times")
    for rival in dict.fromkeys(side for found in results for side in found if side != OURS):
        units = {"cpu": "MB per CPU second", "wall": "MB per second", "whole": "MB per second, start included"}
        for what, unit in units.items():
            if what == "whole" and rival in SLOW:  # which read less text
                continue
            ratios = [ratio(found, rival, what) for found in results if rival in found]
            if ratios := [each for each in ratios if not math.isnan(each)]:
                print(f"ours / {rival}: {min(ratios):.2f} to {max(ratios):.2f} ({unit}; higher is better)")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=32, help="of each text (default 32)")
    for language in ("hindi", "english"):
        default = [SAMPLE / f"documents.{language[:2]}.jsonl"]
        parser.add_argument(f"--{language}", type=Path, nargs="+", default=default, help="JSONL files with `text`")
    parser.add_argument("--vocabularies", type=int, nargs="+", default=[32_000, 256_000])
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--megatron-lm", type=Path, help="checkout of Megatron-LM")
    parser.add_argument("--megatron-python", default=sys.executable, help="interpreter that runs it")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    for hidden in ("--input", "--tokenizer"):
        parser.add_argument(hidden, type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
