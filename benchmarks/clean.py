"""Documents per CPU second of stage clean beside datatrove's steps for comparable work, and what each keeps of prose.

    python -m benchmarks.clean [documents.jsonl ...]

datatrove runs its ftfy formatter and its Gopher quality and repetition filters, given Hindi stop words: it has no other
language identification without a fastText model. Its tokenizer for Hindi is replaced by whitespace splitting, which is
faster and needs no further library. Ours does all that stage clean does, language identification included.
"""

import argparse
import importlib.util
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common import median, table
from data_prep.clean.cleaner import clean
from data_prep.clean.settings import CleanSettings
from data_prep.documents import Document, Reject
from data_prep.layout import REPOSITORY_ROOT

SAMPLES = [REPOSITORY_ROOT / "data_prep" / "sample_corpus" / f"documents.{lang}.jsonl" for lang in ("hi", "en")]
REPETITIONS = 3
LEAST_BYTES = 2_000_000
"""Text that one timed pass reads, by repeating the documents."""
STOP_WORDS = {
    "hi-Deva": ["का", "के", "की", "में", "है", "और", "से", "को"],
    "en-Latn": ["the", "be", "to", "of", "and", "that", "have", "with"],
}

TAGS = {"hi": "hi-Deva", "en": "en-Latn"}

Keeps = Callable[[Document], bool]


@dataclass(frozen=True, kw_only=True)
class Result:
    """One tool on one file."""

    seconds: float
    kept: int


def read(path: Path) -> list[Document]:
    """The documents of a file; a bare language code stands for the language's own script."""
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    return [
        Document(
            id=str(number),
            text=row["text"],
            lang=TAGS.get(row["lang"], row["lang"]),
            kind="real",
            source="bench",
            license="",
            parent_id=None,
            group="",
        )
        for number, row in enumerate(rows)
    ]


def ours() -> Keeps:
    """Everything stage clean does to a document."""
    settings, notes = CleanSettings(), Counter[str]()
    return lambda document: not isinstance(clean(document, settings, notes), Reject)


def datatrove(lang: str) -> Keeps:
    """Datatrove's formatter and filters in the order of its FineWeb example."""
    from datatrove.data import Document as Carrier
    from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter, gopher_quality_filter
    from datatrove.pipeline.filters import gopher_repetition_filter as repetition_module
    from datatrove.pipeline.formatters import FTFYFormatter

    for module in (gopher_quality_filter, repetition_module):
        module.split_into_words = lambda text, _language: text.split()
    formatter = FTFYFormatter()
    filters = (GopherRepetitionFilter(), GopherQualityFilter(stop_words=STOP_WORDS[lang]))

    def keeps(document: Document) -> bool:
        carrier = Carrier(formatter.format(document.text), document.id)
        return all(each.filter(carrier) is True for each in filters)

    return keeps


def measure(keeps: Keeps, documents: Sequence[Document]) -> Result:
    """CPU seconds of one pass, the median of REPETITIONS after a first document that loads what is loaded once."""
    keeps(documents[0])
    times, kept = [], 0
    repeats = 1 + LEAST_BYTES // sum(len(each.text.encode()) for each in documents)
    for _ in range(REPETITIONS):
        started = time.process_time()
        for _ in range(repeats):
            kept = sum(map(keeps, documents))
        times.append((time.process_time() - started) / repeats)
    return Result(seconds=median(times), kept=kept)


def main() -> None:
    """Measure and print one table, the ratio last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, default=SAMPLES, help="JSONL with text and lang")
    rival = importlib.util.find_spec("ftfy") is not None
    rows, ratios = [], []
    for path in parser.parse_args().files:
        documents = read(path)
        size = sum(len(each.text.encode()) for each in documents) / 1e6
        tools = {"langadapt clean": ours()}
        if rival:
            tools["datatrove ftfy + Gopher"] = datatrove(documents[0].lang)
        results = {name: measure(keeps, documents) for name, keeps in tools.items()}
        for name, result in results.items():
            rows.append(
                [
                    f"{name}, {path.name}",
                    f"{len(documents) / result.seconds:,.0f}",
                    f"{size / result.seconds:.1f}",
                    f"{100 * result.kept / len(documents):.1f}",
                ]
            )
        if rival:
            ratios.append(results["datatrove ftfy + Gopher"].seconds / results["langadapt clean"].seconds)
    print(table(["tool, text", "documents/CPU s", "MB/CPU s", "kept %"], rows))
    if rival:
        print(f"ratio {' '.join(f'{ratio:.2f}' for ratio in ratios)} (ours / datatrove, documents per CPU s, by text)")
    else:
        print("ratio not measured: datatrove's formatter needs ftfy (pip install ftfy==6.3.1)")


if __name__ == "__main__":
    main()
