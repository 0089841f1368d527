"""Collects the facts of a run from its folder: receipts, blend plans, run records, evaluation and parity proof.

Nothing is worked out that a file does not say, and a stage that has not run is None. `report.json` holds these facts
under the keys of `Report`; the page shows them and the curves behind them.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data_prep.documents import SPLITS
from data_prep.flow import CHAIN as DOCUMENT_STAGES
from data_prep.flow import PRODUCT
from data_prep.receipts import Receipt
from recipes import run_record
from recipes.convert.verb import CERTIFICATE
from recipes.demo import STEP_SECONDS
from recipes.report import evaluations
from recipes.report.files import RUNS, Facts, read_json, strict
from recipes.report.runs import Curve, curves_of, run_facts
from recipes.run_record import RunRecord

# What of `recipes.convert`'s certificate the report shows.
PROVED = ("max_abs_logit_diff", "positions", "tolerance", "max_abs_logit", "argmax_agreement", "dtype")
# What of `langadapt fertility`'s file the report shows.
FERTILITY = ("rows", "verdicts", "assumed")
PREPARATION = (*DOCUMENT_STAGES, "tokenizer", "tokenize", "instruct")
CHAIN = (
    *PREPARATION,
    *("prep", "verify", "blend base", "blend cpt", "extend", "fertility"),
    *RUNS,
    *(f"convert {stage}" for stage in RUNS),
    *("evaluate", "contamination", "card", "release", "report"),
)
SIZES = ("documents", "characters", "tokens")
AUDIT = "audit/audit.html"
"""What `langadapt prep` leaves about its own work, below the folder of the data."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What `report.json` says; None stands for a part that has not run."""

    corpus: Facts | None
    fertility: Facts | None
    blend: dict[str, Facts] | None
    base: Facts | None
    cpt: Facts | None
    sft: Facts | None
    dpo: Facts | None
    bits_per_byte: dict[str, Facts] | None
    tasks: Facts | None
    contamination: Facts | None
    judgements: dict[str, Facts] | None
    parity: Facts | None
    cards: dict[str, str]
    ground: str | None
    versions: dict[str, str] | None
    seconds: Facts

    def run(self, stage: str) -> Facts | None:
        """The facts of one of `RUNS`."""
        facts: Facts | None = getattr(self, stage)
        return facts

    @property
    def is_empty(self) -> bool:
        """Whether the folder holds no part of a run."""
        parts = (
            self.corpus,
            self.fertility,
            self.blend,
            *(self.run(stage) for stage in RUNS),
            self.bits_per_byte,
            self.tasks,
            self.parity,
        )
        return all(part is None for part in parts)

    def to_json(self) -> str:
        """Strict JSON: a number that is not finite becomes null."""
        return json.dumps(strict(asdict(self)), indent=1, allow_nan=False) + "\n"


@dataclass(frozen=True, kw_only=True)
class Collected:
    """The report and what only the page shows.

    Attributes:
        report: The facts.
        curves: Training curves of each stage that has logged steps, by name (`loss`, `validation loss`, ...).
        evaluation: The evaluation's own file (`recipes.evaluate`), a number that is not finite as None.
        missing_parts: What the ground had to be patched for.
    """

    report: Report
    curves: dict[str, dict[str, Curve]]
    evaluation: Facts | None
    missing_parts: tuple[str, ...]


def collect(workdir: Path) -> Collected:
    """Reads everything a run left under `workdir`.

    Raises:
        DataError: A file is there but damaged.
    """
    records = {stage: record for stage in RUNS if (record := run_record.read(workdir / stage)) is not None}
    metrics = {stage: run_record.read_metrics(workdir / stage) for stage in records}
    curves = {stage: curves_of(metrics[stage]) for stage in records}
    runs = {stage: run_facts(record, curves[stage]) for stage, record in records.items()}
    evaluation = evaluations.read(workdir)
    certificates = {
        stage: certificate
        for stage in RUNS
        if (certificate := read_json(workdir / "hf" / stage / CERTIFICATE, *PROVED, "seconds")) is not None
    }
    report = Report(
        corpus=corpus(workdir / "data"),
        fertility=read_json(workdir / "fertility.json", *FERTILITY),
        blend=blends(workdir / "blend"),
        **{stage: runs.get(stage) for stage in RUNS},
        bits_per_byte=evaluation and evaluations.bits_per_byte(evaluation),
        tasks=evaluation and evaluations.tasks(workdir, evaluation),
        contamination=evaluations.contamination(workdir),
        judgements=evaluations.judgements(workdir),
        parity=parity(certificates),
        cards=cards(workdir),
        ground=_latest(records, "name"),
        versions=_latest(records, "versions"),
        seconds=seconds_of(workdir, records, certificates, evaluation),
    )
    return Collected(
        report=report, curves=curves, evaluation=evaluation, missing_parts=tuple(_latest(records, "missing") or ())
    )


