"""The card of a prepared corpus, `documents/README.md`: from the audit of its receipts and the documents themselves."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from data_prep.documents import SPLITS
from data_prep.files import read_shard
from data_prep.flow import CHAIN, PRODUCT
from data_prep.layout import SHARD_SUFFIX, Layout
from recipes.card.facts import Facts
from recipes.card.markdown import cell, table
from recipes.card.model_card import render
from recipes.card.model_card import sources as sources_of
from recipes.report.wording import count, large, percent

HEAD = 200
"""Documents of a shard whose licence is read: the shards of a real corpus are too many to read whole."""

PERSONAL = "masked_"
"""How stage clean's counters of masked personal data begin."""

NAMED = f"{PRODUCT}/README.md"
"""Where the card goes, below the folder of the preparation."""


@dataclass(frozen=True, kw_only=True)
class Licenses:
    """Licences that documents name, by dataset."""

    found: dict[str, Counter[str]]
    documents: int
    """Read for it."""


def read_licenses(data: Path, corpus: Facts) -> Licenses:
    """The licences in the first documents of every shard, both sides of the split.

    Raises:
        DataError: A shard cannot be read.
    """
    found: dict[str, Counter[str]] = {}
    for name in (each["name"] for each in finished(corpus)):
        folder = Layout(data).folder(PRODUCT, name)
        shards = sorted(shard for split in SPLITS for shard in (folder / split).glob(f"*{SHARD_SUFFIX}"))
        found[name] = Counter(document.license for shard in shards for document in islice(read_shard(shard), HEAD))
    return Licenses(found=found, documents=sum(each.total() for each in found.values()))


def finished(corpus: Facts) -> list[Facts]:
    """The datasets that lie in `documents/`."""
    return [each for each in corpus["datasets"] if each["is_finished"] and each["documents"]]


def configs(corpus: Facts, data: Path) -> list[Facts]:
    """The hub's `configs`: one a dataset that has shards, by which `datasets.load_dataset` finds its shards."""
    folder = Layout(data).root / PRODUCT
    found = []
    for name in (each["name"] for each in finished(corpus)):
        globs = {split: f"{name}/{split}/*{SHARD_SUFFIX}" for split in SPLITS}
        files = [{"split": split, "path": path} for split, path in globs.items() if any(folder.glob(path))]
        found += [{"config_name": name, "data_files": files}] if files else []
    return found


def card(corpus: Facts, licenses: Licenses, parts: Sequence[Facts], *, name: str, metadata: str) -> str:
    """The whole card but the mark at its end."""
    return render(
        "data_card.md.jinja",
        metadata=metadata,
        name=name,
        summary=summary(corpus),
        use=(
            "Splits `train` and `heldout`: held-out documents, their translations and their romanisations are kept out "
            "of training; do not train on them."
        ),
        snippet=snippet(parts[0]),
        datasets=datasets_table(corpus),
        totals=totals_table(corpus),
        sources=sources_of(corpus),
        licenses=licenses_table(corpus, licenses),
        processing=processing_table(corpus),
        dropped=dropped_table(corpus),
        personal=personal_data(corpus),
        contamination=contamination(corpus),
        instruct=instruct_table(corpus),
        limits=limits(corpus),
    )


def summary(corpus: Facts) -> str:
    """How much there is of what."""
    documents = sum(each["documents"] for each in finished(corpus))
    languages = sorted({each["lang"] for each in finished(corpus)})
    tokens = [total["tokens"] for total in corpus["totals"]["kind"].values()]
    counted = f", {large(sum(tokens))} tokens of its tokenizer" if tokens and None not in tokens else ""
    about = "Every document says its language, kind, source and licence."
    return f"{count(documents)} documents in {', '.join(languages)}{counted}. {about}"


def snippet(part: Facts) -> str:
    """Code that runs in this folder as it is, and reads one of its `configs`."""
    name, split = (
        json.dumps(each, ensure_ascii=False) for each in (part["config_name"], part["data_files"][0]["split"])
    )
    return (
        "from pathlib import Path\n\nfrom datasets import load_dataset\n\n"
        "folder = str(Path.cwd())  # this folder, or its name on the hub\n"
        f"documents = load_dataset(folder, {name}, split={split})\n"
        'print(documents[0]["text"])'
    )


def datasets_table(corpus: Facts) -> str:
    """One row a dataset, with its tokens on both sides of the split."""
    rows = [
        [each["name"], each["lang"], each["kind"], count(each["documents"]), count(each["characters"])]
        + [count((each["tokens"] or {}).get(split, 0)) if each["tokens"] else "" for split in SPLITS]
        for each in finished(corpus)
    ]
    header = ["dataset", "language", "kind", "documents", "characters", "tokens, train", "tokens, held out"]
    return table(header, rows, numbers_from=3)


