"""Stage romanize: finished documents in an Indic script -> their romanised children, on the same side of the split.

Real and translated documents of one source have their children in one dataset, in shards named after their kind.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from data_prep.documents import Document, Record, Reject, primary_language
from data_prep.files import read_shards
from data_prep.flow import PRODUCT, DocumentShards, documents_shards, romanized, to_romanize
from data_prep.receipts import Tally
from data_prep.romanize.engines import engine, letters, version
from data_prep.romanize.settings import RomanizeSettings
from data_prep.split import write_documents
from data_prep.tasks import Stage, Step, Task, Written

if TYPE_CHECKING:
    from data_prep.prep_settings import PrepSettings


def stage(settings: "PrepSettings") -> Stage:
    """One task per shard of finished documents."""
    tasks = tuple(_task(settings, shards) for shards in documents_shards(settings, to_romanize(settings)))
    return Stage(
        name="romanize", steps=(Step(name="documents", tasks=tasks, transforms=(Romanizer(settings.romanize),)),)
    )


def check(settings: "PrepSettings") -> None:
    """Refuse engines whose library is missing.

    Raises:
        UsageError: One is.
    """
    for name in settings.romanize.engines.values() if settings.romanize.enabled else ():
        version(name)


def _task(settings: "PrepSettings", shards: DocumentShards) -> Task:
    rules, dataset = settings.romanize, romanized(shards.dataset)
    name = f"{shards.dataset.kind}_{shards.name}"
    sides = (shards.train, shards.heldout)
    details = {"engine": version(rules.engines[shards.dataset.lang]), "variants": rules.variants, "seed": rules.seed}
    write = partial(write_documents, settings.layout, "romanize", dataset, name, settings.heldout_fraction)
    return Task(
        name=f"{dataset.name}/{name}",
        group=dataset.name,
        settings=details | {"heldout_fraction": settings.heldout_fraction},
        inputs=sides,
        receipt=settings.layout.stage_receipt(PRODUCT, dataset.name, name),
        read=partial(read_shards, sides),
        write=WithDetails(write, details),
    )


@dataclass(frozen=True)
class WithDetails:
    """A writer whose receipt also says which engine made the text."""

    write: partial[Written]
    details: dict[str, object]

    def __call__(self, records: Iterable[Record], tally: Tally) -> Written:
        """Write the records."""
        written = self.write(records, tally)
        return replace(written, details=written.details | self.details)


@dataclass(frozen=True)
class Romanizer:
    """Documents -> their romanised children."""

    settings: RomanizeSettings

    @property
    def __name__(self) -> str:
        """What the executor's log calls this step."""
        return "romanize"

    def __call__(self, document: Document) -> Record:
        """The child of a document, or why there is none."""
        script = document.lang.partition("-")[2]
        if not letters(script).search(document.text):
            return Reject(
                id=document.id, reason="no_source_script", where=f"no letter of {document.lang}", text=document.text
            )
        rules, lang = self.settings, f"{primary_language(document.lang)}-Latn"
        romanize = engine(
            rules.engines[document.lang], script, document=document.id, variants=rules.variants, seed=rules.seed
        )
        return replace(
            document,
            id=f"{document.id}.{lang}",
            text=romanize(document.text),
            lang=lang,
            kind="romanized",
            parent_id=document.id,
        )
