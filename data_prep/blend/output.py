"""What a blend leaves: NeMo's fragment, the plan with its reasons as JSON, and its page."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from data_prep.blend import page
from data_prep.blend.records import BlendPlan, Entry
from data_prep.files import atomic_write, sha256_file
from data_prep.layout import receipt_path
from data_prep.receipts import config_hash


def write(output: Path, blend: BlendPlan, tokenizer: Path) -> tuple[Path, ...]:
    """The files of a blend; the fragment last, for it is what others look for.

    Args:
        output: The fragment; the others have its name with another suffix.
        blend: The plan.
        tokenizer: The file of the tokenizer.
    """
    output = output.expanduser().absolute()
    plan, picture = output.with_suffix(".json"), output.with_suffix(".html")
    fragment = nemo_fragment(blend, tokenizer, index_dir(output.parent, blend))
    with atomic_write(picture) as file:
        file.write(page.render(blend, output.stem).encode())
    with atomic_write(plan) as file:
        document = {**asdict(blend), "tokenizer": {"model": str(tokenizer), "sha256": sha256_file(tokenizer)}}
        file.write(json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n")
    with atomic_write(output) as file:
        file.write(b"# Made by `langadapt blend` from receipts; the reasons are in the .json beside it.\n")
        file.write(yaml.safe_dump(fragment, sort_keys=False, allow_unicode=True).encode())
    return output, plan, picture


def index_dir(folder: Path, blend: BlendPlan) -> Path:
    """Where Megatron keeps its indices of these data: it knows a dataset by its path alone, we by its receipt.

    Data made anew under the same name get a new folder.
    """
    prefixes = sorted(entry.prefix for entry in (*blend.train, *blend.validation))
    receipts = [sha256_file(receipt_path(Path(prefix))) for prefix in prefixes]
    return folder / "index" / config_hash({"datasets": receipts})[:16]


def nemo_fragment(blend: BlendPlan, tokenizer: Path, index_mapping_dir: Path) -> dict[str, Any]:
    """The keys of NeMo's megatron_gpt_config.yaml that a blend decides, and the sets our monitor watches."""
    validation = _weighted(blend.validation)
    prefixes = {"train": _weighted(blend.train), "validation": validation, "test": list(validation)}
    data = {"data_prefix": prefixes, "splits_string": None, "index_mapping_dir": str(index_mapping_dir)}
    model = {"data": data, "tokenizer": tokenizer_keys(tokenizer)}
    return {"model": model, "langadapt": {"monitor": {"sets": list(blend.monitor)}}}


def tokenizer_keys(file: Path) -> dict[str, Any]:
    """NeMo's `model.tokenizer` for the tokenizer the data were made with.

    NeMo finds a Hugging Face one by its folder, in `type`; it packs the file that `model` names into checkpoints.
    """
    if file.suffix == ".json":
        return {"library": "huggingface", "model": str(file), "type": str(file.parent), "use_fast": True}
    return {"library": "sentencepiece", "model": str(file), "type": None, "sentencepiece_legacy": False}


def _weighted(entries: Iterable[Entry]) -> list[float | str]:
    return [value for entry in entries for value in (entry.weight, entry.prefix)]
