"""All an audit says, as plain data: counts from receipts, and a few texts. audit.json is this."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.audit import samples
from data_prep.audit.sources import STAGE_OF, Found, instruct_receipts, side_files, stage_receipts, token_receipts
from data_prep.documents import SPLITS, Dataset
from data_prep.flow import CHAIN, finished_datasets, written_by
from data_prep.receipts import Receipt

if TYPE_CHECKING:
    from data_prep.prep_settings import PrepSettings

Facts = dict[str, Any]
ByStage = dict[str, list[Found]]

STAGES = (*CHAIN, "instruct")
"""Stages that drop documents, in order."""

SHAPING: dict[str, tuple[str, ...]] = {
    "clean": ("mask_personal_data",),
    "translate": ("from_lang", "to_lang", "min_accepted"),
    "dedup": ("threshold", "ngram"),
    "decontaminate": ("ngram", "min_words", "max_items", "max_documents"),
    "perplexity": ("lang", "kinds", "order", "tokenizer", "vocab_size", "of", "percentile"),
    "romanize": ("kinds", "engines", "variants", "seed"),
    "instruct": ("max_length", "validation_fraction"),
}
"""The settings a reader of the corpus asks about; a data card shows them."""

EXAMPLE_TENTHS = (1, 5, 10)
"""Which tenths of the perplexities are shown with texts."""


def collect(settings: "PrepSettings") -> Facts:
    """Everything, from receipts and the heads of some shards."""
    by_stage: ByStage = {stage: list(stage_receipts(settings, stage)) for stage in CHAIN}
    by_stage["instruct"] = list(instruct_receipts(settings.layout))
    datasets = [_dataset(settings, dataset, by_stage) for dataset in _all_datasets(settings)]
    return {
        "totals": {name: _totals(datasets, name) for name in ("kind", "lang", "source")},
        "stages": [{"name": stage, "state": _state(settings, stage, by_stage[stage])} for stage in by_stage],
        "datasets": datasets,
        "changed": _changed(by_stage["clean"]),
        "drops": [drop for stage in by_stage for drop in _drops(by_stage[stage], settings.audit.samples)],
        "instruct": {each.dataset: each.receipt.counts | each.receipt.details for each in by_stage["instruct"]},
        **_findings(settings, by_stage),
        "romanization": _romanization(by_stage["romanize"]),
        "samples": _samples(settings, by_stage),
        "sources": sources_table(settings),
        "settings": settings_table(settings),
        "read": {
            "shards_of_a_dataset_or_reason": samples.SHARDS,
            "documents_of_a_shard": samples.HEAD_LINES,
            "bytes_of_a_shard": samples.HEAD_BYTES,
        },
    }


def _all_datasets(settings: "PrepSettings") -> tuple[Dataset, ...]:
    return tuple(dict.fromkeys(finished_datasets(settings)))


def _state(settings: "PrepSettings", stage: str, found: list[Found]) -> str:
    if not settings.is_enabled(stage):
        return "off"
    if found:
        return "done"
    handles = stage not in CHAIN or written_by(settings, stage)
    return "not_run" if handles else "nothing_to_do"


def _dataset(settings: "PrepSettings", dataset: Dataset, by_stage: ByStage) -> Facts:
    """One dataset's way through the stages."""
    stages = {}
    for stage in CHAIN:
        own = [each.receipt for each in by_stage[stage] if each.dataset == dataset.name]
        if own:
            stages[stage] = _sizes(own)
    last = list(stages.values())[-1:] or [{"documents": 0, "characters": 0}]
    paths = token_receipts(settings, dataset)
    return {
        "name": dataset.name,
        "source": dataset.source,
        "lang": dataset.lang,
        "kind": dataset.kind,
        "is_finished": bool({"split", "romanize"} & stages.keys()),
        "documents": last[0]["documents"],
        "characters": last[0]["characters"],
        "tokens": {split: Receipt.load(paths[split]).tokens or 0 for split in SPLITS if split in paths} or None,
        "stages": stages,
    }


def _sizes(receipts: list[Receipt]) -> Facts:
    dropped = sum((Counter(each.counts["dropped"]) for each in receipts), Counter[str]())
    return {
        "in": sum(each.counts["in"] for each in receipts),
        "documents": sum(each.documents for each in receipts),
        "characters": sum(each.characters for each in receipts),
        "dropped": dict(sorted(dropped.items())),
    }


def _totals(datasets: list[Facts], name: str) -> dict[str, Facts]:
    """Documents, characters and tokens of all datasets, by kind, language or source."""
    totals: dict[str, Facts] = {}
    for each in datasets:
        total = totals.setdefault(each[name], {"documents": 0, "characters": 0, "tokens": None})
        total["documents"] += each["documents"]
        total["characters"] += each["characters"]
        if each["tokens"]:
            total["tokens"] = (total["tokens"] or 0) + sum(each["tokens"].values())
    return totals


