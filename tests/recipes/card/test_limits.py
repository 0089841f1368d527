"""The limits follow from the facts, and from what is missing."""

from dataclasses import replace

from recipes.card.limits import limits


def said(model) -> str:
    return "\n".join(limits(model)).replace("\N{NARROW NO-BREAK SPACE}", " ")


def test_nothing_measured_is_said_to_be_unknown(unmeasured) -> None:
    text = said(unmeasured)
    assert "No evaluation of it was found" in text
    assert "Which languages it was trained on is not known" in text
    assert "How much of what its base knew it has forgotten was not measured" in text
    assert "has not been checked" in text


def test_a_toy_says_so_and_a_real_run_does_not(adapted, unmeasured) -> None:
    assert "It has read 1,000 tokens here" in said(adapted)
    large = [{**row, "tokens_seen": 10**9} for row in adapted.runs["cpt"].seen]
    runs = {**adapted.runs, "cpt": replace(adapted.runs["cpt"], seen=large)}
    assert "is of no use as a model" not in said(replace(adapted, runs=runs))
    assert "is of no use as a model" not in said(unmeasured)


def test_forgetting_is_measured_against_the_base_or_by_the_monitor(adapted) -> None:
    assert "Forgetting of en-Latn: bits per byte rose from 2.00 to 2.20 (+10 %) since the base" in said(adapted)
    paired = {"en-Latn": {"base": {"dpo": {"delta": 0.2, "standard_error": 0.05, "low": 0.1, "high": 0.3}}}}
    certain = replace(adapted, evaluation={**adapted.evaluation, "difference": paired})
    assert "from 2.00 to 2.20 (+10 %, 95 % interval +5.0 % to +15 %) since the base" in said(certain)
    watched = {"curves": {"sample.en-Latn.real": {"change_percent": 9.0}, "en-Latn": {"change_percent": 3.25}}}
    runs = {**adapted.runs, "cpt": replace(adapted.runs["cpt"], monitor=watched)}
    unevaluated = replace(adapted, runs=runs, evaluation=None, evaluated_as=None)
    assert "its held-out loss changed by 3.2 % during continued pre-training" in said(unevaluated)


def test_languages_that_were_trained_on_but_not_measured_are_named(adapted) -> None:
    assert "in which nothing was measured" not in said(adapted)
    taught = replace(adapted, examples={"sft": {"hi-Deva": {"real": 1}, "mr-Deva": {"real": 1}}})
    assert "It was trained on mr-Deva, in which nothing was measured." in said(taught)


def test_what_the_base_has_seen_is_not_claimed(adapted, real) -> None:
    assert "what its base has seen, no file of this run says" in said(adapted)
    assert "what its base has seen" not in said(real)


def test_tasks_that_were_not_looked_for_in_the_training_text_are_named(adapted) -> None:
    assert "Whether the training text holds items of indiccopa is not known" in said(adapted)
    searched = replace(adapted, contamination={"sets": {"indiccopa": {}}})
    assert "is not known: scores" not in said(searched)


def test_bits_per_byte_alone_are_no_task(real) -> None:
    assert "It was evaluated on no task" not in said(real)
    assert "It was evaluated on no task" in said(replace(real, evaluation={**real.evaluation, "tasks": {}}))


def test_an_evaluation_older_than_the_weights_is_doubted(real) -> None:
    assert "older than the conversion" not in said(real)
    early = {**real.evaluation, "created": "2020-01-01T00:00:00+00:00"}
    assert "The evaluation is older than the conversion" in said(replace(real, evaluation=early))


def test_edited_code_and_unfinished_runs_are_named(adapted) -> None:
    clean = {stage: replace(record, git={"commit": "1f", "modified": False}) for stage, record in adapted.runs.items()}
    runs = {
        **clean,
        "cpt": replace(clean["cpt"], git={"commit": "1f", "modified": True}),
        "dpo": replace(clean["dpo"], status="running"),
    }
    text = said(replace(adapted, runs=runs))
    assert "The code of cpt had changes that were not committed" in text
    assert "dpo had not ended when this card was written" in text


def test_machine_made_text_is_said(adapted) -> None:
    assert "10 % of the text it read last was made by machine" in said(adapted)
