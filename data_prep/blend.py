"""`langadapt blend CONFIG tokens_dir=DIR/data/tokens output=DIR/blend/cpt.yaml`: how much of what to train on.

Weights alone hide how often each source is repeated: 0.7 on a small Hindi set once meant 56 epochs. So the plan
starts from a token budget and language shares, gives the real text of a language more epochs than the synthetic,
caps the epochs, and writes down what it decided and why: a JSON plan and the YAML fragment NeMo reads. Everything
comes from receipts; nothing is typed by hand. The decision itself is data_prep/blend_plan.py.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from data_prep.blend_plan import BlendPlan, BlendSettings, Dataset, Entry, plan
from data_prep.console import make_console
from data_prep.documents import SPLITS, Split
from data_prep.errors import DataError, UsageError
from data_prep.files import atomic_write, sha256_file
from data_prep.indexed_dataset import read_size
from data_prep.layout import PREFIX_SUFFIX, receipt_path
from data_prep.receipts import Receipt, config_hash
from data_prep.settings import load


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """The verb `blend`.

    Raises:
        UsageError: Wrong configuration, or no token datasets in the folder.
        DataError: Datasets that do not belong together, or wishes that cannot be met.
    """
    settings = load(BlendSettings, configs, overrides)
    datasets = find_datasets(settings.tokens_dir)
    checksum = _require_one_tokenizer(datasets, settings.model)
    blend = plan(datasets, settings)
    console = make_console()
    console.print(_table(blend))
    for dataset in blend.left_out:
        console.print(f"left out: {dataset.prefix}: {dataset.why}", soft_wrap=True)
    if not dry_run:
        tokenizer = {"model": str(settings.model), "sha256": checksum}
        _write(settings.output, blend, tokenizer)
        console.print(f"wrote {settings.output} and {settings.output.with_suffix('.json').name}")
    return 0


def find_datasets(tokens_dir: Path) -> list[Dataset]:
    """Every token dataset below `tokens_dir`, described by its receipt.

    Raises:
        UsageError: There is none.
        DataError: One has no receipt, or a receipt that no longer holds.
    """
    root = tokens_dir.expanduser().absolute()
    found = [_dataset(prefix, split) for split in SPLITS for prefix in _prefixes(root / split)]
    datasets = [dataset for dataset in found if dataset is not None]
    if not datasets:
        raise UsageError(
            "there are no token datasets in this folder",
            where=str(root),
            fix="tokens_dir=DIR/tokens, where DIR is the output_dir `langadapt prep` wrote to",
        )
    return datasets


def _prefixes(folder: Path) -> list[Path]:
    """Prefixes that have an index, a receipt, or both."""
    names = {path.name.removesuffix(".idx") for path in folder.glob(f"*{PREFIX_SUFFIX}.idx")}
    names |= {path.name.removesuffix(".receipt.json") for path in folder.glob(f"*{PREFIX_SUFFIX}.receipt.json")}
    return [folder / name for name in sorted(names)]


def _dataset(prefix: Path, split: Split) -> Dataset | None:
    """The dataset of a prefix; None if its receipt says that there were no documents."""
    path = receipt_path(prefix)
    receipt = Receipt.load(path)
    if not receipt.outputs:
        return None
    if stale := receipt.broken_output(path.parent) or receipt.changed_input(path.parent):
        raise _stale(path, stale)
    size = read_size(prefix)
    if (size.tokens, size.documents) != (receipt.tokens, receipt.documents):
        raise _stale(path, f"the index holds {size.documents} documents, the receipt says {receipt.documents}")
    details = receipt.details
    return Dataset(
        prefix=str(prefix),
        source=details["source"],
        lang=details["lang"],
        kind=details["kind"],
        split=split,
        tokens=size.tokens,
        documents=size.documents,
        tokenizer_sha256=details["tokenizer_sha256"],
    )


def _stale(path: Path, found: str) -> DataError:
    return DataError(
        f"this receipt no longer holds: {found}",
        where=str(path),
        why="the blend would be planned from numbers that are not true any more",
        fix="run `langadapt prep` again with the same output_dir: it makes what is out of date",
    )


def _require_one_tokenizer(datasets: Sequence[Dataset], model: Path) -> str:
    """The checksum all datasets share, which is also that of `model`."""
    by_checksum = {dataset.tokenizer_sha256: dataset.prefix for dataset in datasets}
    if len(by_checksum) > 1:
        raise DataError(
            f"these token datasets were made with {len(by_checksum)} different tokenizers",
            where="\n".join(f"{prefix}: {checksum[:12]}" for checksum, prefix in by_checksum.items()),
            why="the same id would mean different text in each",
            fix="run `langadapt prep` again with the same output_dir: it tokenises anew what differs",
        )
    if not model.is_file():
        raise UsageError(
            "the tokenizer of these datasets is not where it was made",
            where=str(model),
            fix="tokenizer=PATH of the tokenizer.model they were made with",
        )
    (checksum,) = by_checksum
    if sha256_file(model) != checksum:
        raise DataError(
            "this is not the tokenizer the datasets were made with",
            where=f"{model}: {sha256_file(model)[:12]}, receipts say {checksum[:12]}",
            why="the model would read other text than was written",
            fix="tokenizer=PATH of the right tokenizer.model, or run `langadapt prep` again",
        )
    return checksum


def nemo_fragment(blend: BlendPlan, tokenizer_model: str, index_dir: Path) -> dict[str, Any]:
    """The keys of NeMo's megatron_gpt_config.yaml that a blend decides."""
    validation = _weighted(blend.validation)
    return {
        "model": {
            "data": {
                "data_prefix": {
                    "train": _weighted(blend.train),
                    "validation": validation,
                    "test": list(validation),
                },
                "splits_string": None,
                "index_mapping_dir": str(index_dir),
            },
            "tokenizer": tokenizer_keys(tokenizer_model),
        }
    }


