"""Words per CPU second and planted evaluation items found, beside lm-eval's janitor and datatrove's n-gram filter.

    python -m benchmarks.decontaminate [--text documents.hi.jsonl] [--documents 6000]

Evaluation items are sentences of 13 words and more from one half of the text; training documents are sentences of the
other half in random order. 300 documents get one item each, in turn in one of the disguises of DISGUISES. Every tool
reads the same texts and is timed over building its index and reading all documents, once, in this process.

- janitor: lm-eval's Janitor(ngram_n=13) in Python, as it is installed (its C++ part needs a compiler and works on
  bytes). A document counts as found if it is changed.
- datatrove: NGramsDecontFilter with n_grams=13 and its own normalisation. Its indexer needs lighteval, so the index is
  made here with the filter's own functions; its tokenizer for Hindi is replaced by splitting at spaces, which is faster
  and needs no further library; its xxhash is given bytes, as xxhash 4 wants.
- ours, nothing remembered: every word is normalised and hashed anew, as in text that never repeats a word.
"""

import argparse
import contextlib
import importlib.util
import io
import json
import random
import re
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xxhash

from benchmarks.common import table
from data_prep.decontaminate import normalize
from data_prep.decontaminate.eval_items import Item
from data_prep.decontaminate.index import build_index
from data_prep.decontaminate.matcher import Matcher
from data_prep.decontaminate.settings import DecontaminateSettings
from data_prep.layout import REPOSITORY_ROOT

SAMPLE = REPOSITORY_ROOT / "data_prep" / "sample_corpus" / "documents.hi.jsonl"
PLANTED = 300
ITEM_WORDS = range(13, 61)
SENTENCES = 20
BATCH = 250
"""Documents our matcher gets at once; stage decontaminate takes half a million characters, about as many."""

Find = Callable[[Sequence[str], Sequence[str]], set[int]]
"""(items, documents) -> numbers of the contaminated documents."""


def compose_nukta(text: str) -> str:
    """Letters with nukta as one code point, the forms NFC takes apart."""
    composed = (chr(code) for code in range(0x958, 0x960))
    for letter in composed:
        text = text.replace(unicodedata.normalize("NFD", letter), letter)
    return text


DISGUISES: dict[str, Callable[[str], str]] = {
    "exact": lambda text: text,
    "spacing": lambda text: re.sub(r"([।,?])", r" \1", text),
    "nukta": compose_nukta,
    "pipe": lambda text: text.replace("।", "|"),
    "ZWJ": lambda text: text.replace("\u094d", "\u094d\u200d"),
    "danda": lambda text: text.replace("।", ""),
    "no nukta": lambda text: unicodedata.normalize("NFD", text).replace("\u093c", ""),
    "digits": lambda text: text.translate(str.maketrans("0123456789", "०१२३४५६७८९")),
    "markup": lambda text: f"**{text}**",
    "hyphens": lambda text: text.replace("त", "त\u00ad"),
}
"""The first five are those of facts/evaluation_and_conversion.md 7; "hyphens" are soft ones."""


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """What every tool gets."""

    items: list[str]
    documents: list[str]
    planted: dict[int, str]
    """{number of a document: disguise of the item in it}"""

    @property
    def words(self) -> int:
        return sum(len(document.split()) for document in self.documents)


