"""n-gram perplexity: what it sees of spoilt Hindi, and how fast, beside datatrove's own and kenlm's bare loop.

    python -m benchmarks.perplexity [--text FILE.jsonl ...] [--wordpiece VOCAB.txt]

What it sees: 5-gram models learn from four fifths of the documents; of the rest, passages of about 300 characters are
scored as they are and spoilt. AUC is the share of pairs (clean passage, spoilt passage) in which the spoilt one has the
higher perplexity: 1.0 sees all, 0.5 is blind. datatrove's row is its own KenlmModel class, which normalises as cc_net
does, with a SentencePiece and an n-gram model trained on text so normalised.

How fast: CPU seconds of one process, in turn, the median of the rounds, all with the same SentencePiece and n-gram
model, on a million characters, for which the texts are repeated (a shard is larger and has a smaller share of new words
than that). kenlm's bare loop has the texts in memory, cuts each line into pieces and adds up kenlm's scores. Ours reads
a shard, normalises, scores and writes the side file; it cuts a word it has met before only once. datatrove's is its
get_perplexity, texts in memory, nothing written.
"""

import argparse
import json
import random
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

from datatrove.utils.perplexity import KenlmModel, SentencePiece

from benchmarks.common import median, table
from data_prep.documents import Document
from data_prep.files import read_shard, shard_writer
from data_prep.layout import REPOSITORY_ROOT
from data_prep.perplexity import lmplz, model, tokenizers
from data_prep.perplexity.scores import Scorer, load_model
from data_prep.perplexity.settings import PerplexitySettings, TokenizerKind
from data_prep.perplexity.steps import write_scores
from data_prep.receipts import Tally

SAMPLE = REPOSITORY_ROOT / "data_prep" / "sample_corpus" / "documents.hi.jsonl"
VOWEL_SIGNS = "ािीुूृेैोौ"
RULES = PerplexitySettings()
PASSAGE, ROUNDS, CHARACTERS = 300, 9, 1_000_000

Score = Callable[[str], float]


