"""The token datasets of a folder, as their receipts describe them.

Checked: every receipt can be read; both files are there with the sizes it gives; the index is whole and agrees with it
in documents and tokens; the shards it was made from, and the tokenizer, have not been touched since it was written, or
still have the checksum it gives. Not checked: the tokens themselves, which are `langadapt verify`'s.
"""

from collections.abc import Sequence
from pathlib import Path

from data_prep import vocabulary
from data_prep.blend.records import Dataset, LeftOut
from data_prep.documents import SPLITS, Split
from data_prep.errors import DataError, UsageError
from data_prep.files import sha256_file
from data_prep.indexed_dataset import read_size
from data_prep.layout import PREFIX_SUFFIX, RECEIPT_SUFFIX, receipt_path
from data_prep.receipts import Receipt


def find_datasets(tokens_dir: Path) -> tuple[list[Dataset], list[LeftOut]]:
    """Every token dataset below `tokens_dir`, and the prefixes whose receipt says that there were no documents.

    Raises:
        UsageError: There is none.
        DataError: One has no receipt, or a receipt that cannot be read or no longer holds.
    """
    root = tokens_dir.expanduser().absolute()
    found = [_dataset(prefix, split) for split in SPLITS for prefix in _prefixes(root / split)]
    datasets = [each for each in found if isinstance(each, Dataset)]
    if not datasets:
        raise UsageError(
            "there are no token datasets in this folder",
            where=str(root),
            fix="tokens_dir=DIR/tokens, where DIR is the output_dir `langadapt prep` wrote to",
        )
    return datasets, [each for each in found if isinstance(each, LeftOut)]


def _prefixes(folder: Path) -> list[Path]:
    """Prefixes that have an index, a receipt, or both."""
    names = {path.name.removesuffix(".idx") for path in folder.glob(f"*{PREFIX_SUFFIX}.idx")}
    names |= {path.name.removesuffix(RECEIPT_SUFFIX) for path in folder.glob(f"*{PREFIX_SUFFIX}{RECEIPT_SUFFIX}")}
    return [folder / name for name in sorted(names)]


def _dataset(prefix: Path, split: Split) -> Dataset | LeftOut:
    path = receipt_path(prefix)
    receipt = Receipt.load(path)
    try:
        return _described(prefix, split, receipt)
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"this receipt is not one of a token dataset: {error!r}",
            where=str(path),
            why="the blend is planned from what receipts say",
            fix="run `langadapt prep` again: it makes what has no valid receipt",
        ) from error


def _described(prefix: Path, split: Split, receipt: Receipt) -> Dataset | LeftOut:
    path = receipt_path(prefix)
    if not receipt.outputs:
        return LeftOut(prefix=str(prefix), why=f"no document is on the {split} side")
    if stale := receipt.broken_output(path.parent) or receipt.changed_input(path):
        raise _stale(path, stale)
    size = read_size(prefix)
    if (size.tokens, size.documents) != (receipt.tokens, receipt.documents):
        found = f"the index holds {size.documents} documents, {size.tokens} tokens"
        raise _stale(path, f"{found}; the receipt says {receipt.documents} and {receipt.tokens}")
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


def require_one_tokenizer(datasets: Sequence[Dataset], given: Path) -> Path:
    """The file of the one tokenizer all datasets were made with.

    Args:
        datasets: What the receipts say.
        given: The file, or its folder.

    Raises:
        UsageError: There is no tokenizer.
        DataError: The datasets do not agree, or it is another.
    """
    by_checksum = {dataset.tokenizer_sha256: dataset.prefix for dataset in datasets}
    if len(by_checksum) > 1:
        raise DataError(
            f"these token datasets were made with {len(by_checksum)} different tokenizers",
            where="\n".join(f"{prefix}: {checksum[:12]}" for checksum, prefix in by_checksum.items()),
            why="the same id would mean different text in each",
            fix="run `langadapt prep` again with the same output_dir: it tokenises anew what differs",
        )
    try:
        path = vocabulary.find(given)
    except UsageError as error:
        raise UsageError(
            "the tokenizer of these datasets is not where it was made",
            where=str(given),
            fix="tokenizer=PATH of the tokenizer.model, tokenizer.json or folder they were made with",
        ) from error
    (checksum,) = by_checksum
    if sha256_file(path) != checksum:
        raise DataError(
            "this is not the tokenizer the datasets were made with",
            where=f"{path}: {sha256_file(path)[:12]}, receipts say {checksum[:12]}",
            why="the model would read other text than was written",
            fix="tokenizer=PATH of the right one, or run `langadapt prep` again",
        )
    return path
