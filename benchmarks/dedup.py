"""Deduplication beside datatrove's own MinHash steps: documents per CPU second, and memory as the corpus grows.

    python -m benchmarks.dedup [--documents 4000] [--text FILE.jsonl ...]

The corpus is made of the sentences of the sample corpus (or of the `text` fields of the given files) in random order,
20 a document, in shards of 1,000; one document in ten is a copy and one in ten a copy with one other sentence. Both
sides run on datatrove's executor with our reader and writer, one task at a time, in a process of their own: all four
steps of each, CPU time of the process and its children after imports. We also write what is dropped.

The rival is at its best: words are cut at spaces, since datatrove's word tokenizers for Hindi and English need
packages that take longer than its hashing. It makes 112 hashes a document, we make 128, and it compares nothing but
bands, names no kept document and looks at no ids. Neither side finds what it should not in this corpus; copies found
are printed to show that both did the work.
"""

import argparse
import json
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import xxhash

from benchmarks.common import table
from data_prep.clean.settings import CleanSettings
from data_prep.dedup.settings import DedupSettings
from data_prep.documents import Dataset, Document
from data_prep.files import read_shard
from data_prep.ingest.settings import SourceSettings
from data_prep.layout import REPOSITORY_ROOT
from data_prep.prep_settings import PrepSettings
from data_prep.receipts import Receipt
from data_prep.tasks import Task, finish, no_records, run_step, write_shard

SAMPLE = tuple(REPOSITORY_ROOT / "data_prep" / "sample_corpus" / f"documents.{lang}.jsonl" for lang in ("hi", "en"))
DATASET = Dataset(source="bench", lang="hi-Deva", kind="real")
SHARD, SENTENCES = 1000, 20
GROWTH = (1, 4, 16)


def sentences(files: list[Path]) -> list[str]:
    """The sentences of some JSONL files."""
    texts = (json.loads(line)["text"] for path in files for line in path.read_text("utf-8").split("\n") if line)
    return [each for text in texts for each in re.split(r"(?<=[।.?!])\s+|\n+", text) if len(each.split()) > 4]


def documents(pool: list[str], count: int) -> Iterator[Document]:
    """Random documents, a fifth of them copies of an earlier one."""
    draw = random.Random(0)
    earlier: list[list[str]] = []
    for number in range(count):
        chosen = draw.choices(pool, k=SENTENCES)
        if number % 5 == 4:
            chosen = list(draw.choice(earlier))
            if number % 10 == 9:
                chosen[draw.randrange(SENTENCES)] = draw.choice(pool)
        elif len(earlier) < SHARD:
            earlier.append(chosen)
        yield Document(
            id=f"bench-{number}",
            text=" ".join(chosen),
            lang=DATASET.lang,
            kind=DATASET.kind,
            source=DATASET.source,
            license="CC0-1.0",
            parent_id=None,
            group=f"bench-{number}",
        )


def settings(folder: Path) -> PrepSettings:
    """A preparation whose stage ingest has run."""
    source = SourceSettings(
        path=Path("unused.jsonl"), lang=DATASET.lang, kind=DATASET.kind, source=DATASET.source, license="CC0-1.0"
    )
    return PrepSettings(
        output_dir=folder,
        sources=(source,),
        clean=CleanSettings(enabled=False),
        dedup=DedupSettings(enabled=True),
    )


