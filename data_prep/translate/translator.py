"""Segments through cache, batches, engine and checks: the one way from a segment to its translation."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from loguru import logger

from data_prep.translate.assemble import TranslatedText, assemble, to_translate
from data_prep.translate.attempts import attempt, out_of_order
from data_prep.translate.batching import batches
from data_prep.translate.cache import Cache, key_of
from data_prep.translate.checks import fault, tidy
from data_prep.translate.engines.base import Engine, EngineFault, Failure, Result
from data_prep.translate.settings import CheckSettings

HOPELESS_BATCHES = 3
"""So many batches in a row of which the engine answered nothing mean that it is out of order."""

_REPORT_EVERY = 100


@dataclass
class Translator:
    """Translates with one engine in one direction."""

    engine: Engine
    cache: Cache
    from_lang: str
    to_lang: str
    checks: CheckSettings = field(default_factory=CheckSettings)
    asked: int = 0
    """Segments the engine was asked for."""
    _failed: dict[str, str] = field(default_factory=dict)
    """{key: reason} of segments the engine has no translation for; asked for again by the next run."""
    _hopeless: int = 0

    def fetch(self, segments: Iterable[str]) -> None:
        """Have every masked segment translated that the cache does not hold; it holds them afterwards.

        Batches are cut from all segments, done or not, so that a run that was killed sends the same batches again.

        Raises:
            LangadaptError: The engine is out of order.
        """
        batched = batches(segments, self.engine.pace)
        for done, (batch, results) in enumerate(self._translated(batched), start=1):
            self._keep(batch, results)
            if done % _REPORT_EVERY == 0:
                logger.info("{:,} batches done, {:,} segments asked for", done, self.asked)

    def result(self, segment: str) -> Result:
        """The checked translation of a masked segment that was fetched, or why there is none."""
        translation = self.cache.get(segment)
        if translation is None:
            return Failure(self._failed[key_of(segment)])
        text = tidy(segment, translation, self.to_lang)
        reason = fault(segment, text, self.to_lang, self.checks)
        return text if reason is None else Failure(reason)

    def translate_texts(self, texts: Sequence[str]) -> list[TranslatedText]:
        """Translate texts with their structure; the caller decides with `rejection` what is good enough.

        Raises:
            LangadaptError: The engine is out of order.
        """
        self.fetch(unique(segment for text in texts for segment in to_translate(text, self.from_lang)))
        return [assemble(text, self.from_lang, self.result) for text in texts]

    def _translated(self, todo: Iterable[Sequence[str]]) -> Iterator[tuple[Sequence[str], list[Result]]]:
        """Batches with their results, a few under way at a time, in order."""
        side_by_side = self.engine.pace.side_by_side
        under_way: deque[tuple[Sequence[str], Future[list[Result]]]] = deque()
        with ThreadPoolExecutor(side_by_side) as pool:
            try:
                for batch in todo:
                    missing = [segment for segment in batch if segment not in self.cache]
                    if not missing:
                        continue
                    self.asked += len(missing)
                    under_way.append((missing, pool.submit(attempt, self.engine, missing)))
                    if len(under_way) >= side_by_side:
                        yield _first(under_way)
                while under_way:
                    yield _first(under_way)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _keep(self, batch: Sequence[str], results: Sequence[Result]) -> None:
        good = {each: result for each, result in zip(batch, results, strict=True) if isinstance(result, str)}
        self.cache.put(good)
        failures = {each: result for each, result in zip(batch, results, strict=True) if isinstance(result, Failure)}
        self._failed.update((key_of(segment), failure.reason) for segment, failure in failures.items())
        answered = good or not all(failure.by_engine for failure in failures.values())
        self._hopeless = 0 if answered else self._hopeless + 1
        if self._hopeless == HOPELESS_BATCHES:
            reasons = ", ".join(sorted({failure.reason for failure in failures.values()}))
            raise out_of_order(EngineFault(reasons, f"{reasons} for all of the last {HOPELESS_BATCHES} batches"))


def _first(under_way: deque[tuple[Sequence[str], Future[list[Result]]]]) -> tuple[Sequence[str], list[Result]]:
    batch, future = under_way.popleft()
    return batch, future.result()


def unique(segments: Iterable[str]) -> Iterator[str]:
    """Each segment once. Memory: about 100 bytes per different segment."""
    seen: set[str] = set()
    for segment in segments:
        key = key_of(segment)
        if key not in seen:
            seen.add(key)
            yield segment