def make_corpus(path: Path, count: int) -> Corpus:
    """Items and documents from the texts of a JSONL file; the same at every call."""
    draw = random.Random(0)
    texts = [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").split("\n") if line]
    sentences = [[part.strip() for part in re.split(r"(?<=[।?.!])\s+|\n+", text) if part.strip()] for text in texts]
    own, filler = (sorted(set(sum(sentences[side::2], []))) for side in (0, 1))  # noqa: RUF017
    items = [each for each in own if len(normalize.words(each)) in ITEM_WORDS and each not in filler]
    documents = [" ".join(draw.choices(filler, k=SENTENCES)) for _ in range(count)]
    planted = {}
    for turn, number in enumerate(draw.sample(range(count), PLANTED)):
        name = list(DISGUISES)[turn % len(DISGUISES)]
        spaces = [match.start() for match in re.finditer(" ", documents[number])]
        middle = spaces[len(spaces) // 2]
        item = DISGUISES[name](items[turn % len(items)])
        documents[number] = f"{documents[number][:middle]} {item}{documents[number][middle:]}"
        planted[number] = name
    return Corpus(items=items, documents=documents, planted=planted)


def ours(items: Sequence[str], documents: Sequence[str]) -> set[int]:
    """As stage decontaminate looks."""
    rules = DecontaminateSettings()
    named = [Item(eval_set="bench", id=str(number), texts=(item,)) for number, item in enumerate(items)]
    index = build_index(named, ngram=rules.ngram, min_words=rules.min_words, max_items=rules.max_items)
    matcher = Matcher(index)
    found: set[int] = set()
    for start in range(0, len(documents), BATCH):
        hits = matcher.find(documents[start : start + BATCH])
        found.update((np.unique(hits.text) + start).tolist())
    return found


def ours_without_memory(items: Sequence[str], documents: Sequence[str]) -> set[int]:
    """The same with every word normalised anew."""
    normalize._CACHED_LENGTH = -1  # noqa: SLF001
    return ours(items, documents)


def janitor(items: Sequence[str], documents: Sequence[str]) -> set[int]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        from lm_eval.decontamination.janitor import Janitor
    tool = Janitor(ngram_n=13)
    for item in items:
        tool.register_contaminant_python(item)
    cleaned = (tool.clean_python(document) for document in documents)
    return {number for number, chunks in enumerate(cleaned) if chunks != [documents[number]]}


def datatrove(items: Sequence[str], documents: Sequence[str]) -> set[int]:
    from datatrove.data import Document as Carrier
    from datatrove.pipeline.decont import n_grams

    n_grams.load_word_tokenizer = lambda _language: _SplitAtSpaces()
    with tempfile.TemporaryDirectory() as folder:
        tool = n_grams.NGramsDecontFilter(folder, n_grams.NGramsDecontConfig(n_grams=13))
        tool.hash_func = lambda text: xxhash.xxh64_intdigest(text.encode())
        hashes = sorted({each for item in items for each in _datatrove_hashes(tool, item)})
        np.array(hashes, dtype=tool.config.hash_config.np_descr).tofile(Path(folder) / "bench.index.hashes")
        carriers = (Carrier(document, str(number)) for number, document in enumerate(documents))
        return {number for number, carrier in enumerate(carriers) if tool.filter(carrier) is not True}


def _datatrove_hashes(tool: object, text: str) -> Iterable[int]:
    """What NGramsDecontIndexer.compute_hashes makes of a label."""
    from datatrove.pipeline.decont.n_grams import ngrams, simplify_text

    tokens = tool.tokenizer.word_tokenize(simplify_text(text, tool.config.norm_config))  # type: ignore[attr-defined]
    return map(tool.hash_func, map(" ".join, ngrams(tokens, 13)))  # type: ignore[attr-defined]


class _SplitAtSpaces:
    def word_tokenize(self, text: str) -> list[str]:
        return text.split()


def available() -> dict[str, Find]:
    """The tools that can run here; says which cannot."""
    tools: dict[str, Find] = {"langadapt decontaminate": ours}
    for module, name, tool in (("lm_eval", "lm-eval janitor", janitor), ("datatrove", "datatrove n-grams", datatrove)):
        if importlib.util.find_spec(module):
            tools[name] = tool
        else:
            print(f"not run: {name} ({module} is not installed)")
    return {**tools, "ours, nothing remembered": ours_without_memory}


def measure(tool: Find, corpus: Corpus) -> tuple[float, set[int]]:
    """CPU seconds and what was found."""
    tool(corpus.items[:1], corpus.documents[:1])
    started = time.process_time()
    found = tool(corpus.items, corpus.documents)
    return time.process_time() - started, found


def main() -> None:
    """Measure and print speeds, recall by disguise, and the ratio last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, default=SAMPLE, help="JSONL with Hindi text (default: sample corpus)")
    parser.add_argument("--documents", type=int, default=6000, help="training documents (default 6000)")
    arguments = parser.parse_args()
    corpus = make_corpus(arguments.text, arguments.documents)
    print(f"{len(corpus.documents):,} documents, {corpus.words:,} words, {len(corpus.items)} items, {PLANTED} planted")
    results = {name: measure(tool, corpus) for name, tool in available().items()}
    rows, recalls = [], []
    for name, (seconds, found) in results.items():
        count = len(found & set(corpus.planted))
        rates = [f"{corpus.words / seconds / 1e6:.2f}", f"{seconds:.2f}"]
        rows.append([name, *rates, f"{count}/{PLANTED}", str(len(found - set(corpus.planted)))])
        by_disguise = [[number in found for number, each in corpus.planted.items() if each == key] for key in DISGUISES]
        recalls.append([name, *(f"{sum(hits)}/{len(hits)}" for hits in by_disguise)])
    print(table(["tool", "M words/CPU s", "CPU s", "found", "false"], rows))
    print(table(["found of planted", *DISGUISES], recalls))
    if "lm-eval janitor" in results:
        ratio = results["lm-eval janitor"][0] / results["langadapt decontaminate"][0]
        print(f"ratio {ratio:.1f} (words per CPU s, ours / janitor; at least 10)")
    else:
        print("ratio - (no rival installed)")


if __name__ == "__main__":
    main()