def write_corpus(folder: Path, pool: list[str], count: int) -> None:
    """Shards and receipts as stage ingest leaves them."""
    layout, remaining = settings(folder).layout, documents(pool, count)
    for number in range(-(-count // SHARD)):
        name = f"{number:05d}"
        task = Task(
            name=name,
            settings={},
            inputs=(),
            receipt=layout.stage_receipt("ingest", DATASET.name, name),
            read=no_records,
            write=partial(
                write_shard,
                layout.stage_shard("ingest", DATASET.name, name),
                layout.rejects("ingest", DATASET.name, name),
            ),
        )
        finish("ingest", task, islice(remaining, SHARD))


def run_ours(folder: Path) -> int:
    """Run the stage; the number of documents dropped."""
    from data_prep.dedup.stage import stage

    prepared = settings(folder)
    planned = stage(prepared)
    for step in planned.steps:
        logs = prepared.layout.logs(planned.name, step.name)
        run_step(planned, step, execution=prepared.execution, logs=logs)
    return sum(
        Receipt.load(task.receipt).counts["dropped"].get(reason, 0)
        for task in planned.steps[-1].tasks
        for reason in ("exact_duplicate", "near_duplicate")
    )


def run_datatrove(folder: Path) -> int:
    """Run datatrove's four steps; the number of documents dropped."""
    from datatrove.executor.local import LocalPipelineExecutor
    from datatrove.pipeline.dedup import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from loguru import logger

    from data_prep.executor.steps import ReadStep, WriteStep

    logger.remove()
    config = MinhashConfig()
    shards = sorted(settings(folder).layout.folder("ingest", DATASET.name).glob("*.jsonl.zst"))
    side = {name: str(folder / f"_datatrove_{name}") for name in ("signatures", "buckets", "remove")}
    tasks = [_copy_task(path, folder / "_datatrove_kept" / path.name) for path in shards]
    signatures = MinhashDedupSignature(side["signatures"], config, language=_split_at_spaces())
    signatures._hash_func = _hash  # noqa: SLF001  its own passes text, which xxhash 4 refuses
    steps = (
        ([ReadStep(tasks), signatures], len(tasks)),
        ([MinhashDedupBuckets(side["signatures"], side["buckets"], config=config)], config.num_buckets),
        ([MinhashDedupCluster(side["buckets"], side["remove"], config=config)], 1),
        ([ReadStep(tasks), MinhashDedupFilter(side["remove"]), WriteStep("dedup", tasks)], len(tasks)),
    )
    for number, (pipeline, many) in enumerate(steps):
        logs = str(folder / f"_datatrove_logs_{number}")
        LocalPipelineExecutor(pipeline, tasks=many, workers=1, logging_dir=logs).run()
    return sum(path.stat().st_size // 4 for path in Path(side["remove"]).glob("*.remove"))


def _copy_task(shard: Path, kept: Path) -> Task:
    """Reads a shard and writes what reaches the end of the pipeline."""
    return Task(
        name=shard.name,
        settings={},
        inputs=(shard,),
        receipt=kept.with_name(f"{kept.name}.receipt.json"),
        read=partial(read_shard, shard),
        write=partial(write_shard, kept, kept.with_name(f"rejects-{kept.name}")),
    )


def _hash(text: str) -> int:
    return xxhash.xxh64_intdigest(text.encode())


def _split_at_spaces() -> object:
    """A word tokenizer that costs next to nothing."""
    from datatrove.utils.word_tokenizers import WordTokenizer

    class Spaces(WordTokenizer):  # type: ignore[misc]
        def word_tokenize(self, text: str) -> list[str]:
            return text.split()

        def sent_tokenize(self, text: str) -> list[str]:
            return [text]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            return [(0, len(text))]

    return Spaces()


def measure(side: str, folder: Path) -> dict[str, float]:
    """Run one side in a process of its own: CPU seconds, peak megabytes, documents dropped."""
    words = [sys.executable, "-m", "benchmarks.dedup", "--side", side, "--folder", str(folder)]
    done = subprocess.run(words, cwd=REPOSITORY_ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _run_side(side: str, folder: Path) -> None:
    """The child of `measure`."""
    import datatrove.executor.local
    import datatrove.pipeline.dedup  # noqa: F401

    import data_prep.dedup.stage
    import data_prep.executor.run  # noqa: F401

    before = _cpu_seconds()
    wall = time.monotonic()
    dropped = {"ours": run_ours, "datatrove": run_datatrove}[side](folder)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    peak = max(each.ru_maxrss for each in used) / 1024
    seconds, wall = _cpu_seconds() - before, time.monotonic() - wall
    print(json.dumps({"cpu": seconds, "wall": wall, "peak": peak, "dropped": dropped}))


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> None:
    """Prints the speeds, the memory, and the ratio on the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=4000, help="documents of the corpus at 1x (default 4000)")
    parser.add_argument("--text", type=Path, nargs="+", default=list(SAMPLE), help="JSONL files with a field `text`")
    parser.add_argument("--side", choices=("ours", "datatrove"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        _run_side(given.side, given.folder)
        return
    pool = sentences(given.text)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for times in GROWTH:
            write_corpus(folder / str(times), pool, given.documents * times)
        measured = {f"ours {times}x": measure("ours", folder / str(times)) for times in GROWTH}
        measured["datatrove 1x"] = measure("datatrove", folder / "1")
    counts = {label: given.documents * int(label.split()[1].removesuffix("x")) for label in measured}
    rows = [
        [
            label,
            f"{counts[label]:,}",
            f"{each['dropped']:,.0f}",
            f"{each['cpu']:.1f}",
            f"{counts[label] / each['cpu']:,.0f}",
            f"{each['peak']:.0f}",
        ]
        for label, each in measured.items()
    ]
    print(table(["", "documents", "dropped", "CPU s", "documents/CPU s", "peak MB"], rows))
    grown = measured[f"ours {GROWTH[-1]}x"]["peak"] / measured["ours 1x"]["peak"]
    print(f"peak memory at {GROWTH[-1]}x of the corpus: {grown:.2f} times that at 1x")
    ratio = measured["datatrove 1x"]["cpu"] / measured["ours 1x"]["cpu"]
    print(f"ours / datatrove {ratio:.1f} (documents per CPU second; higher is better)")


if __name__ == "__main__":
    main()
