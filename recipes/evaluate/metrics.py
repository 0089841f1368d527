"""What a generated text is worth beside a reference: chrF++ (the headline), BLEU, ROUGE, and F1 of short answers.

Texts are put into NFC first: a letter with a nukta has two spellings, which look alike and count as an error
otherwise. Sentence ends outside ASCII, the danda above all, become words of their own, as sacrebleu's chrF++ makes
ASCII's: a space before a danda is typing, not translation. Each value comes with the signature that repeats it.
"""

import functools
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import regex

HEADLINE = "chrf++"
_ROUGES = ("rouge1", "rouge2", "rougeL")
LABELS = {
    "chrf++": "chrF++",
    "bleu": "BLEU (tok:intl)",
    "rouge1": "ROUGE-1",
    "rouge2": "ROUGE-2",
    "rougeL": "ROUGE-L",
    "rouge1_default": "ROUGE-1, default tokenizer (comparable to published)",
    "rouge2_default": "ROUGE-2, default tokenizer (comparable to published)",
    "rougeL_default": "ROUGE-L, default tokenizer (comparable to published)",
    "f1": "F1",
    "exact_match": "exact match",
}
"""What a reader sees. rouge_score's default tokenizer keeps a-z and 0-9 only, so it sees next to nothing of Hindi:
its value stands for comparison with published ones, which were computed with it, and for nothing else."""

_SENTENCE_END = regex.compile(r"(?V1)\s*([\p{Sentence_Terminal}--\p{ASCII}])\s*")
_NO_WORD = regex.compile(r"(?V1)[\p{P}\p{S}\p{Z}\p{C}--[\u200c\u200d]]+")
_PUNCTUATION = regex.compile(r"(?V1)[\p{P}\p{Cf}--[\u200c\u200d]]+")
_DECIMAL = regex.compile(r"(?V1)[\p{Nd}--\p{ASCII}]")


@dataclass(frozen=True, kw_only=True)
class Score:
    """A value from 0 to 100, and what it takes to compute it again."""

    value: float
    signature: str


def normalize(text: str) -> str:
    """NFC, each sentence end outside ASCII a word of its own."""
    parted: str = _SENTENCE_END.sub(r" \1 ", unicodedata.normalize("NFC", text))
    return parted.strip()


def words(text: str) -> list[str]:
    """Words of any script, small letters, in NFC: marks and joiners stay, punctuation and symbols part words."""
    spaced: str = _NO_WORD.sub(" ", unicodedata.normalize("NFC", text).lower())
    return spaced.split()


def chrf(hypotheses: Sequence[str], references: Sequence[str]) -> Score:
    """chrF++ of the corpus: character 1- to 6-grams, word 1- and 2-grams."""
    return _sacrebleu(_chrf(), hypotheses, references)


def bleu(hypotheses: Sequence[str], references: Sequence[str]) -> Score:
    """BLEU of the corpus with the international tokenizer; the default, 13a, does not part a danda from its word."""
    return _sacrebleu(_bleu(), hypotheses, references)


def rouge(hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, Score]:
    """ROUGE-1, 2 and L of Unicode words, mean F over items; an item without a word scores 0."""
    return _rouge(_rouge_scorer(), hypotheses, references, "", "unicode words")


def rouge_default(hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, Score]:
    """ROUGE with rouge_score's default tokenizer: comparable to published values, and blind to Hindi."""
    return _rouge(_default_scorer(), hypotheses, references, "_default", "rouge_score default")


def corpus_scores(hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, Score]:
    """All metrics of generated texts, by the names of LABELS."""
    return {
        "chrf++": chrf(hypotheses, references),
        "bleu": bleu(hypotheses, references),
        **rouge(hypotheses, references),
        **rouge_default(hypotheses, references),
    }


def item_scores(hypothesis: str, reference: str) -> dict[str, float]:
    """The metrics of one item, for its log; a corpus's chrF++ is not the mean of its items'."""
    found = _chrf().sentence_score(normalize(hypothesis), [normalize(reference)])
    unicode = _f_measures(_rouge_scorer(), hypothesis, reference)
    default = _f_measures(_default_scorer(), hypothesis, reference)
    return {"chrf++": float(found.score), **unicode, **{f"{name}_default": value for name, value in default.items()}}


