"""What goes into a release: files of the converted model as they are, and texts made fit to be read by anybody."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.errors import DataError, UsageError
from data_prep.files import sha256_file
from recipes import run_record
from recipes.convert.verb import CERTIFICATE
from recipes.release import private

EVALUATION = "evaluation.json"
ATTRIBUTES = ".gitattributes"
LEGAL = ("LICENSE", "LICENCE", "NOTICE", "COPYING", "USE_POLICY")
"""How the names of files begin that come with a base model and have to stay with it."""

NEEDED = ("config.json", "generation_config.json", "tokenizer_config.json")
VOCABULARIES = ("tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt")
"""Not searched for private text: their pieces are those of the training text."""

LARGE = 10_000_000
"""Bytes from which the hub wants a file in LFS (huggingface/hub-docs, repositories-getting-started.md: 10 MB)."""
LARGEST = 50_000_000_000
"""Bytes of the largest file the hub takes (huggingface/hub-docs, storage-limits.md)."""

TEXTS = (".json", ".md", ".txt", ".jinja", ".yaml", "")
"""Suffixes of files that are searched for private text."""

MODEL_FILES = (
    "*.safetensors",
    "*.safetensors.index.json",
    "*config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "*.jinja",
)
"""What makes a model, where no certificate lists it."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """A release before it is written.

    Attributes:
        copies: Files taken as they are, by the name they get.
        texts: Files written anew, by name.
        left_out: Names in the model's folder that are not taken.
    """

    copies: dict[str, Path]
    texts: dict[str, bytes]
    left_out: list[str]

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return self.copies[name].stat().st_size if name in self.copies else len(self.texts[name])

    @property
    def names(self) -> list[str]:
        """All files."""
        return sorted({*self.copies, *self.texts})


def proof_missing(certificate: Mapping[str, Any] | None) -> str | None:
    """Why a certificate proves nothing; None if it does."""
    if certificate is None:
        return f"there is no {CERTIFICATE}: nobody has compared these weights with the trained checkpoint"
    if certificate.get("max_abs_logit_diff") is None:
        return "the certificate holds no comparison: the model was converted with parity=false"
    return None


def changed(folder: Path, certificate: Mapping[str, Any]) -> list[str]:
    """Files that are not, byte for byte, those the certificate was made for."""
    return [
        name
        for name, facts in certificate["files"].items()
        if not (folder / name).is_file() or sha256_file(folder / name) != facts["sha256"]
    ]


def model_files(folder: Path, certificate: Mapping[str, Any] | None) -> dict[str, Path]:
    """The files of the model: those the certificate lists, or those that look like it.

    Raises:
        DataError: One without which it cannot be loaded is missing.
    """
    listed = certificate["files"] if certificate else [path.name for each in MODEL_FILES for path in folder.glob(each)]
    files = {name: folder / name for name in sorted(listed) if (folder / name).is_file()}
    missing = [name for name in NEEDED if name not in files]
    if not any(name.endswith(".safetensors") for name in files):
        missing.append("*.safetensors")
    if not any(name in files for name in VOCABULARIES):
        missing.append("tokenizer.json")
    index = folder / "model.safetensors.index.json"
    if index.name in files:
        shards = set(run_record.read_json(index)["weight_map"].values())
        missing += sorted(shards - files.keys())
    if missing:
        raise DataError(
            f"the model is not whole: {', '.join(missing)} is missing",
            where=str(folder),
            why="transformers could not load it",
            fix="convert it again: langadapt convert to-hf",
        )
    return files


def legal_files(folders: Sequence[Path]) -> dict[str, Path]:
    """Licences and notices that lie in some folders, the first of a name."""
    found = [path for folder in folders for path in sorted(folder.glob("*")) if path.is_file()]
    return {path.name: path for path in reversed(found) if path.name.upper().startswith(LEGAL)}


def public_certificate(certificate: Mapping[str, Any]) -> bytes:
    """The certificate without the folder its source lay in."""
    return as_json({**certificate, "source": Path(certificate["source"]).name})


def public_evaluation(evaluation: Mapping[str, Any]) -> bytes:
    """The evaluation without folders; the log of single items, which holds the benchmarks' texts, stays behind."""
    kept = {key: value for key, value in evaluation.items() if key != "items_folder"}
    return as_json({**kept, "models": {name: name for name in evaluation.get("models", {})}})


def as_json(value: Mapping[str, Any]) -> bytes:
    """JSON as the other files have it, without local paths."""
    return json.dumps(private.without_paths(value), ensure_ascii=False, indent=1).encode() + b"\n"


def attributes(sizes: Mapping[str, int]) -> bytes:
    """.gitattributes by which git puts large files into LFS, as the hub asks of whoever pushes with git."""
    large = [name for name, size in sorted(sizes.items()) if size >= LARGE and not name.endswith(".safetensors")]
    return "".join(f"{name} filter=lfs diff=lfs merge=lfs -text\n" for name in ["*.safetensors", *large]).encode()


def with_warning(card: str, warning: str) -> str:
    """A card with a warning above its first heading."""
    head, heading, rest = card.partition("\n# ")
    return f"{head}\n> **Not proven:** {warning}.\n{heading}{rest}"


def refuse_private(contents: Contents, allowed: Sequence[str]) -> None:
    """Searches every text file.

    Raises:
        UsageError: One holds a local path, the name of an account or machine, or what looks like a secret.
    """
    names, findings = private.own_names(), []
    for name in contents.names:
        if name in VOCABULARIES or Path(name).suffix not in TEXTS:
            continue
        text = contents.texts[name] if name in contents.texts else contents.copies[name].read_bytes()
        findings += [(name, each) for each in private.find(text.decode(errors="replace"), names, allowed)]
    if findings:
        name, first = findings[0]
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        is_secret = first.what in private.SECRETS
        shown = f"{first.text[:6]}..." if is_secret else first.text
        raise UsageError(
            f"{first.what} stands in a file that would be published: {shown}{more}",
            where=f"{contents.copies.get(name, name)}:{first.line}",
            why="what has been pushed once cannot be called back",
            fix="take it out of the file\nor, if it may be read by anybody: "
            + ("allow=[...] with the text that stands there" if is_secret else f"allow=['{shown}']"),
        )


def refuse_oversized(contents: Contents) -> None:
    """Raises UsageError for a file the hub does not take."""
    for name in contents.names:
        if (size := contents.size(name)) > LARGEST:
            raise UsageError(
                f"{name} has {size:,} bytes, the hub takes {LARGEST:,}",
                where=str(contents.copies.get(name, name)),
                fix="convert the model again: langadapt convert to-hf writes files of 5 GB",
            )
