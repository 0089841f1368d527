"""Step `translations`: each different segment of one part, from all shards, translated once.

Memory: some 300 bytes per different segment of the part (keys), and a window of segments while they are batched.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.documents import Record
from data_prep.errors import DataError
from data_prep.receipts import Tally
from data_prep.tasks import Written
from data_prep.translate.cache import Cache, cache_folder, key_of
from data_prep.translate.engines.base import Failure, Result
from data_prep.translate.engines.make import make_engine
from data_prep.translate.frames import read_frame, write_frames
from data_prep.translate.settings import CheckSettings, EngineSettings
from data_prep.translate.translator import Translator, unique


def direction(identity: Any, from_lang: str, to_lang: str) -> dict[str, Any]:
    """All that decides a segment's translation: an engine's identity and the languages."""
    return {**identity, "from_lang": from_lang, "to_lang": to_lang}


def open_cache(cache: Path, engine: EngineSettings, langs: tuple[str, str], *, part: int = 0, parts: int = 1) -> Cache:
    """The cache of an engine and a direction; give each task that may run beside others a part of its own."""
    identity = direction(make_engine(engine, *langs).identity, *langs)
    return Cache(cache_folder(cache, identity), part, parts)


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """Translates one part and writes the checked results, one frame per shard, in the order of its segments."""

    segments: tuple[Path, ...]
    """Side files of step `segments`."""
    output: Path
    part: int
    parts: int
    engine: EngineSettings
    langs: tuple[str, str]
    checks: CheckSettings
    cache: Path

    def write(self, _records: Iterable[Record], _tally: Tally) -> Written:
        """The task's writer."""
        with open_cache(self.cache, self.engine, self.langs, part=self.part, parts=self.parts) as cache:
            translator = Translator(make_engine(self.engine, *self.langs), cache, *self.langs, self.checks)
            translator.fetch(unique(each for path in self.segments for each in read_frame(path, self.part)))
            reasons: dict[str, str | None] = {}
            outputs = write_frames(self.output, (self._frame(path, translator, reasons) for path in self.segments))
        failed = Counter(reason for reason in reasons.values() if reason)
        details = {"different": len(reasons), "asked": translator.asked, "failed": dict(sorted(failed.items()))}
        return Written(outputs=outputs, details=details)

    def _frame(self, path: Path, translator: Translator, reasons: dict[str, str | None]) -> list[Any]:
        segments = read_frame(path, self.part)
        results = list(map(translator.result, segments))
        codes = [result.reason if isinstance(result, Failure) else None for result in results]
        reasons.update(zip(map(key_of, segments), codes, strict=True))
        return [{"failed": result.reason} if isinstance(result, Failure) else result for result in results]


def results_of(segments: Path, number: int, translations: tuple[Path, ...]) -> dict[str, Result]:
    """{masked segment: result} of one shard: its segments, and its frame of every part's translations.

    Raises:
        DataError: A side file is damaged, or the two do not belong together.
    """
    results: dict[str, Result] = {}
    for part, path in enumerate(translations):
        try:
            for segment, item in zip(read_frame(segments, part), read_frame(path, number), strict=True):
                results[segment] = Failure(item["failed"]) if isinstance(item, dict) else item
        except ValueError as error:
            raise DataError(
                f"the translations of part {part} are not those of this shard's segments",
                where=f"{segments}\n{path}",
                why="sentences would land in other documents",
                fix="delete both and run `langadapt prep` again: they are made anew",
            ) from error
    return results
