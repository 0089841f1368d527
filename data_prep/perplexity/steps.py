"""What the steps of stage perplexity read and write; data_prep/perplexity/stage.py puts them in order."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from data_prep import bpe, jsonl
from data_prep.documents import Document, Record, Reject, split_of
from data_prep.files import atomic_write, open_binary, read_shard, shard_writer
from data_prep.perplexity import model, scores, threshold, tokenizers
from data_prep.perplexity.scores import Scorer
from data_prep.perplexity.settings import PerplexitySettings
from data_prep.perplexity.threshold import ScoreFile
from data_prep.receipts import Tally
from data_prep.tasks import Written

HIGH_PERPLEXITY = "high_perplexity"
NO_TOKENS = "no_tokens"

Part = Literal["train", "heldout", "unused"]


def part_of(group: str, rules: PerplexitySettings) -> Part:
    """What a trusted document is for: a function of its group alone."""
    if split_of(f"perplexity/heldout/{group}", rules.heldout_fraction) == "heldout":
        return "heldout"
    return "unused" if split_of(f"perplexity/unused/{group}", 1 - rules.train_share) == "heldout" else "train"


def read_part(paths: Sequence[Path], rules: PerplexitySettings, part: Part) -> Iterator[Document]:
    """The trusted documents of one part, in the order of the shards."""
    for path in paths:
        for document in read_shard(path):
            if part_of(document.group, rules) == part:
                yield document


def read_for_pieces(paths: Sequence[Path], rules: PerplexitySettings, share: float) -> Iterator[Document]:
    """A share of the trusted documents that are learnt from."""
    return bpe.take(read_part(paths, rules, "train"), share)


def text_fault(value: dict[str, Any]) -> jsonl.Fault | None:
    """What makes a line of a text to compare with unusable, if anything."""
    return jsonl.text_fault(value, "text")


def read_compared(path: Path, lang: str, name: str) -> Iterator[Document]:
    """The lines of a text to compare with; any bad one is an error."""
    for row in jsonl.read(path, text_fault, "error"):
        if isinstance(row, jsonl.Row):
            named = str(row.value.get("id") or row.number)
            yield Document(
                id=named,
                text=row.value["text"],
                lang=lang,
                kind="real",
                source=name,
                license="",
                parent_id=None,
                group=named,
            )


def _documents(records: Iterable[Record]) -> Iterator[Document]:
    return (record for record in records if isinstance(record, Document))


def write_tokenizer(output: Path, vocab_size: int, records: Iterable[Record], _tally: Tally) -> Written:
    """The SentencePiece model of the records."""
    trained = tokenizers.train_sentencepiece((document.text for document in _documents(records)), vocab_size)
    with atomic_write(output) as file:
        file.write(trained)
    return Written(outputs=(output,))


def write_text(
    output: Path, rules: PerplexitySettings, pieces: Path | None, records: Iterable[Record], tally: Tally
) -> Written:
    """The tokens of the records, one line of text a line."""
    tokenize = tokenizers.load(rules.tokenizer, pieces)
    with shard_writer(output) as write:
        for document in _documents(records):
            sentences = tokenize(document.text)
            tally.add_tokens(document, sum(sentence.count(" ") + 1 for sentence in sentences))
            for sentence in sentences:
                write(sentence)
    return Written(outputs=(output,))


def write_model(
    texts: Sequence[Path], output: Path, rules: PerplexitySettings, _records: Iterable[Record], _tally: Tally
) -> Written:
    """The n-gram model of the lines of `texts`."""
    return Written(outputs=(output,), details=model.train(_sentences(texts), output, rules))


def _sentences(texts: Sequence[Path]) -> Iterator[str]:
    for path in texts:
        with open_binary(path) as lines:
            yield from (line.decode().removesuffix("\n") for line in lines)


def write_scores(output: Path, scorer: Scorer, records: Iterable[Record], tally: Tally) -> Written:
    """One line a document, in their order."""
    score = scorer.load()
    with shard_writer(output) as write:
        for document in _documents(records):
            found = score(document.id, document.text)
            tally.add_tokens(document, found.tokens)
            write(found.to_json())
    return Written(outputs=(output,))


def write_threshold(
    output: Path, files: Sequence[ScoreFile], rules: PerplexitySettings, _records: Iterable[Record], _tally: Tally
) -> Written:
    """threshold.json, for the documents step and the audit."""
    found = threshold.measure(files, rules.of, rules.percentile)
    with atomic_write(output) as file:
        file.write(json.dumps(found, ensure_ascii=False, indent=1).encode() + b"\n")
    return Written(outputs=(output,), details={name: found[name] for name in ("threshold", "percentile", "of")})


def read_judged(shard: Path, score_file: Path, threshold_file: Path) -> Iterator[Record]:
    """Every document of a shard, as a reject if its perplexity is above the threshold or it has none."""
    highest = json.loads(threshold_file.read_bytes())["threshold"]
    for document, score in zip(read_shard(shard), scores.read(score_file), strict=True):
        yield judge(document, score.perplexity, highest)


def judge(document: Document, perplexity: float | None, highest: float | None) -> Record:
    """The document, or why it is left out."""
    if perplexity is None:
        reason, where = NO_TOKENS, "perplexity: the text has no token"
    elif highest is not None and perplexity > highest:
        reason, where = HIGH_PERPLEXITY, f"perplexity {perplexity:g} is above {highest:g}"
    else:
        return document
    return Reject(id=document.id, reason=reason, where=where, text=document.text)
