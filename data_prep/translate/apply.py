"""Step `documents`: every document of a shard rebuilt from its translations, and accepted or rejected.

Memory: the different segments of one shard with their translations.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from data_prep.documents import Document, Record, Reject
from data_prep.files import read_shard
from data_prep.receipts import Tally
from data_prep.tasks import Written
from data_prep.translate.assemble import TranslatedText, assemble
from data_prep.translate.fetch import results_of


@dataclass(frozen=True, kw_only=True)
class Apply:
    """Reads a shard through its translations and writes what came out, with counts of its segments."""

    shard: Path
    segments: Path
    number: int
    """Of the shard among all that are translated: its frame in every part's file."""
    translations: tuple[Path, ...]
    to_lang: str
    min_accepted: float
    writer: Callable[[Iterable[Record], Tally], Written]
    counts: Counter[str] = field(default_factory=Counter)

    def read(self) -> Iterator[Record]:
        """Translated documents and rejects, in the shard's order."""
        self.counts.clear()
        results = results_of(self.segments, self.number, self.translations)
        for document in read_shard(self.shard):
            yield self._record(document, assemble(document.text, document.lang, results.__getitem__))

    def write(self, records: Iterable[Record], tally: Tally) -> Written:
        """Write the records, then say what became of their segments."""
        written = self.writer(records, tally)
        return replace(written, details={**written.details, **dict(sorted(self.counts.items()))})

    def _record(self, document: Document, translated: TranslatedText) -> Record:
        reason = translated.rejection(self.min_accepted)
        self.counts["segments"] += translated.segments
        self.counts.update({f"failed_{code}": number for code, number in translated.failed.items()})
        new_id = f"{document.id}.{self.to_lang}"
        if reason is not None:
            failed = ", ".join(f"{code} {number}" for code, number in sorted(translated.failed.items()))
            where = f"{document.id}: of {translated.segments} segments {failed or 'none'} failed"
            return Reject(id=new_id, reason=reason, where=where, text=translated.text)
        self.counts["characters_left_as_they_were"] += translated.failed_characters.total()
        return replace(
            document, id=new_id, text=translated.text, lang=self.to_lang, kind="translated", parent_id=document.id
        )
