"""CPU time of everything in stage translate but the engine, against the engine's time at a GPU's rate.

    python -m benchmarks.translate [--documents FILE.jsonl] [--copies 20] [--rate 1000] [--cores 8]

All three steps run as in a preparation, with batches of a GPU's size, on English documents; the engine is a stand-in
that turns letters into Devanagari, and its own CPU time is taken off. The engine's time is computed, not measured:
different segments asked for, divided by `--rate`. 1,000 segments/s (some 25,000 tokens/s) is what we take for a small
model on one data-centre GPU; it is 6 times what CTranslate2's README publishes for a base Transformer on a V100
(3,917 tokens/s with beam 4), so real engines are mostly slower and our share smaller. The table says for other rates.

Step `translations` runs beside the engine and makes it wait; `segments` and `documents` are other tasks, one a shard,
and run on all `--cores` that come with a GPU (16 in a DGX A100). The last line is about elapsed time: the first plus
the others divided by the cores. The table also has it for one core.
CPU seconds, because other people's work on the machine does not move them.
"""

import argparse
import json
import string
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import table
from data_prep.documents import Document
from data_prep.files import shard_writer
from data_prep.layout import REPOSITORY_ROOT
from data_prep.receipts import Tally
from data_prep.tasks import Written, write_shard
from data_prep.translate import fetch
from data_prep.translate.apply import Apply
from data_prep.translate.collect import Collect
from data_prep.translate.engines.base import Pace, Result
from data_prep.translate.settings import CheckSettings, EngineSettings, MemorySettings

RATES = (200, 500, 1000, 2000, 5000)
TARGET = 0.05
SAMPLE = REPOSITORY_ROOT / "data_prep" / "sample_corpus" / "documents.en.jsonl"
LANGS = ("en-Latn", "hi-Deva")
_CONSONANTS = "कखगघचछजझटठडढतथदधनपफबभमयरलव"
_LETTERS = {ord(each): _CONSONANTS[(ord(each) - ord("A")) % 32] for each in string.ascii_letters if each not in "ID"}
"""I and D stay, so that placeholders (<ID1>) come back whole."""


class StandIn:
    """Answers at once and counts its own CPU time."""

    pace = Pace(batch_segments=256, batch_characters=32_000)

    def __init__(self) -> None:
        self.identity = {"engine": "benchmark"}
        self.seconds = 0.0

    def translate(self, segments: Sequence[str]) -> list[Result]:
        started = time.thread_time()
        results: list[Result] = [segment.translate(_LETTERS) for segment in segments]
        self.seconds += time.thread_time() - started
        return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=Path, default=SAMPLE)
    parser.add_argument("--copies", type=int, default=20, help="each with other words, so that few segments repeat")
    parser.add_argument("--rate", type=float, default=1000.0, help="segments/s of the engine for the last line")
    parser.add_argument("--cores", type=int, default=8, help="CPU cores per GPU")
    given = parser.parse_args()
    texts = [json.loads(line)["text"] for line in given.documents.read_text("utf-8").rstrip("\n").split("\n")]
    with tempfile.TemporaryDirectory() as folder:
        seconds, asked, characters = measure(Path(folder), texts, given.copies)
    report(seconds, asked, characters, rate=given.rate, cores=given.cores)


def measure(folder: Path, texts: Sequence[str], copies: int) -> tuple[dict[str, float], int, int]:
    """CPU seconds of each step without the engine, segments asked for, characters of English."""
    shard = folder / "shard.jsonl.zst"
    characters = write_corpus(shard, texts, copies)
    engine = StandIn()
    fetch.make_engine = lambda *_: engine  # type: ignore[assignment, attr-defined]
    segments, translations = folder / "segments.zst", folder / "0-of-1.zst"
    fetching = fetch.Fetch(
        segments=(segments,),
        output=translations,
        part=0,
        parts=1,
        engine=EngineSettings(use="memory", memory=MemorySettings(path=folder)),
        langs=LANGS,
        checks=CheckSettings(),
        cache=folder / "cache",
    )
    collecting = Collect(shard=shard, lang=LANGS[0], output=segments, parts=1)
    marks = [time.process_time()]
    collecting.write((), Tally())
    marks.append(time.process_time())
    details = fetching.write((), Tally()).details
    marks.append(time.process_time())
    kept = apply(folder, shard, segments, translations)
    marks.append(time.process_time())
    if kept.total("documents") < 0.9 * len(texts) * copies:
        raise SystemExit(f"most documents were rejected, so nothing was measured: {kept.dropped}")
    names = ("segments", "translations", "documents")
    seconds = {name: after - before for name, before, after in zip(names, marks, marks[1:], strict=False)}
    seconds["translations"] -= engine.seconds
    return seconds, details["asked"], characters


def apply(folder: Path, shard: Path, segments: Path, translations: Path) -> Tally:
    """Step `documents`; returns what was counted."""
    tally = Tally()

    def write(records: Any, counts: Tally) -> Written:
        return write_shard(folder / "kept.jsonl.zst", folder / "rejects.jsonl.zst", records, counts)

    applying = Apply(
        shard=shard,
        segments=segments,
        number=0,
        translations=(translations,),
        to_lang=LANGS[1],
        min_accepted=0.5,
        writer=write,
    )
    applying.write(tally.watch(applying.read()), tally)
    return tally


def write_corpus(path: Path, texts: Sequence[str], copies: int) -> int:
    """One shard of all copies; returns its characters."""
    characters = 0
    tags = {"lang": LANGS[0], "kind": "real", "source": "s", "license": "l", "parent_id": None}
    with shard_writer(path) as write:
        for copy in range(copies):
            word = "".join("abcdefghij"[int(digit)] for digit in str(copy))
            for number, text in enumerate(texts):
                changed = (
                    text.replace(" a ", f" a{word} ").replace(" the ", f" th{word} ").replace(" in ", f" in{word} ")
                )
                name = f"{copy}/{number}"
                write(Document(id=name, text=changed, group=name, **tags).to_json())  # type: ignore[arg-type]
                characters += len(changed)
    return characters


def overhead(seconds: dict[str, float], asked: int, rate: float, cores: int) -> float:
    """Our elapsed seconds per second of the engine."""
    aside = seconds["segments"] + seconds["documents"]
    return (seconds["translations"] + aside / cores) / (asked / rate)


def report(seconds: dict[str, float], asked: int, characters: int, *, rate: float, cores: int) -> None:
    rows = [
        [name, f"{spent:.2f}", f"{1e6 * spent / asked:.0f}", f"{1e6 * spent / characters:.2f}"]
        for name, spent in (*seconds.items(), ("all", sum(seconds.values())))
    ]
    print(f"{characters:,} characters of English, {asked:,} different segments")
    print(table(("step, engine taken off", "CPU s", "us per segment", "CPU s per 1M characters"), rows), end="\n\n")
    shares = [[f"{each:,}", *(f"{overhead(seconds, asked, each, n):.2%}" for n in (1, cores))] for each in RATES]
    print(table(("engine, segments/s", "1 core", f"{cores} cores"), shares), end="\n\n")
    share = overhead(seconds, asked, rate, cores)
    verdict = "met" if share < TARGET else "missed"
    print(f"overhead at {rate:,.0f} segments/s, {cores} cores a GPU: {share:.2%} (target < {TARGET:.0%}: {verdict})")


if __name__ == "__main__":
    main()
