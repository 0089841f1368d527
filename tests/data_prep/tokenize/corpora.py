"""Finished documents as stage split leaves them, without running the stages before; and the stage that reads them."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from data_prep.documents import SPLITS, Dataset
from data_prep.files import shard_writer
from data_prep.layout import append_suffix
from data_prep.prep_settings import PrepSettings, RomanizeSettings, TokenizerSettings
from data_prep.receipts import Tally
from data_prep.tasks import Task, Written, finish, no_records, run_step
from data_prep.tokenize.stage import stage
from tests.data_prep.conftest import ENGLISH, HINDI
from tests.data_prep.test_documents import document
from tests.data_prep.test_prep_settings import source

DATASET = Dataset(source="news", lang="hi-Deva", kind="real")


def texts(count: int) -> Iterator[str]:
    pool = ENGLISH + HINDI
    return (f"{pool[n % len(pool)]} {n} ज़\n" for n in range(count))


def write_documents(shard: Path, given: Iterator[str]) -> Path:
    with shard_writer(shard) as append:
        for number, text in enumerate(given):
            append(document(id=f"{shard.stem}/{number}", text=text, source="news").to_json())
    return shard


def finished_shards(root: Path, tokenizer: Path, sizes: Sequence[int]) -> PrepSettings:
    """Settings of a preparation with shards of so many train documents, none held out, and a tokenizer."""
    settings = PrepSettings(
        output_dir=root,
        sources=(source(),),
        romanize=RomanizeSettings(enabled=False),
        tokenizer=TokenizerSettings(model=tokenizer),
    )
    given, layout = texts(sum(sizes)), settings.layout
    for number, size in enumerate(sizes):
        name = f"{number:05d}"
        paths = [layout.document_shard(DATASET.name, split, name) for split in SPLITS]
        write_documents(paths[0], islice(given, size))
        write_documents(paths[1], iter(()))
        task = Task(
            name=name,
            settings={},
            inputs=(),
            receipt=layout.stage_receipt("documents", DATASET.name, name),
            read=no_records,
            write=partial(_written, tuple(paths)),
        )
        finish("split", task, ())
    settings.tokenizer_file.parent.mkdir(parents=True, exist_ok=True)
    settings.tokenizer_file.write_bytes(tokenizer.read_bytes())
    return settings


def run(settings: PrepSettings) -> list[int]:
    """Run the stage; how many tasks of each step ran."""
    planned = stage(settings)
    logs = settings.layout.logs("tokenize", "step")
    return [len(run_step(planned, step, execution=settings.execution, logs=logs)) for step in planned.steps]


def train_bytes(settings: PrepSettings) -> tuple[bytes, bytes]:
    """The .bin and the .idx of the training side."""
    prefix = settings.layout.prefix(DATASET.name, "train")
    one, two = (append_suffix(prefix, suffix).read_bytes() for suffix in (".bin", ".idx"))
    return one, two


def _written(paths: tuple[Path, ...], _records: object, _tally: Tally) -> Written:
    return Written(outputs=paths)
