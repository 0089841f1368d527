"""Step `translations`: examples of one set translated, and kept where their back-translation agrees.

Examples are tried in the order of a hash of their ids until enough are kept, in rounds: each round reads the file
again and tries as many as are still wanted. So the choice depends on nothing but ids and engines, and memory holds one
number per example (about 100 bytes) and a batch.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from data_prep.documents import Document, Record, Reject, compact_json
from data_prep.errors import DataError
from data_prep.instruct.back_translation import RoundTrip, Verdict
from data_prep.instruct.examples import Example, rows
from data_prep.instruct.formats import FORMATS
from data_prep.instruct.settings import InstructTranslateSettings
from data_prep.prep_settings import OnBad
from data_prep.receipts import Tally
from data_prep.tasks import Written
from data_prep.translate.engines.make import make_engine
from data_prep.translate.fetch import open_cache
from data_prep.translate.translator import Translator

BATCH = 512
"""Examples translated together: some thousand segments, enough for batches of like length."""


@dataclass(frozen=True, kw_only=True)
class Translations:
    """Reads a set through both engines; writes what was kept, and counts."""

    name: str
    path: Path
    rules: InstructTranslateSettings
    default_lang: str
    on_bad_line: OnBad
    cache: Path
    writer: Callable[[Iterable[Record], Tally], Written]
    counts: Counter[str] = field(default_factory=Counter)

    def read(self) -> Iterator[Record]:
        """Kept translations in their normal form, and rejects.

        Raises:
            DataError: No example is in from_lang.
            LangadaptError: An engine is out of order.
        """
        self.counts.clear()
        order = self._order()
        self.counts["candidates"] = len(order)
        rules = self.rules
        engine, back_engine = rules.engine, rules.back_engine
        assert engine  # noqa: S101  the settings have seen to it
        assert back_engine  # noqa: S101
        there, back = (rules.from_lang, rules.to_lang), (rules.to_lang, rules.from_lang)
        with open_cache(self.cache, engine, there) as forth, open_cache(self.cache, back_engine, back) as return_:
            trip = RoundTrip(
                forward=Translator(make_engine(engine, *there), forth, *there, rules.checks),
                back=Translator(make_engine(back_engine, *back), return_, *back, rules.checks),
                min_chrf=rules.min_chrf,
            )
            while order and self.counts["kept"] < rules.max_examples:
                wanted = rules.max_examples - self.counts["kept"]
                yield from self._round(trip, set(order[:wanted]))
                order = order[wanted:]

    def write(self, records: Iterable[Record], tally: Tally) -> Written:
        """Write the records, then say how many examples there were and how many were tried."""
        written = self.writer(records, tally)
        return replace(written, details={**written.details, **dict(sorted(self.counts.items()))})

    def _examples(self) -> Iterator[tuple[int, Example]]:
        """Numbered examples in from_lang; bad lines are the next step's to count."""
        found = rows(FORMATS[self.name], self.path, self.on_bad_line, self.default_lang)
        for number, example in enumerate(found):
            if isinstance(example, Example) and example.document.lang == self.rules.from_lang:
                yield number, example

    def _order(self) -> list[int]:
        """Numbers of all examples that can be tried, by the hash of their ids."""
        ranked = [(_rank(example.document.id), number) for number, example in self._examples()]
        if not ranked:
            raise DataError(
                f"no example is in {self.rules.from_lang}: nothing to translate",
                where=str(self.path),
                why="examples say their language in `lang`; those that do not are taken for "
                f"instruct.default_lang={self.default_lang}",
                fix=f"instruct.default_lang={self.rules.from_lang} if the file is in that language\n"
                f"or take {self.name} out of instruct.translate.sets",
            )
        return [number for _, number in sorted(ranked)]

    def _round(self, trip: RoundTrip, wanted: set[int]) -> Iterator[Record]:
        form = FORMATS[self.name]
        chosen = (example for number, example in self._examples() if number in wanted)
        while batch := list(islice(chosen, BATCH)):
            verdicts = trip.judge([form.texts(example.value) for example in batch])
            for example, verdict in zip(batch, verdicts, strict=True):
                record = self._record(example, verdict)
                self.counts["tried"] += 1
                self.counts["kept"] += isinstance(record, Document)
                yield record

    def _record(self, example: Example, verdict: Verdict) -> Record:
        form, english = FORMATS[self.name], example.document
        new_id = f"{english.id}.{self.rules.to_lang}"
        value = {**form.with_texts(example.value, verdict.translation), "id": new_id, "lang": self.rules.to_lang}
        if verdict.fault:
            reason, words = verdict.fault
            words = f"{form.text_names(value)[verdict.number]} {words}"
        elif fault := form.fault(value):
            reason, words = fault
        else:
            text, to_lang = compact_json(value), self.rules.to_lang
            return replace(english, id=new_id, text=text, lang=to_lang, kind="translated", parent_id=english.id)
        text = compact_json({**value, "back_translation": list(verdict.back)})
        return Reject(id=new_id, reason=reason, where=f"{example.where}: {words}", text=text)


def _rank(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()[:8]
