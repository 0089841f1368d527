"""Facts of a model that went through the whole recipe, on the weights and audit of the small real run."""

from dataclasses import replace

import pytest

from recipes.card import facts, places
from recipes.run_record import RunRecord

TASK = {
    "lang": "hi-Deva",
    "groups": ["hindi_base"],
    "items": 200,
    "num_fewshot": 0,
    "version": "1",
    "scoring": "continuation",
    "headline": "acc",
    "signature": None,
    "scores": {
        "base": {"acc": {"value": 0.25, "standard_error": 0.03}},
        "cpt": {"acc": {"value": 0.41, "standard_error": 0.0348}},
        "dpo": {"acc": {"value": 0.405, "standard_error": None}},
    },
}


def seen(lang: str, kind: str, tokens: int, available: int) -> dict:
    return {"lang": lang, "kind": kind, "tokens_seen": tokens, "tokens_available": available, "source": "s"}


@pytest.fixture(scope="session")
def real(tiny_run) -> facts.Model:
    """The facts of the small real run's model."""
    return facts.of_model("base", places.find(places.PlaceSettings(run=(tiny_run,))))


@pytest.fixture(scope="session")
def records(real) -> dict[str, RunRecord]:
    """Records of a recipe on a base that was trained elsewhere, each run from the model of the one before."""
    base = real.runs["base"]

    def record(stage: str, start: str, **changes) -> RunRecord:
        key = "pretrained_checkpoint" if stage == "dpo" else "model"
        config = {**base.config, key: {**base.config.get(key, {}), "restore_from_path": start}}
        return replace(base, stage=stage, config=config, model=f"/runs/hindi/{stage}/m.nemo", **changes)

    return {
        "cpt": record(
            "cpt",
            "/models/nemotron_mini_4b.nemo",
            seen=[
                seen("en-Latn", "real", 500, 1000),
                seen("hi-Deva", "translated", 100, 400),
                seen("hi-Deva", "real", 300, 100),
                seen("hi-Deva", "real", 100, 100),
            ],
        ),
        "sft": record("sft", "/runs/hindi/cpt/m.nemo", seen=None),
        "dpo": record("dpo", "/runs/hindi/sft/m.nemo", seen=None),
    }


@pytest.fixture
def adapted(real, records) -> facts.Model:
    """A model after continued pre-training, SFT and DPO on a base from elsewhere, evaluated beside those before it."""
    rates = {"base": 2.912, "cpt": 1.874, "dpo": 1.902}
    evaluation = {
        **real.evaluation,
        "models": {name: f"/runs/hindi/hf/{name}" for name in rates},
        "bits_per_byte": {"en-Latn": {"base": 2.0, "cpt": 2.1, "dpo": 2.2}, "hi-Deva": rates},
        "standard_error": {"en-Latn": dict.fromkeys(rates, 0.061), "hi-Deva": dict.fromkeys(rates)},
        "documents": {"en-Latn": {"real": 12}, "hi-Deva": {"real": 13, "translated": 4}},
        "tasks": {"indiccopa": TASK},
        "groups": {
            "hindi_base": {
                "tasks": ["indiccopa"],
                "scores": {"dpo": {"acc": {"value": 0.405, "standard_error": 0.0348}}},
            }
        },
    }
    return replace(
        real,
        stage="dpo",
        runs=records,
        base="nemotron_mini_4b.nemo",
        evaluation=evaluation,
        evaluated_as="dpo",
        examples={"sft": {"hi-Deva": {"real": 40}}},
    )


@pytest.fixture
def unmeasured(adapted) -> facts.Model:
    """The same model without a single measurement or audit."""
    runs = {stage: replace(record, seen=None, monitor=None) for stage, record in adapted.runs.items()}
    return replace(adapted, runs=runs, evaluation=None, evaluated_as=None, corpus=None, certificate=None, examples={})
