"""`python -m benchmarks.ingest`: memory of stage ingest at 1, 4 and 16 times the text, and its speed per format.

Each row is one task in a process of its own: the peak of its resident memory, CPU seconds of reading and writing, and
MB of text per CPU second. The last line is the largest ratio of memory at 16x to 1x.
"""

import argparse
import bz2
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from html import escape
from itertools import cycle, islice
from pathlib import Path

import zstandard

from data_prep.layout import REPOSITORY_ROOT

SIZES = (1, 4, 16)
_MEASURE = """
import sys, time
from pathlib import Path
from data_prep.ingest.inputs import files_of
from data_prep.ingest.records import SourceFile
from data_prep.ingest.settings import SourceSettings
from data_prep.ingest.stage import WriteParts
from data_prep.layout import Layout
from data_prep.receipts import Tally
source = SourceSettings(path=Path(sys.argv[1]), lang="hi-Deva", kind="real", source="bench", license="CC0-1.0",
                        text_unit="block")
(file,) = files_of(source)
read = SourceFile(source=source, file=file, index=0, is_only=True, on_bad_line="reject", max_document_bytes=32 << 20)
write = WriteParts(layout=Layout(Path(sys.argv[2])), dataset=source.dataset, name="00000", shard_characters=10**8,
                   file=file)
tally, started = Tally(), time.process_time()
write(tally.watch(read()), tally)
seconds = time.process_time() - started
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) / 1024, seconds, tally.read)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", type=Path, default=REPOSITORY_ROOT / "data_prep/sample_corpus/documents.hi.jsonl")
    parser.add_argument("--megabytes", type=int, default=4, help="text at 1x")
    options = parser.parse_args()
    texts = [json.loads(line)["text"] for line in options.text.read_text("utf-8").splitlines()]
    ratios = []
    print(f"{'format':<18}{'text MB':>9}{'documents':>11}{'peak MB':>9}{'CPU s':>8}{'MB per CPU s':>14}")
    for name, write in WRITERS.items():
        peaks = []
        for size in SIZES:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / name
                write(path, sized(texts, size * options.megabytes * 1_000_000))
                peak, seconds, documents = measure(path, Path(folder) / "out")
            peaks.append(peak)
            megabytes = size * options.megabytes
            print(
                f"{name:<18}{megabytes:>9}{documents:>11}{peak:>9.0f}{seconds:>8.2f}{megabytes / seconds:>14.1f}",
                flush=True,
            )
        ratios.append(peaks[-1] / peaks[0])
    print(f"largest memory ratio at {SIZES[-1]}x: {max(ratios):.2f}")


def sized(texts: list[str], size: int) -> list[str]:
    """Texts over and over until they have `size` bytes."""
    average = sum(len(text.encode()) for text in texts) / len(texts)
    return list(islice(cycle(texts), max(1, round(size / average))))


def measure(path: Path, out: Path) -> tuple[float, float, int]:
    """Peak MB, CPU seconds and rows of one ingest."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(path), str(out)],
        cwd=REPOSITORY_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    peak, seconds, rows = done.stdout.split()
    return float(peak), float(seconds), int(rows)


def as_lines(texts: list[str]) -> Iterator[bytes]:
    """JSONL."""
    for number, text in enumerate(texts):
        yield json.dumps({"id": number, "text": text}, ensure_ascii=False).encode() + b"\n"


def write_jsonl(path: Path, texts: list[str]) -> None:
    path.write_bytes(b"".join(as_lines(texts)))


def write_zstd(path: Path, texts: list[str]) -> None:
    path.write_bytes(zstandard.compress(b"".join(as_lines(texts))))


def write_parquet(path: Path, texts: list[str]) -> None:
    """One row group, not dictionary-coded: the worst case for memory, and as distinct texts would be stored."""
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table({"id": [str(number) for number in range(len(texts))], "text": texts})
    parquet.write_table(table, path, row_group_size=len(texts), use_dictionary=False, compression="zstd")


def write_text(path: Path, texts: list[str]) -> None:
    path.write_text("\n\n".join(" ".join(text.split()) for text in texts), "utf-8")


def write_dump(path: Path, texts: list[str]) -> None:
    """A Wikipedia dump with a link, a reference and a template a page."""
    with bz2.open(path, "wt", encoding="utf-8") as out:
        out.write('<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/">\n')
        for number, text in enumerate(texts):
            marked = escape(f"{{{{Infobox|a=b}}}}'''[[देश|भारत]]''' {text}<ref>स्रोत</ref>\n== अंत ==\n* [[क]]\n")
            out.write(
                f"<page><title>{number}</title><ns>0</ns><id>{number}</id>"
                f"<revision><id>1</id><text>{marked}</text></revision></page>\n"
            )
        out.write("</mediawiki>\n")


WRITERS: dict[str, Callable[[Path, list[str]], None]] = {
    "a.jsonl": write_jsonl,
    "a.jsonl.zst": write_zstd,
    "a.parquet": write_parquet,
    "a.txt": write_text,
    "a.xml.bz2": write_dump,
}


if __name__ == "__main__":
    main()
