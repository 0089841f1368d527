"""Stage tokenize as tasks: see the package's docstring for its two steps.

A dataset that is up to date needs no parts, so none are planned for it: they went when its receipt was written.
"""

from functools import partial
from itertools import product
from typing import TYPE_CHECKING

from data_prep import vocabulary
from data_prep.documents import SPLITS, Dataset, Split
from data_prep.errors import UsageError
from data_prep.flow import DocumentShards, documents_shards, finished_datasets
from data_prep.layout import PREFIX_SUFFIX, receipt_path
from data_prep.receipts import is_current
from data_prep.tasks import Stage, Step, Task, no_records
from data_prep.tokenize.parts import Tokens, write_dataset, write_part

if TYPE_CHECKING:
    from data_prep.prep_settings import PrepSettings

NAME = "tokenize"


def stage(settings: "PrepSettings") -> Stage:
    """A task a shard, then one a dataset and split."""
    plan = _Plan(settings)
    pairs = tuple(product(SPLITS, finished_datasets(settings)))
    datasets = tuple(plan.dataset(dataset, split) for split, dataset in pairs)
    waiting = [pair for pair, task in zip(pairs, datasets, strict=True) if not _is_current(task)]
    parts = tuple(task for split, dataset in waiting for task in plan.parts(dataset, split))
    return Stage(name=NAME, steps=(Step(name="parts", tasks=parts), Step(name="datasets", tasks=datasets)))


def _is_current(task: Task) -> bool:
    return is_current(task.receipt, stage=NAME, settings=task.settings, inputs=task.inputs)


def check(settings: "PrepSettings") -> None:
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
    ready = settings.tokenizer.input
    if ready and settings.tokenize.add_bos and vocabulary.load(ready).bos_id is None:
        raise UsageError(
            "this tokenizer has no begin-of-document token",
            where=f"tokenize.add_bos=true, tokenizer.model={ready}",
            fix="tokenize.add_bos=false, or a tokenizer with one (SentencePiece: --bos_id=2; bos_token)",
        )


class _Plan:
    """What the tasks share."""

    def __init__(self, settings: "PrepSettings") -> None:
        self.settings, self.layout = settings, settings.layout
        self.rules = {"add_bos": settings.tokenize.add_bos}
        self.tokens = Tokens(tokenizer=settings.tokenizer_file, add_bos=settings.tokenize.add_bos)
        self.tokenizer = vocabulary.files(settings.tokenizer_file)

    def parts(self, dataset: Dataset, split: Split) -> tuple[Task, ...]:
        """Encode each shard of a dataset."""
        return tuple(self._part(dataset, split, shard) for shard in self._shards(dataset))

    def _shards(self, dataset: Dataset) -> tuple[DocumentShards, ...]:
        return documents_shards(self.settings, (dataset,))

    def _part(self, dataset: Dataset, split: Split, shard: DocumentShards) -> Task:
        prefix, path = self.layout.token_parts(dataset.name, split) / shard.name, shard.side(split)
        return Task(
            name=f"{split}/{dataset.name}/{shard.name}",
            group=f"{split}/{dataset.name}",
            settings=self.rules,
            inputs=(path, *self.tokenizer),
            receipt=receipt_path(prefix),
            read=no_records,
            write=partial(write_part, prefix, path, self.tokens),
        )

    def dataset(self, dataset: Dataset, split: Split) -> Task:
        """Append the parts of a dataset."""
        prefix, shards = self.layout.prefix(dataset.name, split), self._shards(dataset)
        folder = self.layout.token_parts(dataset.name, split)
        return Task(
            name=f"{split}/{dataset.name}",
            settings=self.rules,
            inputs=(*(shard.side(split) for shard in shards), *self.tokenizer),
            receipt=receipt_path(prefix),
            read=no_records,
            write=partial(write_dataset, prefix, [folder / shard.name for shard in shards], dataset, self.tokens),
            spent=folder,
        )
