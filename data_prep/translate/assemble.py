"""One text: its segments for an engine, and the text rebuilt from their translations.

The stage, chat messages and back-translation all go through here.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from data_prep.translate.engines.base import Failure, Result
from data_prep.translate.protect import Masked, mask, translatable, unmask
from data_prep.translate.rebuild import rebuild, segments
from data_prep.translate.spans import Span, cut

LOST_PLACEHOLDER = "lost_placeholder"
NOTHING_TO_TRANSLATE = "nothing_to_translate"


@dataclass(frozen=True, kw_only=True)
class TranslatedText:
    """A rebuilt text and how much of it is translated."""

    text: str
    """Failed segments are in it as they were."""
    segments: int
    """Those with something to translate."""
    characters: int
    """In them."""
    failed: Counter[str]
    """{reason: segments}"""
    failed_characters: Counter[str]
    """{reason: characters}"""

    def rejection(self, min_accepted: float) -> str | None:
        """The reason to leave the text out, or None.

        It is accepted when the segments that passed hold at least this share of the characters to translate. The
        reason is that of most failed characters.
        """
        if not self.characters:
            return NOTHING_TO_TRANSLATE
        failed = self.failed_characters.total()
        if self.characters - failed >= min_accepted * self.characters:
            return None
        return max(sorted(self.failed_characters), key=lambda reason: self.failed_characters[reason])


def to_translate(text: str, lang: str) -> Iterator[str]:
    """The masked segments of a text that an engine must see, in order."""
    for masked in _masked(text, cut(text, lang=lang)):
        if translatable(masked):
            yield masked.text


def assemble(text: str, lang: str, result: Callable[[str], Result]) -> TranslatedText:
    """Rebuild a text.

    Args:
        text: The original.
        lang: Its language.
        result: The checked translation of a masked segment, or why there is none.
    """
    spans = cut(text, lang=lang)
    originals = segments(text, spans)
    translations, characters, count = [], 0, 0
    failed: Counter[str] = Counter()
    failed_characters: Counter[str] = Counter()
    for original, masked in zip(originals, _masked(text, spans), strict=True):
        if not translatable(masked):
            translations.append(original)
            continue
        outcome = _restored(result(masked.text), masked)
        count, characters = count + 1, characters + len(original)
        if isinstance(outcome, Failure):
            failed[outcome.reason] += 1
            failed_characters[outcome.reason] += len(original)
            outcome = original
        translations.append(outcome)
    return TranslatedText(
        text=rebuild(text, spans, translations),
        segments=count,
        characters=characters,
        failed=failed,
        failed_characters=failed_characters,
    )


def _masked(text: str, spans: tuple[Span, ...]) -> Iterator[Masked]:
    return map(mask, segments(text, spans))


def _restored(result: Result, masked: Masked) -> Result:
    if isinstance(result, Failure):
        return result
    restored = unmask(result, masked.protected)
    return Failure(LOST_PLACEHOLDER) if restored is None else restored
