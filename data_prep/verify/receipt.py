"""A pair of files against the receipt written when they were made."""

from dataclasses import dataclass
from pathlib import Path

from data_prep.receipts import Receipt
from data_prep.verify.faults import Findings


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a dataset turned out to be; None where its .idx does not say."""

    bytes: dict[Path, int]
    sha256: dict[Path, str]
    dtype: str | None
    documents: int | None
    tokens: int | None


def check_receipt(receipt: Receipt, measured: Measured, found: Findings) -> None:
    """The bytes are those that were written, and as many documents and tokens as were counted."""
    changed = {path: change for path in measured.bytes if (change := _change(receipt, path, measured))}
    if len(changed) == len(measured.bytes) and not found.faults:
        found.add("stale_receipt", "; ".join(changed.values()))
    else:
        for path, change in changed.items():
            found.add("bin_not_as_written" if path.suffix == ".bin" else "idx_not_as_written", change)
    for what in ("documents", "tokens"):
        counted, there = getattr(receipt, what), getattr(measured, what)
        if there is not None and counted != there:
            found.add("wrong_counts", f"{there:,} {what}, the receipt says {counted:,}")
    written = receipt.details.get("dtype")
    if measured.dtype and written and measured.dtype != written:
        found.add("wrong_dtype", f"the .idx says {measured.dtype}, the receipt {written}")


def _change(receipt: Receipt, path: Path, measured: Measured) -> str | None:
    """How a file differs from what was written, in words."""
    facts = receipt.outputs.get(path.name)
    if facts is None:
        return f"the receipt knows no {path.name}, only {' and '.join(receipt.outputs)}"
    if measured.bytes[path] != facts["bytes"]:
        return f"{path.name} has {measured.bytes[path]:,} bytes, the receipt says {facts['bytes']:,}"
    if measured.sha256[path] != facts["sha256"]:
        found = f"the SHA-256 of {path.name} is {measured.sha256[path][:12]}"
        return f"{found}, the receipt says {facts['sha256'][:12]}; a checksum does not tell which byte"
    return None
