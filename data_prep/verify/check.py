"""All checks of one dataset: its index, its tokens, its receipt."""

import hashlib
import time
from dataclasses import dataclass, field
from pathlib import Path

from data_prep.errors import DataError
from data_prep.layout import append_suffix, receipt_path
from data_prep.receipts import Receipt
from data_prep.verify.faults import Fault, Findings
from data_prep.verify.index import Index, check_bin_size, check_index, open_index
from data_prep.verify.receipt import Measured, check_receipt
from data_prep.verify.tokens import Ends, KnownIds, TokenChecks, scan

STAGE = "tokenize"
"""The stage whose receipts describe token datasets."""


@dataclass(frozen=True, kw_only=True)
class ModelTokenizer:
    """What a check needs to know of the tokenizer of the model that will read the ids."""

    name: str
    """Where it lies, for messages."""
    sha256: str
    known: KnownIds


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was found in one dataset."""

    prefix: Path
    bytes: int
    """Of both files."""
    seconds: float
    documents: int | None = None
    """None where the .idx does not say."""
    tokens: int | None = None
    index: Index | None = None
    """None unless it can be relied on."""
    faults: list[Fault] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    """What could not be looked at, and why."""
    notes: list[str] = field(default_factory=list)


def verify(prefix: Path, tokenizer: ModelTokenizer | None) -> Report:
    """Read a dataset whole.

    Args:
        prefix: Path without .bin and .idx.
        tokenizer: The model's; None where nobody named one.
    """
    started = time.perf_counter()
    found = Findings()
    receipt = _receipt(prefix, found)
    pair = (append_suffix(prefix, ".bin"), append_suffix(prefix, ".idx"))
    if receipt and not receipt.outputs and not any(path.exists() for path in pair):
        return Report(prefix=prefix, bytes=0, seconds=0, documents=0, tokens=0, notes=["no documents, so no files"])
    known = _known_ids(receipt, tokenizer, found)
    try:
        index, measured = _read(*pair, known, found)
    except OSError as error:
        found.add("unreadable_file", f"{error.filename or prefix}: {error.strerror}")
        index = measured = None
    if receipt and measured:
        check_receipt(receipt, measured, found)
    _check_tokenizer(receipt, tokenizer, found)
    return Report(
        prefix=prefix,
        bytes=sum(measured.bytes.values()) if measured else 0,
        seconds=time.perf_counter() - started,
        documents=measured.documents if measured else None,
        tokens=measured.tokens if measured else None,
        index=index,
        faults=list(found.faults.values()),
        unchecked=found.unchecked,
        notes=found.notes,
    )


def _receipt(prefix: Path, found: Findings) -> Receipt | None:
    path = receipt_path(prefix)
    if not path.exists():
        found.unchecked.append("checksums, counts and the tokenizer it was made with: there is no receipt beside it")
        return None
    try:
        receipt = Receipt.load(path)
    except DataError as error:
        found.add("unreadable_receipt", f"{path}: {error.what}")
        return None
    if receipt.stage != STAGE:
        found.add("unreadable_receipt", f"{path}: it is of stage {receipt.stage}, not {STAGE}")
        return None
    return receipt


def _known_ids(receipt: Receipt | None, tokenizer: ModelTokenizer | None, found: Findings) -> KnownIds | None:
    """Those of the tokenizer the dataset was made with, as far as is known."""
    details = receipt.details if receipt else {}
    if {"vocab_size", "eod_id"} <= details.keys():
        return KnownIds(size=details["vocab_size"], eod_id=details["eod_id"], bos_id=details.get("bos_id"))
    if tokenizer is None:
        found.unchecked.append("ids against a vocabulary, EOD at the end of documents: tokenizer=PATH says which")
    return tokenizer.known if tokenizer else None


def _read(tokens: Path, idx: Path, known: KnownIds | None, found: Findings) -> tuple[Index | None, Measured | None]:
    """Both files: the index if it can be relied on, and what was measured if there is something to measure."""
    missing = [path for path in (tokens, idx) if not path.is_file()]
    found.add_all("missing_file", range(len(missing)), lambda at: f"{missing[at]} does not exist")
    if missing:
        return None, None
    bytes_of = {path: path.stat().st_size for path in (tokens, idx)}
    if not bytes_of[tokens]:
        found.add("empty", f"{tokens} has no bytes")
    index = open_index(idx, bytes_of[tokens], found)
    is_sound = index is not None and check_index(index, found)
    checks = _token_checks(index, known, found, is_sound=is_sound) if index else None
    if index is None:
        found.unchecked.append("the tokens: the .idx does not say how to read them")
    elif is_sound:
        check_bin_size(index, bytes_of[tokens], found)
    with idx.open("rb") as file:
        idx_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return index if is_sound else None, Measured(
        bytes=bytes_of,
        sha256={tokens: scan(tokens, checks), idx: idx_sha256},
        dtype=index.dtype.name if index else None,
        documents=index.documents if index else None,
        tokens=bytes_of[tokens] // index.dtype.itemsize if index else None,
    )


def _token_checks(index: Index, known: KnownIds | None, found: Findings, *, is_sound: bool) -> TokenChecks:
    """What the pass over the .bin can look at."""
    if known and known.size > 1 << (8 * index.dtype.itemsize):
        found.add("wrong_dtype", f"{index.dtype.name} cannot hold the ids of a vocabulary of {known.size:,}")
    if not is_sound:
        found.unchecked.append("EOD at the end of documents: the .idx does not say reliably where they end")
    ends = Ends(index.document_ends()) if is_sound else None
    return TokenChecks(dtype=index.dtype, known=known, ends=ends, found=found)


def _check_tokenizer(receipt: Receipt | None, tokenizer: ModelTokenizer | None, found: Findings) -> None:
    made_with = receipt.details.get("tokenizer_sha256") if receipt else None
    if made_with and tokenizer is None:
        found.unchecked.append("the model's tokenizer: tokenizer=PATH or model=CHECKPOINT.nemo says which")
    if made_with and tokenizer and made_with != tokenizer.sha256:
        found.add("wrong_tokenizer", f"{tokenizer.name}: SHA-256 {tokenizer.sha256[:12]}, receipt {made_with[:12]}")