def tokenizer_keys(model: str) -> dict[str, Any]:
    """NeMo's `model.tokenizer` for the tokenizer the data were made with.

    A Hugging Face tokenizer is read from its folder; naming its file too packs it into the .nemo.
    """
    if model.endswith(".json"):
        return {"library": "huggingface", "model": model, "type": str(Path(model).parent), "use_fast": True}
    return {"library": "sentencepiece", "model": model, "type": None, "sentencepiece_legacy": False}


def _weighted(entries: Iterable[Entry]) -> list[float | str]:
    return [value for entry in entries for value in (entry.weight, entry.prefix)]


def _write(output: Path, blend: BlendPlan, tokenizer: dict[str, str]) -> None:
    output = output.expanduser().absolute()
    # Megatron's cached indices know a dataset by its path alone: data made anew under the same name needs a new folder.
    receipts = [sha256_file(receipt_path(Path(entry.prefix))) for entry in (*blend.train, *blend.validation)]
    fragment = nemo_fragment(
        blend, tokenizer["model"], output.parent / "index" / config_hash({"datasets": receipts})[:16]
    )
    with atomic_write(output.with_suffix(".json")) as file:
        document = {**asdict(blend), "tokenizer": tokenizer}
        file.write(json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n")
    with atomic_write(output) as file:
        file.write(b"# Made by `langadapt blend` from receipts; the reasons are in the .json beside it.\n")
        file.write(yaml.safe_dump(fragment, sort_keys=False, allow_unicode=True).encode())


def _table(blend: BlendPlan) -> Table:
    table = Table(title=f"blend of {blend.budget_tokens:,} tokens", title_justify="left")
    table.add_column("dataset", overflow="fold")
    for column in ("tokens", "weight", "drawn", "epochs"):
        table.add_column(column, justify="right")
    table.add_column("why")
    for entry in blend.train:
        table.add_row(
            f"{entry.source}.{entry.lang}.{entry.kind}",
            f"{entry.tokens_available:,}",
            f"{entry.weight:.4f}",
            f"{entry.tokens_drawn:,}",
            f"{entry.epochs:.2f}",
            entry.why,
        )
    return table
