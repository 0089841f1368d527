"""Romanised Hindi beside libraries: agreement with people's spellings, and characters per CPU second.

    python -m benchmarks.romanize [--pairs FILE.tsv] [--text FILE.jsonl ...] [--rival-python PATH]

`--pairs` are lines of a Hindi word and a human spelling (default: the word list of our tests, where any listed spelling
counts); both sides are case folded, and each tool sees one word at a time. The character error rate is edits over
letters of the spelling. Speed is that of running text (default: the sample corpus; `text` or `hi` of JSON lines) in CPU
time of one process: `first` on the first pass, when every word is new, `steady` the median of the next three, `shard`
over 50 million characters from a cold start (half a shard as stage ingest cuts them). No such text ships with us, so
the given one is continued as text grows: new words come at the rate of Heaps' law fitted to it and are spliced from its
own, all others are drawn from what came before (Simon 1955, On a class of skew distribution functions).

aksharamukha, the best library, is AGPL and no dependency of ours: install it in an environment of its own and name its
Python with `--rival-python`.
"""

import argparse
import json
import math
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.common import median, table
from data_prep.layout import REPOSITORY_ROOT

PAIRS = REPOSITORY_ROOT / "tests" / "data_prep" / "romanize" / "words.tsv"
TEXT = REPOSITORY_ROOT / "data_prep" / "sample_corpus" / "documents.hi.jsonl"
RIVALS = {
    "aksharamukha RomanColloquial, RemoveSchwaHindi": """
from functools import partial
from aksharamukha import transliterate
tool = partial(transliterate.process, "Devanagari", "RomanColloquial", pre_options=["RemoveSchwaHindi"])
""",
    "anyascii": "from anyascii import anyascii as tool",
}
SPEED_OF_RIVALS = 20_000
"""Characters of running text a rival is timed on: the slowest makes 0.1 million a second."""
GROWTH = (1, 4, 16)
SHARD = 50_000_000

Pairs = list[tuple[str, list[str]]]


