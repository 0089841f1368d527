"""Where data preparation puts things: every path under the output folder, in one place."""

from dataclasses import dataclass
from pathlib import Path

from data_prep.documents import Split

REPOSITORY_ROOT = Path(__file__).resolve().parents[1]
"""The folder that holds data_prep/: relative input paths in YAML files start here."""

PREFIX_SUFFIX = "_text_document"
"""Megatron's own preprocessing ends its prefixes so; tools that look for datasets expect it."""


@dataclass(frozen=True)
class Layout:
    """Paths under `root`, the `output_dir` of a prep configuration."""

    root: Path

    def shard(self, dataset: str, split: Split) -> Path:
        """Documents of one dataset and split."""
        return self.root / "documents" / dataset / split / "00000.jsonl.zst"

    def documents_receipt(self, dataset: str) -> Path:
        """Receipt of both splits and the rejects of one dataset."""
        return self.root / "documents" / dataset / "receipt.json"

    def rejects(self, dataset: str) -> Path:
        """What was left out of one dataset, with reasons."""
        return self.root / "rejects" / dataset / "00000.jsonl.zst"

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

    def instruct(self, name: str, split: str) -> Path:
        """NeMo-Aligner JSONL; `name` is sft or dpo, `split` train or validation."""
        return self.root / "instruct" / f"{name}.{split}.jsonl"

    def instruct_receipt(self, name: str) -> Path:
        """Receipt of both splits of one kind of instruction data."""
        return self.root / "instruct" / f"{name}.receipt.json"

    def logs(self, stage: str) -> Path:
        """The executor's logs of one stage."""
        return self.root / "logs" / stage


def append_suffix(prefix: Path, suffix: str) -> Path:
    """`prefix` with `suffix` after its whole name (`with_suffix` would cut `.real_text_document` off)."""
    return prefix.with_name(prefix.name + suffix)


def receipt_path(output: Path) -> Path:
    """The receipt beside a single output file or a dataset prefix."""
    return append_suffix(output, ".receipt.json")


def resolve_input(path: Path) -> Path:
    """An input path of a YAML file or override: absolute, below the repository, or below the current folder."""
    inside = REPOSITORY_ROOT / path.expanduser()
    return inside if inside.exists() else path.expanduser().absolute()