def _changed(found: list[Found]) -> dict[str, dict[str, int]]:
    """What stage clean changed in documents it kept, by dataset."""
    changed: dict[str, Counter[str]] = {}
    for each in found:
        changed.setdefault(each.dataset, Counter()).update(each.receipt.details.get("changed", {}))
    return {name: dict(sorted(counts.items())) for name, counts in changed.items() if counts}


def _drops(found: list[Found], count: int) -> list[Facts]:
    """The drop reasons of one stage, the most frequent first, with samples."""
    by_reason: dict[str, Counter[str]] = {}
    for each in found:
        for reason, documents in each.receipt.counts["dropped"].items():
            by_reason.setdefault(reason, Counter())[each.dataset] += documents
    return [
        {
            "stage": found[0].stage,
            "reason": reason,
            "documents": counts.total(),
            "datasets": dict(counts),
            "samples": samples.dropped(found, reason, count),
        }
        for reason, counts in sorted(by_reason.items(), key=lambda pair: (-pair[1].total(), pair[0]))
    ]


def _findings(settings: "PrepSettings", by_stage: ByStage) -> Facts:
    """What stages found out over the whole corpus; null where they have not."""
    paths = side_files(settings.layout)
    facts: Facts = dict.fromkeys(STAGE_OF)
    for name, path in paths.items():
        if settings.is_enabled(STAGE_OF[name]):
            facts[name] = json.loads(path.read_bytes()) if name == "perplexity" else Receipt.load(path).details
    if facts["perplexity"]:
        facts["perplexity"]["examples"] = _examples(facts["perplexity"], by_stage)
    return facts


def _examples(perplexity: Facts, by_stage: ByStage) -> list[Facts]:
    """Documents of some tenths of the perplexities, with their texts where the heads of shards have them."""
    tenths = [each for each in perplexity["examples"] if each["decile"] in EXAMPLE_TENTHS]
    named = [document for each in tenths for document in each["documents"]]
    datasets = {each["dataset"] for each in named}
    kept = [each for each in by_stage["split"] if each.dataset in datasets][: samples.SHARDS]
    left_out = [each.rejects for each in by_stage["perplexity"] if each.rejects][: samples.SHARDS]
    shards = [each.documents(split) for each in kept for split in SPLITS]
    texts = samples.texts({each["id"] for each in named}, shards + left_out)
    return [
        {"decile": each["decile"], "documents": [document | {"text": texts[document["id"]]} for document in known]}
        for each in tenths
        if (known := [document for document in each["documents"] if document["id"] in texts])
    ]


def _romanization(found: list[Found]) -> list[Facts]:
    """The engines that made romanised text."""
    sizes: dict[str, int] = {}
    for each in found:
        about = {"dataset": each.dataset} | {
            name: each.receipt.details[name] for name in ("engine", "variants", "seed") if name in each.receipt.details
        }
        key = json.dumps(about, ensure_ascii=False)
        sizes[key] = sizes.get(key, 0) + each.receipt.documents
    return [json.loads(key) | {"documents": documents} for key, documents in sizes.items()]


def _samples(settings: "PrepSettings", by_stage: ByStage) -> list[Facts]:
    """Texts of every finished dataset."""
    finished = [*by_stage["split"], *by_stage["romanize"]]

    def of(datasets: Iterable[Dataset]) -> list[Found]:
        names = {dataset.name for dataset in datasets}
        return [each for each in finished if each.dataset in names]

    everything = _all_datasets(settings)
    return [
        {"dataset": dataset.name, "lang": dataset.lang, "kind": dataset.kind, "documents": chosen}
        for dataset in everything
        if (chosen := samples.documents(of([dataset]), of(_parents(dataset, everything)), settings.audit.samples))
    ]


def _parents(dataset: Dataset, everything: Iterable[Dataset]) -> list[Dataset]:
    """What a synthetic dataset may have been made from."""
    parents = {"real": (), "translated": ("real",), "romanized": ("real", "translated")}[dataset.kind]
    return [each for each in everything if each.source == dataset.source and each.kind in parents]


def sources_table(settings: "PrepSettings") -> list[Facts]:
    """Where the text comes from and under which licence."""
    return [
        {
            "source": each.source,
            "lang": each.lang,
            "kind": each.kind,
            "license": each.license,
            "license_field": each.license_field,
            "path": str(each.path),
        }
        for each in settings.sources
    ]


def settings_table(settings: "PrepSettings") -> dict[str, Facts]:
    """What the stages that are on were told, as far as it says what the text went through."""
    table: dict[str, Facts] = {
        stage: {name: getattr(getattr(settings, stage), name) for name in names}
        for stage, names in SHAPING.items()
        if settings.is_enabled(stage)
    }
    engine = settings.translate.engine
    if "translate" in table and engine is not None:
        model = str(getattr(getattr(engine, engine.use), "model", None) or "")
        shown = Path(model).name if Path(model).is_absolute() else model
        table["translate"] |= {"engine": engine.use, "model": shown or None}
    return {**table, "split": {"heldout_fraction": settings.heldout_fraction}}
