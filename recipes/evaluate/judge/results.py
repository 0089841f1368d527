"""Adds up: means with standard errors, models compared on the same items, what was invalid, what it cost.

Invalid and unanswered judgements are in no mean: they are counted by reason, and shown.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from recipes.evaluate.judge.asking import Outcome
from recipes.evaluate.judge.endpoint import Reply
from recipes.evaluate.judge.prompts import AXES
from recipes.evaluate.judge.settings import PriceSettings
from recipes.evaluate.judge.verdicts import Grades, Verdict
from recipes.evaluate.statistics import bootstrap, paired_bootstrap

Graded = Mapping[str, Outcome[Grades]]
"""One model's, by id of the question."""
Both = tuple[Outcome[Verdict], Outcome[Verdict]]
"""One pair in both orders: the first model's answer as A, then as B."""

_MILLION = 1_000_000


def graded(models: Mapping[str, Graded], *, samples: int, seed: int) -> dict[str, Any]:
    """Means of every axis by model, and each two models compared on the items that both have valid grades of."""
    return {
        "models": {name: _model(outcomes, samples, seed) for name, outcomes in models.items()},
        "comparisons": [
            _comparison(one, other, models, samples, seed) for one, other in itertools.combinations(models, 2)
        ],
    }


def _model(outcomes: Graded, samples: int, seed: int) -> dict[str, Any]:
    valid = [outcome.value for outcome in outcomes.values() if outcome.value is not None]
    axes = {}
    for axis in AXES if valid else ():
        found = bootstrap([grades[axis] for grades in valid], samples=samples, seed=seed)
        axes[axis] = {"mean": _short(found.value), "standard_error": _short(found.standard_error)}
    return {"items": len(outcomes), "valid": len(valid), **faults(outcomes.values()), "axes": axes}


def _comparison(one: str, other: str, models: Mapping[str, Graded], samples: int, seed: int) -> dict[str, Any]:
    left, right = models[one], models[other]
    pairs = [(left[name].value, right[name].value) for name in left if name in right and left[name].value is not None]
    both = [(first, second) for first, second in pairs if first is not None and second is not None]
    axes = {}
    for axis in AXES if len(both) > 1 and samples > 1 else ():
        before, after = ([grades[axis] for grades in column] for column in zip(*both, strict=True))
        found = asdict(paired_bootstrap(before, after, samples=samples, seed=seed))
        axes[axis] = {what: _short(value) for what, value in found.items() if what != "items"}
    return {"models": [one, other], "items": len(both), "axes": axes}


def winner(both: Both) -> tuple[float | None, bool]:
    """What a pair is worth to the first model, and whether the two orders agree.

    Returns:
        1 for a win, 0 for a loss, a half for a tie; a half too where the orders disagree, since then the place of an
        answer has decided; None where a reply is missing or invalid.
    """
    first, second = both[0].value, both[1].value
    if first is None or second is None:
        return None, False
    worth = {"A": 1.0, "tie": 0.5, "B": 0.0}
    one, other = worth[first], 1 - worth[second]
    return (one, True) if one == other else (0.5, False)


def paired(pairs: Sequence[Both], *, samples: int, seed: int) -> dict[str, Any]:
    """Wins, losses and ties of the first model, and its share of wins with ties as halves."""
    found = [winner(both) for both in pairs]
    worths = [worth for worth, _ in found if worth is not None]
    disagreements = sum(worth is not None and not agree for worth, agree in found)
    verdicts = [outcome.value for both in pairs for outcome in both if outcome.value is not None]
    share = bootstrap(worths, samples=samples, seed=seed) if worths else None
    return {
        "items": len(pairs),
        "valid": len(worths),
        **faults(outcome for both in pairs for outcome in both),
        "wins": worths.count(1),
        "losses": worths.count(0),
        "ties": worths.count(0.5),
        "of_ties_orders_disagree": disagreements,
        "win_share": {what: _short(value) for what, value in asdict(share).items()} if share else None,
        "verdicts": {"first": verdicts.count("A"), "second": verdicts.count("B"), "tie": verdicts.count("tie")},
    }


def faults(outcomes: Iterable[Outcome[Any]]) -> dict[str, dict[str, int]]:
    """Judgements without a value, by reason."""
    listed = list(outcomes)
    return {
        "invalid": dict(sorted(Counter(each.invalid for each in listed if each.invalid).items())),
        "unanswered": dict(sorted(Counter(each.unanswered for each in listed if each.unanswered).items())),
    }


def usage(replies: Sequence[Reply], price: PriceSettings | None) -> dict[str, Any]:
    """Tokens and cost of all replies the results rest on, invalid ones too, of this run and of earlier ones.

    Replies whose server does not say what they took are counted; the sums then are lower bounds.
    """
    given = sum(reply.prompt_tokens or 0 for reply in replies)
    taken = sum(reply.completion_tokens or 0 for reply in replies)
    cost = None
    if price is not None:
        cost = {
            "value": _short((given * price.input + taken * price.output) / _MILLION),
            "currency": price.currency,
            "per_million_tokens": {"input": price.input, "output": price.output},
        }
    return {
        "replies": len(replies),
        "prompt_tokens": given,
        "completion_tokens": taken,
        "replies_without_usage": sum(reply.completion_tokens is None for reply in replies),
        "cost": cost,
    }


def served(replies: Sequence[Reply]) -> dict[str, int]:
    """Replies by the model's name as the server gives it."""
    return dict(sorted(Counter(reply.model or "not said" for reply in replies).items()))


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
