"""How a model was made, as tables: what it read, and the settings of each run."""

from collections.abc import Iterable, Mapping
from typing import Any

from data_prep.documents import KINDS
from recipes.card.facts import Facts, Model
from recipes.card.markdown import table
from recipes.report.wording import count, decimal, duration, layout, percent
from recipes.run_record import RunRecord

TITLES = {
    "base": "pre-training from random weights",
    "cpt": "continued pre-training",
    "sft": "supervised fine-tuning (SFT)",
    "dpo": "direct preference optimisation (DPO)",
}

SETTINGS = {
    "global batch": "model.global_batch_size",
    "micro batch": "model.micro_batch_size",
    "sequence length": "model.encoder_seq_length",
    "optimizer": "model.optim.name",
    "peak learning rate": "model.optim.lr",
    "lowest learning rate": "model.optim.sched.min_lr",
    "schedule": "model.optim.sched.name",
    "warm-up steps": "model.optim.sched.warmup_steps",
    "constant steps": "model.optim.sched.constant_steps",
    "weight decay": "model.optim.weight_decay",
    "betas": "model.optim.betas",
    "gradient clipping": "trainer.gradient_clip_val",
    "precision": "trainer.precision",
    "seed": "model.seed",
    "preference loss": "model.dpo.preference_loss",
    "KL penalty (beta)": "model.dpo.ref_policy_kl_penalty",
    "weight of the preference loss": "model.dpo.preference_loss_weight",
    "weight of the SFT loss": "model.dpo.sft_loss_weight",
    "PEFT": "model.peft.peft_scheme",
}
"""Rows of the table of hyper-parameters: NeMo's and NeMo-Aligner's keys."""


def at(config: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path, None where there is none."""
    value: Any = config
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def hyper_parameters(runs: Mapping[str, RunRecord]) -> str:
    """One column a run; a row no run has is left out."""
    columns = [hyper_parameters_of(record) for record in runs.values()]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [(name, *(column.get(name, "") for column in columns)) for name in names]
    return table(["", *runs], rows)


def hyper_parameters_of(record: RunRecord) -> dict[str, str]:
    """One run's settings and what came of it."""
    found = {name: at(record.config, path) for name, path in SETTINGS.items()}
    settings = {name: _shown(value) for name, value in found.items() if value is not None}
    losses = [record.first_loss, record.last_loss]
    return {
        "optimizer steps": count(record.steps),
        **settings,
        "ranks": layout(record.layout),
        "device": str(record.ground.get("device", "unknown")),
        "loss, first to last step": " to ".join(decimal(loss, 3) for loss in losses),
        "wall time": duration(record.seconds),
        **({"phases": _phases(record.phases)} if record.phases else {}),
    }


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(_shown, value)) if isinstance(value, list) else str(value)


def _phases(phases: Iterable[Facts]) -> str:
    return ", ".join(
        f"{each['name']}: {count(each['steps'])} steps, learning rate {at(each, 'config.model.optim.lr'):g}"
        for each in phases
    )


def read_of(seen: Iterable[Facts]) -> dict[tuple[str, str], Facts]:
    """Tokens read and available by language and kind, languages in alphabetical order, kinds real first."""
    cells: dict[tuple[str, str], Facts] = {}
    for row in seen:
        cell = cells.setdefault(
            (row["lang"] or "unknown", row["kind"] or "unknown"), {"seen": 0, "available": 0, "datasets": 0}
        )
        cell["seen"] += row["tokens_seen"]
        cell["available"] += row["tokens_available"]
        cell["datasets"] += 1
    order: dict[str, int] = {kind: place for place, kind in enumerate(KINDS)}
    return dict(sorted(cells.items(), key=lambda item: (item[0][0], order.get(item[0][1], len(order)))))


def seen_table(seen: Iterable[Facts]) -> str:
    """What one run read, by language and kind, and a total of each kind."""
    cells = read_of(seen)
    total = sum(cell["seen"] for cell in cells.values())

    def row(lang: str, kind: str, parts: list[Facts]) -> list[str]:
        tokens, available = (sum(part[name] for part in parts) for name in ("seen", "available"))
        share = percent(tokens / total) if total else ""
        return [lang, kind, count(tokens), share, decimal(tokens / available) if available else ""]

    rows = [row(lang, kind, [cell]) for (lang, kind), cell in cells.items()]
    kinds = dict.fromkeys(kind for _, kind in cells)
    totals = [row("all", kind, [cell for (_, own), cell in cells.items() if own == kind]) for kind in kinds]
    header = ["language", "kind", "tokens read", "share", "epochs"]
    return table(header, [*rows, *totals, row("all", "all", list(cells.values()))], numbers_from=2)


def examples_table(model: Model) -> str:
    """What the fine-tuning runs trained on."""
    rows = []
    for stage, record in model.runs.items():
        train = at(record.examples or {}, "splits.train")
        if train:
            batch = at(record.config, "model.global_batch_size")
            epochs = decimal(record.steps * batch / train["samples"]) if batch and train["samples"] else ""
            dropped = ", ".join(f"{reason} {count(number)}" for reason, number in train["dropped"].items()) or "none"
            rows.append([stage, count(train["kept"]), dropped, count(train["learnt_tokens"]), epochs])
    return table(["run", "examples", "dropped", "tokens with a loss", "epochs"], rows)


def languages_of_examples(model: Model) -> str:
    """The same by language and kind, both sides of the split together, where a receipt says so."""
    rows = [
        [stage, lang, kind, count(documents)]
        for stage, languages in model.examples.items()
        for lang, kinds in languages.items()
        for kind, documents in kinds.items()
    ]
    return table(["run", "language", "kind", "examples"], rows, numbers_from=3)


def languages(model: Model) -> list[str]:
    """Languages whose text the model was trained on here."""
    read = {lang for seen in model.seen.values() for (lang, _), cell in read_of(seen).items() if cell["seen"]}
    taught = {lang for found in model.examples.values() for lang in found}
    return sorted((read | taught) - {"unknown", "und"})


def synthetic_share(model: Model) -> float | None:
    """Share of machine-made text among the tokens the last run that counted them has read."""
    seen = list(model.seen.values())
    if not seen:
        return None
    cells = read_of(seen[-1])
    total = sum(cell["seen"] for cell in cells.values())
    made = sum(cell["seen"] for (_, kind), cell in cells.items() if kind in ("translated", "romanized"))
    return made / total if total else None