def answer_words(text: str) -> list[str]:
    """Words of a short answer, as SQuAD compares them, for every script.

    NFC, case folded, decimal digits of any script read as ASCII's; sentence ends part words, other punctuation goes
    (so 1,00,000 is 100000). SQuAD's dropping of a, an, the is English's and left out.
    """
    plain = _PUNCTUATION.sub("", normalize(text).casefold())
    read: str = _DECIMAL.sub(lambda found: str(unicodedata.decimal(found[0])), plain)
    return read.split()


def exact_match(prediction: str, references: Sequence[str]) -> float:
    """1 where the answer is one of the references (0..1, as accuracies are)."""
    return _best(lambda found, wanted: float(found == wanted), prediction, references)


def f1(prediction: str, references: Sequence[str]) -> float:
    """Overlap in words with the nearest reference (0..1); an empty answer is right where the reference is empty."""
    return _best(_overlap, prediction, references)


def _best(compare: Callable[[list[str], list[str]], float], prediction: str, references: Sequence[str]) -> float:
    found = answer_words(prediction)
    return max(compare(found, answer_words(reference)) for reference in references)


def _overlap(found: list[str], wanted: list[str]) -> float:
    if not found or not wanted:
        return float(found == wanted)
    shared = (Counter(found) & Counter(wanted)).total()
    return 2 * shared / (len(found) + len(wanted))


@functools.cache
def _chrf() -> Any:
    from sacrebleu.metrics import CHRF

    return CHRF(word_order=2)


@functools.cache
def _bleu() -> Any:
    from sacrebleu.metrics import BLEU

    return BLEU(tokenize="intl")


class _Words:
    """The tokenizer in the shape rouge_score takes."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


@functools.cache
def _rouge_scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(_ROUGES), tokenizer=_Words())


@functools.cache
def _default_scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(_ROUGES))


def _sacrebleu(metric: Any, hypotheses: Sequence[str], references: Sequence[str]) -> Score:
    found = metric.corpus_score(list(map(normalize, hypotheses)), [list(map(normalize, references))])
    return Score(value=float(found.score), signature=f"{metric.get_signature()}|norm:nfc+sentence-ends")


def _rouge(
    scorer: Any, hypotheses: Sequence[str], references: Sequence[str], suffix: str, tokenizer: str
) -> dict[str, Score]:
    items = [_f_measures(scorer, *pair) for pair in zip(hypotheses, references, strict=True)]
    signature = f"rouge_score:{version('rouge_score')}|tok:{tokenizer}|stem:no|F|mean|norm:nfc"
    return {
        name + suffix: Score(value=sum(item[name] for item in items) / len(items), signature=signature)
        for name in _ROUGES
    }


def _f_measures(scorer: Any, hypothesis: str, reference: str) -> Mapping[str, float]:
    found = scorer.score(*(unicodedata.normalize("NFC", text) for text in (reference, hypothesis)))
    return {name: 100 * float(found[name].fmeasure) for name in _ROUGES}


def counts(name: str, hypotheses: Sequence[str], references: Sequence[str]) -> list[list[int]]:
    """N-gram counts of each item, whose sum over items gives chrF++ or BLEU of a corpus: what a bootstrap draws."""
    texts = list(map(normalize, hypotheses)), [list(map(normalize, references))]
    found: list[list[int]] = COUNTED[name]()._extract_corpus_statistics(*texts)  # noqa: SLF001 - sacrebleu's own
    return found


def of_counts(name: str, summed: Sequence[int]) -> float:
    """chrF++ or BLEU of summed counts."""
    return float(COUNTED[name]()._compute_score_from_stats(summed).score)  # noqa: SLF001 - significance.py calls it so


COUNTED: dict[str, Callable[[], Any]] = {"chrf++": _chrf, "bleu": _bleu}
"""Metrics of a corpus that are made of counts summed over items, not of a mean of items' scores."""