def totals_table(corpus: Facts) -> str:
    """Sums by kind and by language."""
    rows = [
        [f"all {name}", count(total["documents"]), count(total["characters"]), count(total["tokens"] or 0)]
        for group in ("kind", "lang")
        for name, total in corpus["totals"][group].items()
    ]
    return table(["", "documents", "characters", "tokens"], rows)


def licenses_table(corpus: Facts, licenses: Licenses) -> str:
    """What the documents themselves name."""
    total = sum(each["documents"] for each in finished(corpus))
    scope = "Licences the documents themselves name"
    if licenses.documents < total:
        scope += f" (the first {HEAD} of every shard, {count(licenses.documents)} of {count(total)})"
    rows = [
        [name, ", ".join(f"{own or 'none named'} ({count(number)})" for own, number in found.most_common())]
        for name, found in licenses.found.items()
        if found
    ]
    return f"{scope}:\n\n{table(['dataset', 'licences (documents)'], rows, numbers_from=2)}"


def processing_table(corpus: Facts) -> str:
    """Every stage of documents: whether it ran, its settings, what went in and was kept."""
    rows = []
    for stage in corpus["stages"]:
        if stage["name"] not in CHAIN:
            continue
        sizes = [each["stages"][stage["name"]] for each in corpus["datasets"] if stage["name"] in each["stages"]]
        into, kept = sum(each["in"] for each in sizes), sum(each["documents"] for each in sizes)
        numbers = [count(into), count(kept)] if sizes else ["", ""]
        rows.append([stage["name"], stage["state"].replace("_", " "), settings_of(corpus, stage["name"]), *numbers])
    return table(["stage", "state", "settings", "documents in", "kept"], rows, numbers_from=3)


def settings_of(corpus: Facts, stage: str) -> str:
    """The settings a reader asks about, as `name value`."""
    found: Mapping[str, object] = corpus.get("settings", {}).get(stage, {})
    return "; ".join(f"{name} {_shown(value)}" for name, value in found.items() if value is not None)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {inner}" for name, inner in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def dropped_table(corpus: Facts) -> str:
    """What the document stages left out."""
    rows = [
        [each["stage"], each["reason"], count(each["documents"])] for each in corpus["drops"] if each["stage"] in CHAIN
    ]
    return table(["stage", "reason", "documents"], rows, numbers_from=2)


def personal_data(corpus: Facts) -> str:
    """What was done about e-mail addresses, telephone numbers and the like."""
    masked: Counter[str] = Counter()
    for changed in corpus["changed"].values():
        masked.update({name: number for name, number in changed.items() if name.startswith(PERSONAL)})
    asked = corpus.get("settings", {}).get("clean", {}).get("mask_personal_data")
    if not masked and not asked:
        return (
            "Nothing was masked: the text may hold names, addresses, telephone numbers and other personal data of its "
            "sources."
        )
    counts = ", ".join(f"{name.removeprefix(PERSONAL)} {count(number)}" for name, number in sorted(masked.items()))
    return (
        "What looks like an e-mail address, telephone number, Aadhaar, PAN or IP address was replaced by a mark, by "
        f"patterns ({counts or 'none was found'}). Names and other personal data were not looked for."
    )


def contamination(corpus: Facts) -> str:
    """What decontamination looked for and found."""
    found = corpus["contamination"]
    if not found:
        return "The text was not searched for items of evaluation sets."
    rows = [
        [name, count(each["items"]), count(each["items_found"]), count(each["documents"])]
        for name, each in found["sets"].items()
    ]
    header = ["evaluation set", "items", "items found", "documents that held them"]
    return f"{count(found['contaminated'])} documents held items and were left out:\n\n{table(header, rows)}"


def instruct_table(corpus: Facts) -> str:
    """Examples for SFT and DPO."""
    rows = [
        [
            name,
            count(each["in"]),
            count(each["kept"]),
            ", ".join(f"{reason} {n}" for reason, n in each["dropped"].items()),
        ]
        for name, each in corpus["instruct"].items()
    ]
    return table(["set", "in", "kept", "dropped"], rows)


def limits(corpus: Facts) -> list[str]:
    """What a reader must not conclude."""
    sentences = []
    characters = {kind: total["characters"] for kind, total in corpus["totals"]["kind"].items()}
    made = sum(size for kind, size in characters.items() if kind != "real")
    if made:
        share = percent(made / sum(characters.values()))
        sentences.append(
            f"{share} of its characters were made by machine from other documents: see `kind` and `parent_id`."
        )
    if unfinished := [cell(each["name"]) for each in corpus["stages"] if each["state"] == "not_run"]:
        sentences.append(f"Stages that have not run: {', '.join(unfinished)}.")
    sentences.append("Cleaning rules judge form and language, not truth, tone or harm: what the sources say is in it.")
    return sentences
