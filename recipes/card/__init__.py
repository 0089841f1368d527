"""Verb `card`: the Hugging Face card of every converted model of a run, and of its corpus.

    langadapt card runs/demo
    langadapt card model=hf/dpo runs.cpt=runs/cpt runs.sft=runs/sft runs.dpo=runs/dpo evaluation=evaluation.json

writes hf/STAGE/README.md and data/documents/README.md from what the files of the run say; what none says is left out,
or said to be unknown. A card somebody has edited is never overwritten.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.errors import UsageError
from data_prep.files import atomic_write
from data_prep.settings import load
from recipes.card import data_card, facts, licenses, metadata, model_card, places

CARD = "README.md"
MARK = "<!-- langadapt card, SHA-256 of what stands above: "


@dataclass(frozen=True, kw_only=True)
class CardSettings(places.PlaceSettings):
    """What the cards cannot know, and where they go."""

    output: Path | None = None
    """The model's card, instead of README.md in its folder; only with one model."""
    name: str | None = None
    """Of the run, for the titles; by default its folder's."""
    license: str | None = None
    """Of the weights, as the hub or SPDX spells it; a decision that no file can make."""
    license_link: str | None = None
    """Text of a licence the hub does not list."""
    base_model: str | None = None
    """The base's name on the hub, e.g. nvidia/Nemotron-Mini-4B-Base."""
    datasets: tuple[str, ...] = ()
    """Names of the training data on the hub."""


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Writes the cards, or says which it would write."""
    settings = load(CardSettings, configs, overrides)
    found = places.find(settings)
    corpus = prepared(found.data)
    if settings.output and len(found.models) != 1:
        raise UsageError(
            f"output= is for one card, this run has {len(found.models)} converted models",
            where=f"output={settings.output}",
            fix=f"stage={places.STAGES[-1]}, or leave output out",
        )
    if not found.models and corpus is None:
        raise UsageError(
            "there is nothing to write a card for: no converted model, no audited corpus",
            where=str(settings.run[0] if settings.run else settings.data),
            fix="langadapt convert to-hf model=CHECKPOINT.nemo output=RUN/hf/STAGE\n"
            "langadapt prep CONFIG.yaml output_dir=RUN/data",
        )
    models = [facts.of_model(stage, found) for stage in found.models]
    cards = {settings.output or model.folder / CARD: model_text(model, settings) for model in models}
    if corpus is not None and found.data is not None:
        cards[found.data / data_card.NAMED] = corpus_text(corpus, found.data, run_name(settings))
    for path in cards:
        refuse_edited(path)
    for path, text in cards.items():
        if not dry_run:
            with atomic_write(path) as file:
                file.write(text.encode())
        print(f"card: {path}{' would be written' if dry_run else ''}")
    for line in [*unknown(settings, found, corpus), *assumed(models)]:
        print(f"card: {line}")
    return 0


def prepared(data: Path | None) -> facts.Facts | None:
    """The audit of a preparation that has finished documents."""
    corpus = facts.of_corpus(data)
    return corpus if corpus and data and data_card.configs(corpus, data) else None


def run_name(settings: CardSettings) -> str:
    """What the titles call the run."""
    folder = settings.run[0] if settings.run else settings.model or settings.data
    return settings.name or (folder.resolve().name if folder else "")


def model_text(model: facts.Model, settings: CardSettings) -> str:
    """A model's card, checked by huggingface_hub's own reader."""
    from huggingface_hub import ModelCard

    name = run_name(settings) if settings.model else f"{run_name(settings)}-{model.stage}"
    terms = licenses.of_model(settings.license, settings.license_link)
    data = metadata.of_model(model, name=name, terms=terms, base_model=settings.base_model, datasets=settings.datasets)
    text = model_card.card(model, name=name, metadata=data.to_yaml(), terms=terms, base_model=settings.base_model)
    metadata.check(text, ModelCard, str(model.folder / CARD))
    return marked(text)


def corpus_text(corpus: facts.Facts, data: Path, name: str) -> str:
    """The corpus's card, checked by huggingface_hub's own reader."""
    from huggingface_hub import DatasetCard

    named = data_card.read_licenses(data, corpus)
    known = {own for found in named.found.values() for own in found}
    parts = data_card.configs(corpus, data)
    head = metadata.of_corpus(corpus, known, name=f"{name} corpus", configs=parts)
    text = data_card.card(corpus, named, parts, name=f"{name} corpus", metadata=head.to_yaml())
    metadata.check(text, DatasetCard, str(data / data_card.NAMED))
    return marked(text)


def unknown(settings: CardSettings, found: places.Places, corpus: facts.Facts | None) -> list[str]:
    """What a card had to leave open, and the setting or command that closes it."""
    adapted = [stage for stage in found.models if stage != "base"]
    lines = []
    if found.models and settings.license is None:
        lines.append("no licence was chosen: the cards say so (license=apache-2.0, ...)")
    if adapted and "base" not in found.runs and settings.base_model is None:
        lines.append("the base's name on the hub is not known (base_model=ORGANISATION/NAME)")
    if found.models and found.evaluation is None:
        lines.append("no evaluation was found (langadapt evaluate CONFIG.yaml, or evaluation=FILE)")
    if corpus is None:
        lines.append(
            f"no card of the corpus: no {facts.AUDIT} of finished documents (langadapt prep CONFIG.yaml; data=FOLDER)"
        )
    return lines


def assumed(models: Sequence[facts.Model]) -> list[str]:
    """Evaluations that name another folder: the run was moved, or they are of another model of that stage."""
    return [
        f"the evaluation's model {model.evaluated_as} is taken for {model.folder}, though it names {named}"
        for model in models
        if model.evaluation and model.evaluated_as
        if Path(named := model.evaluation["models"][model.evaluated_as]).resolve() != model.folder.resolve()
    ]


def marked(text: str) -> str:
    """A card with a last line by which a later run tells whether somebody has edited it."""
    return f"{text}\n{MARK}{hashlib.sha256(text.encode()).hexdigest()} -->\n"


def is_edited(content: str) -> bool:
    """Whether a card is not, or no longer, as this verb wrote it."""
    text, found, _ = content.rpartition(f"\n{MARK}")
    return not found or marked(text) != content


def refuse_edited(path: Path) -> None:
    """Raises UsageError where a card would be lost."""
    if path.exists() and is_edited(path.read_text(encoding="utf-8")):
        raise UsageError(
            "this card was written or edited by somebody",
            where=str(path),
            why="it would be overwritten",
            fix=f"rename it, e.g. to {path.stem}.mine{path.suffix}, and put what you added into the new one",
        )
