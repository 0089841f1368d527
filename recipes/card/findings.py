"""What stands beside an evaluation: language models' judgements, and evaluation items found in the training text."""

from recipes.card.evaluation import digits_of, with_error
from recipes.card.facts import Facts, Model
from recipes.card.markdown import cell, table
from recipes.report.wording import count, percent, reasons


def judgements(model: Model) -> list[str]:
    """Of every judge, who it is and what it says of this model; judgements that are not valid are in no mean."""
    return [part for found in model.judged.values() for part in _judgement(model, found)]


def _judgement(model: Model, found: Facts) -> list[str]:
    judge = f"Judged by `{cell(found['judge']['model'])}` ({found['kind']})"
    if "pairs" in found:
        one, other = found["models"]
        pairs = found["pairs"]
        if model.evaluated_as not in (one, other) or not pairs["win_share"]:
            return []
        share = with_error(pairs["win_share"]["value"], pairs["win_share"]["standard_error"], 3)
        valid = f"{count(pairs['valid'])} of {count(pairs['items'])} pairs valid{_lost(pairs)}"
        return [f"{judge}: {one} wins {share} of its pairs against {other} (ties count half; {valid})."]
    graded = found["models"].get(model.evaluated_as, {})
    if not graded.get("axes"):
        return []
    rows = [[axis, with_error(grade["mean"], grade["standard_error"], 2)] for axis, grade in graded["axes"].items()]
    valid = f"{count(graded['valid'])} of {count(graded['items'])} answers graded{_lost(graded)}"
    return [f"{judge}, {valid}; means of grades from 1 to 5, ± standard error:", table(["axis", "mean"], rows)]


def _lost(found: Facts) -> str:
    lost = reasons(found)
    return f"; in no mean: {lost}" if lost else ""


def contamination(model: Model) -> list[str]:
    """How many items of each set the training text touches, and the score without them."""
    found = model.contamination
    if not found:
        return []
    rows = []
    for name, each in found["sets"].items():
        scores = found["scores"].get(name, {}).get(model.evaluated_as or "", {})
        digits = digits_of(scores["metric"]) if scores else 3
        cells = [
            with_error(scores[part]["value"], scores[part]["standard_error"], digits) if scores else ""
            for part in ("all", "clean")
        ]
        counts = [count(each[what]) for what in ("items", "too_short", "touched")]
        rows.append([name, *counts, percent(each["share"]), *cells])
    text = (
        f"Items of the evaluation sets that share {found['ngram']} words in a row with a training document, "
        "and the score on all items and on the others:"
    )
    header = ["set", "items", "too short to look for", "found", "share", "score, all", "score, clean"]
    return [text, table(header, rows)]
