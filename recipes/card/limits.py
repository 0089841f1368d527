"""What a reader must not conclude: every sentence follows from a fact, or from one that is missing."""

from collections.abc import Iterator

from data_prep.documents import primary_language
from recipes.card import evaluation, training
from recipes.card.facts import Model
from recipes.report.wording import PAPER_TOKENS, REPLAYED, TOY_TOKENS, change, decimal, large, paired, percent


def limits(model: Model) -> list[str]:
    """The sentences, the gravest first."""
    return [*_size(model), *_evaluation(model), *_languages(model), *_forgetting(model), *_origin(model)]


def _size(model: Model) -> Iterator[str]:
    drawn = sum(row["tokens_seen"] for seen in model.seen.values() for row in seen)
    if 0 < drawn < TOY_TOKENS:
        yield (
            f"It has read {large(drawn)} tokens here, a thousandth or less of the {large(PAPER_TOKENS)} of the recipe "
            "it follows (arXiv 2410.14815): it shows that the steps work, and is of no use as a model."
        )
    if positions := model.config.get("max_position_embeddings"):
        yield f"It was trained on sequences of at most {positions} tokens; what it does beyond them is not known."


def _evaluation(model: Model) -> Iterator[str]:
    if model.evaluated_as is None:
        yield "No evaluation of it was found: nothing is known of its quality."
        return
    if not evaluation.tasks_of(model):
        yield "It was evaluated on no task: bits per byte say how well it predicts text, not if its answers are right."
    elif unsearched := sorted(evaluation.tasks_of(model).keys() - (model.contamination or {"sets": {}})["sets"].keys()):
        yield (
            f"Whether the training text holds items of {', '.join(unsearched)} is not known: scores may be too good "
            "(langadapt evaluate contamination)."
        )
    if unmeasured := sorted(set(training.languages(model)) - evaluation.languages_measured(model)):
        yield f"It was trained on {', '.join(unmeasured)}, in which nothing was measured."
    if is_older(model):
        yield "The evaluation is older than the conversion of these weights: its figures may be those of others."
    yield "No evaluation of safety, bias or toxicity was found."


def is_older(model: Model) -> bool:
    """Whether the evaluation was made before these weights were; both files say when, in UTC."""
    measured, made = ((each or {}).get("created") for each in (model.evaluation, model.certificate))
    return bool(measured and made and measured < made)


def _languages(model: Model) -> Iterator[str]:
    if trained := training.languages(model):
        yield f"Of languages other than {', '.join(trained)} it has seen nothing here" + (
            "." if _is_whole(model) else "; what its base has seen, no file of this run says."
        )
    else:
        yield "Which languages it was trained on is not known: no sampling audit was found."
    share = training.synthetic_share(model)
    if share:
        yield (
            f"{percent(share)} of the text it read last was made by machine (translated or romanised): it may repeat "
            "mistakes of the translation, and spellings that people do not use."
        )


def _is_whole(model: Model) -> bool:
    """Whether the runs that are known go back to random weights."""
    return "base" in model.runs and model.base is None


def _forgetting(model: Model) -> Iterator[str]:
    """What became of the replayed language, measured on the model itself or during its training."""
    if model.stage == "base":
        return
    evaluation = model.evaluation or {}
    bits, differences = (evaluation.get(name, {}) for name in ("bits_per_byte", "difference"))
    for lang, rates in bits.items():
        before, after = rates.get("base"), rates.get(model.evaluated_as)
        if primary_language(lang) == REPLAYED and before is not None and after is not None:
            moved = change(before, after, paired(differences.get(lang, {}), model.evaluated_as or ""))
            yield f"Forgetting of {lang}: bits per byte {moved} since the base; for tasks see Evaluation."
            return
    watched = (model.runs["cpt"].monitor or {}).get("curves", {}) if "cpt" in model.runs else {}
    for name, curve in watched.items():
        if primary_language(name) == REPLAYED and curve.get("change_percent") is not None:
            percents = decimal(curve["change_percent"], 1)
            yield f"Forgetting of {name}: its held-out loss changed by {percents} % during continued pre-training."
            return
    yield "How much of what its base knew it has forgotten was not measured."


def _origin(model: Model) -> Iterator[str]:
    if model.certificate is None or model.certificate.get("max_abs_logit_diff") is None:
        yield "That these weights compute what the trained checkpoint computes has not been checked."
    if edited := [stage for stage, record in model.runs.items() if record.git.get("modified")]:
        stages = ", ".join(edited)
        yield f"The code of {stages} had changes that were not committed: the commit alone does not repeat it."
    if unfinished := [stage for stage, record in model.runs.items() if record.status != "done"]:
        yield f"{', '.join(unfinished)} had not ended when this card was written."
