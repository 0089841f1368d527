"""Metrics of generated text in the shape that task YAMLs name with `!function`, and the spread of a corpus metric."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from recipes.evaluate import metrics
from recipes.evaluate.statistics import bootstrap, of_counts, standard_error_of_mean

Pair = tuple[str, str, str]
"""Metric, generated text, reference."""
NAMES = ("chrf++", "bleu", *(f"rouge{kind}{form}" for form in ("", "_default") for kind in "12L"))


def text_scores(references: Sequence[str], predictions: Sequence[str]) -> dict[str, Pair]:
    """An item's part in every metric; the harness hands all items' parts of one to `corpus_score`."""
    return {name: (name, predictions[0].strip(), references[0].strip()) for name in NAMES}


def corpus_score(items: Sequence[Pair]) -> float:
    """The value of one metric, 0 to 100."""
    return _corpus_scores(tuple(item[1:] for item in items))[items[0][0]].value


def signature(items: Sequence[Pair]) -> str:
    """What repeats the value of one metric."""
    return _corpus_scores(tuple(item[1:] for item in items))[items[0][0]].signature


@functools.lru_cache(maxsize=1)
def _corpus_scores(pairs: tuple[tuple[str, str], ...]) -> dict[str, metrics.Score]:
    return metrics.corpus_scores([found for found, _ in pairs], [wanted for _, wanted in pairs])


def item_scores(items: Sequence[Pair]) -> list[float]:
    """One metric of each item by itself."""
    name = items[0][0]
    if name == "bleu":  # which sacrebleu gives for a corpus only
        return []
    return [_item_scores(found, wanted)[name] for _, found, wanted in items]


_item_scores = functools.lru_cache(maxsize=1 << 14)(metrics.item_scores)


def standard_error(items: Sequence[Pair], *, samples: int, seed: int) -> float | None:
    """Of one metric: ROUGE is a mean, chrF++ and BLEU are drawn again from their items' n-gram counts."""
    name = items[0][0]
    if name not in metrics.COUNTED:
        return standard_error_of_mean(item_scores(items))
    counts = metrics.counts(name, [item[1] for item in items], [item[2] for item in items])
    score = of_counts(functools.partial(metrics.of_counts, name), len(items))
    return bootstrap(counts, score, samples=samples, seed=seed).standard_error


def short_answer(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """SQuAD's exact match and F1 for a question over a passage; without an answer, `unanswerable` is right.

    IndicInstruct asks for that word in its examples and compares with it.
    """
    references = [text or UNANSWERABLE for text in doc["answers"]["text"]] or [UNANSWERABLE]
    found = results[0]
    return {"f1": metrics.f1(found, references), "exact_match": metrics.exact_match(found, references)}


UNANSWERABLE = "unanswerable"