def read_pairs(path: Path) -> Pairs:
    """Words and the spellings that count, case folded."""
    rows = [line.split("\t") for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    return [(row[0], row[1].casefold().split("|")) for row in rows]


def read_texts(paths: Sequence[Path]) -> list[str]:
    """The Hindi texts of JSON lines."""
    records = (json.loads(line) for path in paths for line in path.open(encoding="utf-8"))
    return [record.get("hi") or record["text"] for record in records]


def edits(first: str, second: str) -> int:
    """Levenshtein distance."""
    above = list(range(len(second) + 1))
    for row, left in enumerate(first, 1):
        current = [row]
        for column, right in enumerate(second, 1):
            current.append(min(above[column] + 1, current[-1] + 1, above[column - 1] + (left != right)))
        above = current
    return above[-1]


def agreement(made: Sequence[str], pairs: Pairs) -> tuple[float, float]:
    """Exact match and character error rate in percent, against the nearest spelling that counts."""
    folded = [each.casefold() for each in made]
    nearest = [
        min((edits(each, spelling), len(spelling)) for spelling in spellings)
        for each, (_, spellings) in zip(folded, pairs, strict=True)
    ]
    exact = sum(distance == 0 for distance, _ in nearest)
    wrong, letters = map(sum, zip(*nearest, strict=True))
    return 100 * exact / len(pairs), 100 * wrong / letters


def passes(tool: Callable[[str], str], texts: Sequence[str], count: int) -> list[float]:
    """Characters per CPU second of each pass over the texts."""
    characters, speeds = sum(map(len, texts)), []
    for _ in range(count):
        started = time.process_time()
        for text in texts:
            tool(text)
        speeds.append(characters / (time.process_time() - started))
    return speeds


def continued(texts: Sequence[str], characters: int) -> list[str]:
    """The words of some texts and as many more as make up the characters, in documents of 500 words."""
    draw = random.Random(0)
    words = [word for text in texts for word in text.split(" ")]
    draw.shuffle(words)
    known = set(words)
    exponent = math.log2(len(known) / len(set(words[: len(words) // 2])))
    size = sum(map(len, words)) + len(words)
    while size < characters:
        if draw.random() < exponent * len(known) / len(words):
            while (word := _spliced(draw.choice(words), draw.choice(words))) in known:
                pass
            known.add(word)
        else:
            word = words[draw.randrange(len(words))]
        words.append(word)
        size += len(word) + 1
    return [" ".join(words[start : start + 500]) for start in range(0, len(words), 500)]


def _spliced(head: str, tail: str) -> str:
    return head[: len(head) // 2 + 1] + tail[len(tail) // 2 :]


_RIVAL = """
import json, sys, time
{tool}
given = json.load(sys.stdin)
made = [tool(word) for word in given["words"]]
started = time.process_time()
for text in given["texts"]:
    tool(text)
json.dump([made, time.process_time() - started], sys.stdout)
"""


def rival(code: str, python: str, words: list[str], texts: list[str]) -> tuple[list[str], float] | None:
    """A library's spellings and characters per CPU second; None where it is not installed."""
    some, size = [], 0
    for text in texts:
        if size < SPEED_OF_RIVALS:
            some.append(text)
            size += len(text)
    done = subprocess.run(
        [python, "-c", _RIVAL.format(tool=code)],
        input=json.dumps({"words": words, "texts": some}),
        capture_output=True,
        text=True,
        check=False,
    )
    if "ModuleNotFoundError" in done.stderr:
        return None
    done.check_returncode()
    made, seconds = json.loads(done.stdout.splitlines()[-1])
    return made, size / seconds


_GROWN = """
import resource, sys
from benchmarks.romanize import read_texts
from data_prep.romanize.hindi import romanize
from pathlib import Path
texts = read_texts([Path(each) for each in sys.argv[2:]])
for number in range(int(sys.argv[1])):
    for text in texts:
        romanize(text.replace(" ", f" {number}"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
"""Numbers glued to the words make every copy of the text new to the cache."""


def shard_speed(texts: Sequence[str]) -> float:
    """Characters per CPU second over a shard's text in a fresh process, its growth taken off."""
    done = subprocess.run(
        [sys.executable, "-c", _SHARD],
        input=json.dumps([list(texts), SHARD]),
        cwd=REPOSITORY_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


_SHARD = """
import json, sys
from benchmarks.romanize import continued, passes
from data_prep.romanize.hindi import romanize
romanize("कंप्यूटर")
texts = continued(*json.load(sys.stdin))
print(*passes(romanize, texts, 1))
"""


def peak_memory(times: int, paths: Sequence[Path]) -> float:
    """Peak MiB of a process that romanises that many times as much new text."""
    command = [sys.executable, "-c", _GROWN, str(times), *map(str, paths)]
    done = subprocess.run(command, cwd=REPOSITORY_ROOT, capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024


def main() -> None:
    """Prints the table; the last line says by how much we lead."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, default=PAIRS)
    parser.add_argument("--text", type=Path, nargs="+", default=[TEXT])
    parser.add_argument("--rival-python", default=sys.executable)
    given = parser.parse_args()
    pairs, texts = read_pairs(given.pairs), read_texts(given.text)
    from data_prep.romanize.hindi import romanize

    first, *later = passes(romanize, texts, 4)
    words = [word for word, _ in pairs]
    ours = (*agreement([romanize(word) for word in words], pairs), median(later))
    shard = shard_speed(texts)
    rows, best = [_row("ours", *ours, f"{first / 1e6:.1f}", f"{shard / 1e6:.1f}")], (0.0, 100.0, 0.0)
    for name, code in RIVALS.items():
        python = given.rival_python if name.startswith("aksharamukha") else sys.executable
        result = rival(code, python, words, texts)
        if result is None:
            rows.append([name, "not installed", "", "", "", ""])
            continue
        scores = (*agreement(result[0], pairs), result[1])
        best = max(best, scores)
        rows.append(_row(name, *scores, "", ""))
    print(f"{len(pairs):,} pairs of {given.pairs.name}; {sum(map(len, texts)):,} characters of running text")
    print(table(["", "exact %", "CER %", "steady M chars/s", "first", "shard"], rows))
    paths = [Path(each).absolute() for each in given.text]
    print("peak memory at " + ", ".join(f"{times}x {peak_memory(times, paths):.0f} MiB" for times in GROWTH))
    print(
        f"ours against the best library: {ours[0] - best[0]:+.1f} points exact, {ours[1] - best[1]:+.1f} points CER, "
        f"{ours[2] / best[2]:,.0f} times as fast"
        if best[2]
        else "no library to compare with"
    )


def _row(name: str, exact: float, errors: float, speed: float, first: str, shard: str) -> list[str]:
    return [name, f"{exact:.1f}", f"{errors:.1f}", f"{speed / 1e6:.2f}", first, shard]


if __name__ == "__main__":
    main()