def corpus(data: Path) -> Facts | None:
    """Documents, characters and tokens of both splits by language and kind, and what was left out and why."""
    splits: dict[str, Facts] = {}
    for split in SPLITS:
        receipts = [Receipt.load(path) for path in sorted((data / "tokens" / split).glob("*.receipt.json"))]
        splits[split] = _sizes(receipt.by for receipt in receipts)
    if not any(split["by"] for split in splits.values()):
        return None
    dropped: dict[str, int] = defaultdict(int)
    for path in sorted(_receipts_of_rejects(data)):
        for reason, count in Receipt.load(path).counts["dropped"].items():
            dropped[reason] += count
    audit = AUDIT if (data / AUDIT).is_file() else None
    return {**_sizes(split["by"] for split in splits.values()), **splits, "dropped": dict(dropped), "audit": audit}


def _receipts_of_rejects(data: Path) -> Iterator[Path]:
    """Receipts of everything that leaves documents out: one a shard and stage, and one a kind of instruction data."""
    for stage in (*DOCUMENT_STAGES, PRODUCT):
        yield from (data / stage).glob("[!_]*/*.receipt.json")
    yield from (data / "instruct").glob("*.receipt.json")
    yield from (data / "instruct" / "_translations").glob("*.receipt.json")


def _sizes(tallies: Iterable[dict[str, dict[str, dict[str, int]]]]) -> Facts:
    """The sum of tallies {lang: {kind: sizes}}, in total and by language and kind."""
    by: dict[str, dict[str, dict[str, int]]] = {}
    for tally in tallies:
        for lang, kinds in tally.items():
            for kind, sizes in kinds.items():
                into = by.setdefault(lang, {}).setdefault(kind, dict.fromkeys(SIZES, 0))
                for name in SIZES:
                    into[name] += sizes[name]
    cells = [sizes for kinds in by.values() for sizes in kinds.values()]
    return {**{name: sum(cell[name] for cell in cells) for name in SIZES}, "by": by}


def seconds_of(
    workdir: Path, records: dict[str, RunRecord], certificates: dict[str, Facts], evaluation: Facts | None
) -> Facts:
    """Where the time went, in the order of the chain.

    The demo notes the wall time of each of its commands, start-up included. What it did not start is timed by the
    files it left.
    """
    commands = read_json(workdir / STEP_SECONDS) or {}
    recorded = {
        **({} if "prep" in commands else preparation_seconds(workdir / "data")),
        **{stage: record.seconds for stage, record in records.items() if record.seconds},
        **{f"convert {stage}": certificate["seconds"] for stage, certificate in certificates.items()},
        **({"evaluate": evaluation["seconds"]} if evaluation else {}),
    }
    seconds = {**recorded, **commands}
    by_stage = {name: seconds[name] for name in sorted(seconds, key=_place_in_chain)}
    return {"total": round(sum(seconds.values()), 1), "by_stage": by_stage}


def _place_in_chain(name: str) -> int:
    return CHAIN.index(name) if name in CHAIN else len(CHAIN)


def preparation_seconds(data: Path) -> dict[str, float]:
    """Working time of the preparation stages: the sum of their receipts."""
    seconds: dict[str, float] = defaultdict(float)
    for path in sorted(data.rglob("*receipt.json")):
        receipt = Receipt.load(path)
        seconds[receipt.stage] += receipt.seconds
    return {stage: round(seconds[stage], 3) for stage in PREPARATION if stage in seconds}


def parity(certificates: dict[str, Facts]) -> Facts | None:
    """The proof of the last model of the chain that was converted, and those of the others."""
    proofs = {stage: {key: certificate[key] for key in PROVED} for stage, certificate in certificates.items()}
    if not proofs:
        return None
    last = list(proofs)[-1]
    return {**proofs[last], "model": last, "models": proofs}


def cards(workdir: Path) -> dict[str, str]:
    """The cards that are there, relative to the run's folder: the corpus's, and each converted model's."""
    places = {"corpus": f"data/{PRODUCT}/README.md", **{stage: f"hf/{stage}/README.md" for stage in RUNS}}
    return {name: place for name, place in places.items() if (workdir / place).is_file()}


def blends(folder: Path) -> dict[str, Facts] | None:
    """What the base and the CPT blend draw from each dataset, and what they leave out."""
    plans = {
        name: plan
        for name in ("base", "cpt")
        if (plan := read_json(folder / f"{name}.json", "train", "left_out")) is not None
    }
    kept = ("prefix", "source", "lang", "kind", "weight", "tokens_drawn", "epochs", "why")
    return {
        name: {
            "datasets": [
                {**{key: entry[key] for key in kept}, "tokens": entry["tokens_available"]} for entry in plan["train"]
            ],
            "left_out": plan["left_out"],
        }
        for name, plan in plans.items()
    } or None


def _latest(records: dict[str, RunRecord], key: str) -> Any:
    """What the last stage that ran says about its ground."""
    return [record.ground.get(key) for record in records.values()][-1] if records else None
