"""Stage clean: every shard of ingest through the cleaner, one task a shard; nothing is dropped without its reason.

What was changed in kept documents (repaired, normalised, lines dropped, data masked) is counted in the details of the
receipt.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.clean.cleaner import Notes, clean
from data_prep.clean.language import knows
from data_prep.clean.settings import CleanSettings
from data_prep.documents import Record
from data_prep.files import read_shard
from data_prep.flow import Shard, known_before, shard_task, shards_into
from data_prep.receipts import Tally
from data_prep.tasks import Stage, Step, Task, Written

if TYPE_CHECKING:
    from data_prep.prep_settings import PrepSettings


def stage(settings: "PrepSettings") -> Stage:
    """One task per shard."""
    shards = shards_into(settings, "clean") if settings.clean.enabled else ()
    return Stage(name="clean", steps=(Step(name="documents", tasks=tuple(_task(settings, each) for each in shards)),))


def notices(settings: "PrepSettings") -> list[str]:
    """Languages that are told by their script alone."""
    unknown = dict.fromkeys(each.lang for each in known_before(settings, "clean") if not knows(each.lang))
    return [
        f"no function words of {lang} are known, so its documents are checked for their script only and other "
        "languages in it pass; a line in data_prep/clean/function_words.yaml changes that"
        for lang in unknown
    ]


def _task(settings: "PrepSettings", shard: Shard) -> Task:
    """The shard's task; its reader and writer share an object because only the writer makes the receipt."""
    rules = settings.clean
    shaping = {
        "mask_personal_data": rules.mask_personal_data,
        "rules": asdict(rules.rules(shard.dataset.lang)),
    }
    task = shard_task(settings, "clean", shard, shaping=shaping)
    cleaning = Cleaning(shard.path, rules, task.write)
    return replace(task, read=cleaning.read, write=cleaning.write)


@dataclass(frozen=True)
class Cleaning:
    """Reads a shard through the cleaner and writes what came out, with the notes taken on the way."""

    shard: Path
    settings: CleanSettings
    writer: Callable[[Iterable[Record], Tally], Written]
    notes: Notes = field(default_factory=Counter)

    def read(self) -> Iterator[Record]:
        """Cleaned documents and rejects, in the shard's order."""
        self.notes.clear()
        for document in read_shard(self.shard):
            yield clean(document, self.settings, self.notes)

    def write(self, records: Iterable[Record], tally: Tally) -> Written:
        """Write the records, then say what was changed."""
        written = self.writer(records, tally)
        return replace(
            written, details={**written.details, "changed": {k: v for k, v in sorted(self.notes.items()) if v}}
        )