def main() -> None:
    parser = argparse.ArgumentParser(description="n-gram perplexity beside datatrove's and kenlm's bare loop")
    parser.add_argument("--text", type=Path, nargs="+", default=[SAMPLE], help="JSONL with a field `text`, in Hindi")
    parser.add_argument("--wordpiece", type=Path, help="also measure this vocabulary, e.g. MuRIL's vocab.txt")
    given = parser.parse_args()
    texts = [json.loads(line)["text"] for path in given.text for line in path.read_text("utf-8").split("\n") if line]
    learnt = [text for number, text in enumerate(texts) if number % 5]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pieces = folder / "pieces.model"
        pieces.write_bytes(tokenizers.train_sentencepiece(learnt, RULES.vocab_size))
        ours = trained(learnt, "sentencepiece", pieces, folder / "ours")
        print_quality(texts, learnt, ours, given.wordpiece, folder)
        print_speed(texts * (1 + CHARACTERS // sum(map(len, texts))), ours, folder)


def trained(learnt: list[str], kind: TokenizerKind, pieces: Path | None, path: Path) -> Scorer:
    tokenize = tokenizers.load(kind, pieces)
    model.train((sentence for text in learnt for sentence in tokenize(text)), path, RULES)
    return Scorer(kind=kind, pieces=pieces, model=path)


def print_quality(texts: list[str], learnt: list[str], ours: Scorer, wordpiece: Path | None, folder: Path) -> None:
    clean = list(passages(texts[::5]))
    signs_mn = "".join(sign for sign in VOWEL_SIGNS if unicodedata.category(sign) == "Mn")
    spoilt = {
        "vowel signs, 20 %": [corrupt(text, VOWEL_SIGNS, seed) for seed, text in enumerate(clean)],
        "those of category Mn, 20 %": [corrupt(text, signs_mn, seed) for seed, text in enumerate(clean)],
        "words shuffled": [shuffle(text, seed) for seed, text in enumerate(clean)],
    }
    rows: dict[str, Score] = {
        f"ours, SentencePiece {RULES.vocab_size:,} (default)": perplexity_of(ours),
        "ours, words": perplexity_of(trained(learnt, "words", None, folder / "words")),
        "datatrove (cc_net's normalisation)": datatrove(learnt, folder).get_perplexity,
    }
    if wordpiece:
        scorer = trained(learnt, "wordpiece", wordpiece, folder / "wordpiece")
        rows[f"ours, WordPiece {wordpiece.name}"] = perplexity_of(scorer)
    estimator = "lmplz" if lmplz.find("lmplz") else "langadapt's own estimator"
    print(f"{sum(map(len, learnt)):,} characters learnt by {estimator}, {len(clean)} held-out passages; AUC\n")
    cells = [
        [name, *(f"{auc(list(map(score, clean)), list(map(score, bad))):.3f}" for bad in spoilt.values())]
        for name, score in rows.items()
    ]
    print(table(["tokens", *spoilt], cells) + "\n")


def perplexity_of(scorer: Scorer) -> Score:
    score = scorer.load()
    return lambda text: score("", text).perplexity or 0.0


def datatrove(learnt: list[str], folder: Path) -> KenlmModel:
    """Datatrove's class with models of our text instead of those it downloads."""
    rival = KenlmModel(model_dataset="none", language="hi")
    normalised = [rival.normalize(text) for text in learnt]
    pieces, path = folder / "rival.model", folder / "rival"
    pieces.write_bytes(tokenizers.train_sentencepiece(normalised, RULES.vocab_size))
    with_models(rival, trained(normalised, "sentencepiece", pieces, path))
    return rival


def with_models(rival: KenlmModel, scorer: Scorer) -> None:
    import sentencepiece

    rival._tokenizer = SentencePiece("none", "hi")  # noqa: SLF001  no other way in without a download
    rival._tokenizer._model = sentencepiece.SentencePieceProcessor(model_file=str(scorer.pieces))  # noqa: SLF001
    rival._model = load_model(scorer.model)  # noqa: SLF001


def passages(texts: list[str]) -> Iterator[str]:
    for text in texts:
        passage = ""
        for line in filter(str.strip, text.split("\n")):
            passage += line + "\n"
            if len(passage) >= PASSAGE:
                yield passage
                passage = ""


def corrupt(text: str, signs: str, seed: int) -> str:
    """One in five of the signs replaced by another of them."""
    source = random.Random(seed)
    return "".join(
        source.choice([sign for sign in signs if sign != char]) if char in signs and source.random() < 0.2 else char
        for char in text
    )


def shuffle(text: str, seed: int) -> str:
    """The words of every line in another order."""
    source = random.Random(seed)
    lines = [line.split() for line in text.split("\n")]
    for words in lines:
        source.shuffle(words)
    return "\n".join(map(" ".join, lines))


def auc(clean: list[float], spoilt: list[float]) -> float:
    return sum((bad > good) + (bad == good) / 2 for good in clean for bad in spoilt) / len(clean) / len(spoilt)


def print_speed(texts: list[str], scorer: Scorer, folder: Path) -> None:
    shard = folder / "documents.jsonl.zst"
    with shard_writer(shard) as write:
        for number, text in enumerate(texts):
            write(document(str(number), text).to_json())
    rival = KenlmModel(model_dataset="none", language="hi")
    with_models(rival, scorer)
    assert scorer.pieces is not None
    pieces = scorer.pieces
    tokenize = tokenizers.load(scorer.kind, pieces)
    sentences = [sentence for text in texts for sentence in tokenize(text)]
    sides: dict[str, Callable[[], object]] = {
        "kenlm alone, tokens ready": lambda: score_sentences(sentences, scorer.model),
        "kenlm's bare loop": lambda: bare_loop(texts, pieces, scorer.model),
        "ours, shard to side file": lambda: write_scores(folder / "scores", scorer, read_shard(shard), Tally()),
        "datatrove's get_perplexity": lambda: [rival.get_perplexity(text) for text in texts],
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, side in sides.items():
            start = time.process_time()
            side()
            seconds[name].append(time.process_time() - start)
    characters = sum(map(len, texts))
    rows = [
        [name, f"{len(texts) / median(taken):,.0f}", f"{characters / median(taken) / 1e6:.2f}"]
        for name, taken in seconds.items()
    ]
    print(table(["side", "documents per CPU s", "M characters per CPU s"], rows) + "\n")
    _, bare, own, theirs = (median(taken) for taken in seconds.values())
    print(f"overhead over kenlm's bare loop {own / bare - 1:.1%}; ours / datatrove {theirs / own:.2f} times as fast")


def bare_loop(texts: list[str], pieces: Path, path: Path) -> float:
    import sentencepiece

    encode, score = sentencepiece.SentencePieceProcessor(model_file=str(pieces)).encode, load_model(path).score
    lines = (line for text in texts for line in text.split("\n") if line)
    total: float = sum(score(" ".join(encode(line, out_type=str))) for line in lines)
    return total


def score_sentences(sentences: list[str], path: Path) -> float:
    total: float = sum(map(load_model(path).score, sentences))
    return total


def document(name: str, text: str) -> Document:
    return Document(
        id=name,
        text=text,
        lang="hi-Deva",
        kind="translated",
        source="bench",
        license="",
        parent_id=None,
        group=name,
    )


if __name__ == "__main__":
    main()
