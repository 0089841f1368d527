"""Stage tokenize: shards -> Megatron `.bin/.idx`, one prefix per (source, language, kind) and split."""

import functools
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from data_prep.documents import SPLITS, Dataset, Document, Record, Split
from data_prep.errors import UsageError
from data_prep.files import read_shards, sha256_file
from data_prep.flow import documents_shards, finished_datasets
from data_prep.indexed_dataset import dataset_writer, remove_dataset, token_dtype
from data_prep.layout import PREFIX_SUFFIX, append_suffix, receipt_path
from data_prep.prep_settings import PrepSettings
from data_prep.receipts import Tally
from data_prep.tasks import Stage, Step, Task, Written
from data_prep.tokenizer import load

_BATCH = 256
"""Documents encoded in one call."""


def stage(settings: PrepSettings) -> Stage:
    """One task per dataset and split."""
    pairs = itertools.product(SPLITS, finished_datasets(settings))
    tasks = tuple(_task(settings, dataset, split) for split, dataset in pairs)
    return Stage(name="tokenize", steps=(Step(name="datasets", tasks=tasks),))


def check(settings: PrepSettings) -> None:
    """Refuse an output folder with token datasets this configuration does not make: blend would take them."""
    layout = settings.layout
    made = {layout.prefix(dataset.name, split) for dataset in finished_datasets(settings) for split in SPLITS}
    found = {path.with_suffix("") for path in layout.tokens.glob(f"*/*{PREFIX_SUFFIX}.idx")}
    if foreign := sorted(found - made):
        raise UsageError(
            f"{len(foreign)} token dataset(s) here do not belong to this configuration",
            where="\n".join(map(str, foreign[:5])),
            why="`langadapt blend` takes every dataset in the folder, so the model would train on them",
            fix=f"rm -r {layout.tokens}\nor choose another folder: output_dir={layout.root}-2",
        )


def _task(settings: PrepSettings, dataset: Dataset, split: Split) -> Task:
    layout = settings.layout
    prefix = layout.prefix(dataset.name, split)
    shards = tuple(each.side(split) for each in documents_shards(settings, (dataset,)))
    return Task(
        name=f"{split}/{dataset.name}",
        settings={},
        inputs=(*shards, layout.tokenizer),
        receipt=receipt_path(prefix),
        read=functools.partial(read_shards, shards),
        write=functools.partial(write_tokens, prefix, layout.tokenizer),
    )


def write_tokens(prefix: Path, model: Path, records: Iterable[Record], tally: Tally) -> Written:
    """Encode documents in batches, each ending with the end-of-document token.

    No documents, no files: Megatron cannot open an empty dataset.
    """
    processor = load(model)
    dtype = token_dtype(processor.get_piece_size())
    details: dict[str, Any] = {
        "tokenizer_sha256": sha256_file(model),
        "vocab_size": processor.get_piece_size(),
        "eod_id": processor.eos_id(),
        "dtype": dtype,
    }
    batches = _batches(record for record in records if isinstance(record, Document))
    first = next(batches, None)
    if first is None:
        remove_dataset(prefix)
        return Written(outputs=(), details=details)
    details |= {"source": first[0].source, "lang": first[0].lang, "kind": first[0].kind}
    with dataset_writer(prefix, dtype) as add:
        for batch in itertools.chain([first], batches):
            for document, ids in zip(batch, processor.encode([d.text for d in batch], num_threads=1), strict=True):
                ids.append(processor.eos_id())
                add(ids)
                tally.add_tokens(document, len(ids))
    return Written(outputs=(append_suffix(prefix, ".bin"), append_suffix(prefix, ".idx")), details=details)


def _batches(documents: Iterator[Document]) -> Iterator[list[Document]]:
    while batch := list(itertools.islice(documents, _BATCH)):
        yield batch
