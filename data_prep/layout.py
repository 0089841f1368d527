"""Where data preparation puts things: every path under the output folder, in one place.

<stage>/<dataset>/<shard>.jsonl.zst              what a document stage kept, with <shard>.receipt.json beside it
<stage>/_<step>/...                              its side files: signatures, scores, models
rejects/<stage>/<dataset>/<shard>.jsonl.zst      what it left out, with reasons
documents/<dataset>/{train,heldout}/<shard>.jsonl.zst    the product
tokenizer/ tokens/ instruct/                     what training reads
"""

from dataclasses import dataclass
from pathlib import Path

from data_prep.documents import Split

REPOSITORY_ROOT = Path(__file__).resolve().parents[1]
"""The folder that holds data_prep/: relative input paths in YAML files start here."""

PREFIX_SUFFIX = "_text_document"
"""Megatron's own preprocessing ends its prefixes so; tools that look for datasets expect it."""

SHARD_SUFFIX = ".jsonl.zst"
RECEIPT_SUFFIX = ".receipt.json"


@dataclass(frozen=True)
class Layout:
    """Paths under `root`, the `output_dir` of a prep configuration."""

    root: Path

    def folder(self, stage: str, dataset: str) -> Path:
        """Shards and receipts of one dataset as a stage left it."""
        return self.root / stage / dataset

    def stage_shard(self, stage: str, dataset: str, shard: str) -> Path:
        """What a document stage kept of one shard."""
        return self.folder(stage, dataset) / f"{shard}{SHARD_SUFFIX}"

    def stage_receipt(self, stage: str, dataset: str, shard: str) -> Path:
        """Receipt of one shard and its rejects."""
        return self.folder(stage, dataset) / f"{shard}{RECEIPT_SUFFIX}"

    def rejects(self, stage: str, dataset: str, shard: str) -> Path:
        """What a stage left out of one shard, with reasons."""
        return self.root / "rejects" / stage / dataset / f"{shard}{SHARD_SUFFIX}"

    def side(self, stage: str, step: str) -> Path:
        """Folder of a stage's side files; no dataset name starts with an underscore."""
        return self.root / stage / f"_{step}"

    def document_shard(self, dataset: str, split: Split, shard: str) -> Path:
        """Documents of one side of the train/held-out split, ready for training."""
        return self.folder("documents", dataset) / split / f"{shard}{SHARD_SUFFIX}"

    @property
    def tokenizer(self) -> Path:
        """The SentencePiece model, trained or copied."""
        return self.root / "tokenizer" / "tokenizer.model"

    @property
    def tokens(self) -> Path:
        """The folder blend plans are made from."""
        return self.root / "tokens"

    def prefix(self, dataset: str, split: Split) -> Path:
        """Megatron prefix: `.bin` and `.idx` are appended to it."""
        return self.tokens / split / f"{dataset}{PREFIX_SUFFIX}"

    def token_parts(self, dataset: str, split: Split) -> Path:
        """Folder with the tokens of each shard, until they are part of the dataset's."""
        return self.tokens / "_parts" / split / dataset

    def instruct(self, name: str, split: str) -> Path:
        """NeMo-Aligner JSONL; `name` is sft or dpo, `split` train or validation."""
        return self.root / "instruct" / f"{name}.{split}.jsonl"

    def instruct_receipt(self, name: str) -> Path:
        """Receipt of both splits of one kind of instruction data."""
        return self.root / "instruct" / f"{name}{RECEIPT_SUFFIX}"

    def logs(self, stage: str, step: str) -> Path:
        """The executor's logs of one step of a stage."""
        return self.root / "logs" / stage / step


def append_suffix(prefix: Path, suffix: str) -> Path:
    """`prefix` with `suffix` after its whole name (`with_suffix` would cut `.real_text_document` off)."""
    return prefix.with_name(prefix.name + suffix)


def receipt_path(output: Path) -> Path:
    """The receipt beside a single output file or a dataset prefix."""
    return append_suffix(output, RECEIPT_SUFFIX)


def resolve_input(path: Path) -> Path:
    """An input path of a YAML file or override: absolute, below the repository, or below the current folder."""
    inside = REPOSITORY_ROOT / path.expanduser()
    return inside if inside.exists() else path.expanduser().absolute()
