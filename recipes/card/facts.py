"""What the files of a run say about one of its models; nothing is worked out that no file says."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from data_prep.documents import KINDS
from data_prep.layout import Layout
from data_prep.receipts import Receipt
from recipes import run_record
from recipes.card.places import Places
from recipes.convert.verb import CERTIFICATE
from recipes.report.files import strict
from recipes.run_record import RunRecord

Facts = dict[str, Any]

AUDIT = "audit/audit.json"
"""What `langadapt prep` ends with, below its output folder."""

JUDGED, CONTAMINATION = "judge*.json", "contamination.json"
"""What `langadapt evaluate judge` and `evaluate contamination` write, beside the evaluation's file."""

ALIGNED = ("sft", "dpo")
"""Stages that train on instruction data, each on the kind of its name."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """What lies in the safetensors files, from their headers."""

    parameters: int
    size: int
    """Bytes of the files."""
    files: int


@dataclass(frozen=True, kw_only=True)
class Model:
    """One converted model and what made it.

    Attributes:
        stage: The last stage that trained it.
        folder: Hugging Face folder.
        config: Its config.json.
        weights: Its safetensors files.
        has_chat_template: Whether its tokenizer formats conversations.
        certificate: Its parity.json, as it is there.
        runs: Records of the runs that made it, first to last, as far as they are there.
        base: Name of the checkpoint the first of them started from; None where it started from random weights.
        evaluation: The evaluation's file, None for every figure that is no number.
        evaluated_as: The name the model has in it; None where it is not evaluated.
        judged: What language models judged, by the name of the file beside the evaluation.
        contamination: Evaluation items found in the training text, from the file beside the evaluation.
        corpus: The audit of its data.
        examples: By stage, examples by language and kind, where the run read exactly what the receipt describes.
    """

    stage: str
    folder: Path
    config: Facts
    weights: Weights
    has_chat_template: bool
    certificate: Facts | None
    runs: dict[str, RunRecord]
    base: str | None
    evaluation: Facts | None
    evaluated_as: str | None
    judged: dict[str, Facts]
    contamination: Facts | None
    corpus: Facts | None
    examples: dict[str, dict[str, dict[str, int]]]

    @property
    def is_instruct(self) -> bool:
        """Whether it was trained to answer."""
        return self.stage in ALIGNED

    @property
    def seen(self) -> dict[str, list[Facts]]:
        """By run, what it read of each dataset, where its sampling was counted."""
        return {stage: record.seen for stage, record in self.runs.items() if record.seen}


def of_model(stage: str, places: Places) -> Model:
    """Reads everything about the model of a stage.

    Raises:
        DataError: A file is there but damaged.
    """
    folder = places.models[stage]
    records = {name: record for name, path in places.runs.items() if (record := run_record.read(path)) is not None}
    runs, base = lineage(stage, records)
    evaluation = strict(run_record.read_json(places.evaluation)) if places.evaluation else None
    beside = places.evaluation.parent if places.evaluation else None
    return Model(
        stage=stage,
        folder=folder,
        config=run_record.read_json(folder / "config.json"),
        weights=weights(folder),
        has_chat_template=has_chat_template(folder),
        certificate=_read(folder / CERTIFICATE),
        runs=runs,
        base=base,
        evaluation=evaluation,
        evaluated_as=evaluated_as(evaluation, stage, folder) if evaluation else None,
        judged={path.stem: run_record.read_json(path) for path in sorted(beside.glob(JUDGED))} if beside else {},
        contamination=_read(beside / CONTAMINATION) if beside else None,
        corpus=of_corpus(places.data),
        examples={name: found for name, record in runs.items() if (found := examples(name, record, places.data))},
    )


def lineage(stage: str, records: Mapping[str, RunRecord]) -> tuple[dict[str, RunRecord], str | None]:
    """The runs that made a stage's model, first to last, and the name of the checkpoint the first started from."""
    chain: dict[str, RunRecord] = {}
    by_model = {record.model: name for name, record in records.items() if record.model}
    name, start = stage, None
    while name in records and name not in chain:
        chain[name] = records[name]
        start = started_from(records[name].config)
        name = by_model.get(start or "", "")
    return {name: chain[name] for name in reversed(chain)}, Path(start).name if start else None


def started_from(config: Mapping[str, Any]) -> str | None:
    """The checkpoint a run's config starts from."""
    section = config.get("pretrained_checkpoint") or config.get("model") or {}
    path = section.get("restore_from_path")
    return str(path) if path else None


def weights(folder: Path) -> Weights:
    """Counts the elements of all tensors; only headers are read."""
    from safetensors import safe_open

    paths = sorted(folder.glob("*.safetensors"))
    parameters = 0
    for path in paths:
        with safe_open(path, framework="np") as tensors:
            parameters += sum(prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118
    return Weights(parameters=parameters, size=sum(path.stat().st_size for path in paths), files=len(paths))


def has_chat_template(folder: Path) -> bool:
    """Whether the tokenizer has one, in its configuration (transformers 4) or in a file of its own (5)."""
    config = folder / "tokenizer_config.json"
    inside = config.is_file() and "chat_template" in run_record.read_json(config)
    return inside or (folder / "chat_template.jinja").is_file()


def evaluated_as(evaluation: Facts, stage: str, folder: Path) -> str | None:
    """The name of this model in the evaluation: by its folder, or by its stage where the run has been moved."""
    models: dict[str, str] = evaluation.get("models", {})
    by_path = next((name for name, path in models.items() if Path(path).resolve() == folder.resolve()), None)
    return by_path or (stage if stage in models else None)


def of_corpus(data: Path | None) -> Facts | None:
    """The audit of a data preparation, None where there is none."""
    return _read(data / AUDIT) if data else None


def _read(path: Path) -> Facts | None:
    return run_record.read_json(path) if path.is_file() else None


def examples(stage: str, record: RunRecord, data: Path | None) -> dict[str, dict[str, int]] | None:
    """Examples of a fine-tuning run by language and kind; None where its data are not those of the receipt."""
    if stage not in ALIGNED or data is None:
        return None
    layout = Layout(data)
    path = layout.instruct_receipt(stage)
    if not path.is_file():
        return None
    receipt = Receipt.load(path)
    output = receipt.outputs.get(layout.instruct(stage, "train").name, {})
    if output.get("sha256") not in record.inputs.values():
        return None
    return {
        lang: {kind: kinds[kind]["documents"] for kind in KINDS if kind in kinds} for lang, kinds in receipt.by.items()
    }
