"""`parity.json`: what was converted into what, and the proof that both compute the same."""

import json
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from data_prep.receipts import langadapt_version

CERTIFICATE = "parity.json"
VERSIONS = ("langadapt", "torch", "transformers", "tokenizers", "sentencepiece", "safetensors")
GATE_VERSIONS = ("nemo-toolkit", "megatron-core")
NOT_CHECKED = dict.fromkeys(("max_abs_logit_diff", "tolerance", "max_abs_logit", "argmax_agreement")) | {"positions": 0}
"""The figures of a conversion without the gate."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What was converted into what, and the proof. The three figures are None without the gate."""

    source: str
    source_sha256: str
    """Of a .nemo file, its SHA-256; of a checkpoint folder, the fingerprint; of a Hugging Face folder, what sha256sum
    says of the lines it would print for `source_files`."""
    max_abs_logit_diff: float | None
    tolerance: float | None
    max_abs_logit: float | None
    positions: int
    argmax_agreement: float | None
    dtype: str
    """Of the stored weights; the comparison runs in fp32."""
    versions: dict[str, str]
    files: dict[str, dict[str, Any]]
    """{name: {bytes, sha256}} of the whole folder but this file."""
    seconds: float
    created: str
    source_fingerprint: str = ""
    """Of settings, tokenizer, list of tensors and samples of every chunk: `recipes.convert.reading.checkpoint`."""
    source_files: dict[str, str] = field(default_factory=dict)
    """SHA-256 by file of a Hugging Face folder: a publisher's page shows the same ones."""
    source_dtype: str = ""
    """Differs from `dtype` where a cast was asked for."""
    architecture: str = ""
    tensors: int = 0
    """Written."""
    elements: int = 0
    """Weights written: as many as the source has without the padding of its vocabulary."""
    source_tensors: int = 0
    padding_rows: int = 0
    """Rows of the vocabulary tables that were left out, or, in a .nemo, added."""
    gate: str = ""
    """whole: both models at once; layers: one layer of each at a time; empty without the gate."""
    seconds_by_part: dict[str, float] = field(default_factory=dict)


def read_certificate(folder: Path) -> Certificate | None:
    """The certificate in a folder, None where there is none or it is of another layout."""
    return read(folder / CERTIFICATE)


def read(path: Path) -> Certificate | None:
    """A certificate, None where there is none or it is of another layout."""
    try:
        return Certificate(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def is_whole(folder: Path, certificate: Certificate) -> bool:
    """Whether every file the certificate names is there in its size."""
    return all(
        (path := folder / name).is_file() and path.stat().st_size == facts["bytes"]
        for name, facts in certificate.files.items()
    )


def versions(names: tuple[str, ...]) -> dict[str, str]:
    """Installed versions."""
    return {name: langadapt_version() if name == "langadapt" else version(name) for name in names}


def proof(certificate: Certificate) -> str:
    """The proof in words."""
    if certificate.max_abs_logit_diff is None:
        return "parity not checked (parity=false)"
    return f"parity {certificate.max_abs_logit_diff:.2g} over {certificate.positions} positions"
