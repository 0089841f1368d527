"""There and back: texts translated, translated back, and judged by what came back.

Both directions use stage translate's Translator. chrF++ alone does not see a translation whose end repeats itself: a
few words among many cost it a few points (such a row once scored 94), so repetition is looked for on its own.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from data_prep.jsonl import Fault
from data_prep.translate.assemble import NOTHING_TO_TRANSLATE, TranslatedText
from data_prep.translate.translator import Translator

if TYPE_CHECKING:
    from sacrebleu.metrics import CHRF

MAX_IN_A_ROW = 3
"""So often may a phrase come in a row, if it does not in the source: `nahin, nahin, nahin` is still speech."""

_LONGEST_PHRASE = 16


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One example's texts on both ways, and why they are not good enough, if so."""

    translation: tuple[str, ...]
    back: tuple[str, ...]
    """Empty when the translation was not worth translating back."""
    fault: Fault | None
    number: int = 0
    """Of the text at fault, from 0."""


@dataclass(frozen=True, kw_only=True)
class RoundTrip:
    """Translates examples there and back."""

    forward: Translator
    back: Translator
    min_chrf: float

    def judge(self, examples: Sequence[Sequence[str]]) -> list[Verdict]:
        """A verdict per example; the segments of all examples share the engines' batches."""
        there = _by_example(examples, self.forward)
        verdicts = [self._forward_verdict(*pair) for pair in zip(examples, there, strict=True)]
        good = [number for number, verdict in enumerate(verdicts) if verdict.fault is None]
        returned = _by_example([verdicts[number].translation for number in good], self.back)
        for number, back in zip(good, returned, strict=True):
            verdicts[number] = self._back_verdict(examples[number], there[number], back)
        return verdicts

    def _forward_verdict(self, texts: Sequence[str], there: Sequence[TranslatedText]) -> Verdict:
        translation = tuple(each.text for each in there)
        if not any(each.characters for each in there):
            fault = Fault(NOTHING_TO_TRANSLATE, "has nothing to translate, nor have the others")
            return Verdict(translation=translation, back=(), fault=fault)
        faults = [_fault(text, each, self.forward.to_lang) for text, each in zip(texts, there, strict=True)]
        return _verdict(translation, (), faults)

    def _back_verdict(
        self, texts: Sequence[str], there: Sequence[TranslatedText], back: Sequence[TranslatedText]
    ) -> Verdict:
        faults = [
            (_fault(text, each, self.back.to_lang) or self._disagreement(text, each)) if forward.characters else None
            for text, forward, each in zip(texts, there, back, strict=True)
        ]
        return _verdict(tuple(each.text for each in there), tuple(each.text for each in back), faults)

    def _disagreement(self, text: str, back: TranslatedText) -> Fault | None:
        score = chrf(back.text, text)
        if score >= self.min_chrf:
            return None
        return Fault("back_translation", f"came back with chrF++ {score:.1f}, below {self.min_chrf}")


def _verdict(translation: tuple[str, ...], back: tuple[str, ...], faults: Sequence[Fault | None]) -> Verdict:
    """The first fault counts."""
    number, fault = next(((n, fault) for n, fault in enumerate(faults) if fault), (0, None))
    return Verdict(translation=translation, back=back, fault=fault, number=number)


def _by_example(examples: Sequence[Sequence[str]], translator: Translator) -> list[list[TranslatedText]]:
    flat = iter(translator.translate_texts([text for texts in examples for text in texts]))
    return [[next(flat) for _ in texts] for texts in examples]


def _fault(source: str, made: TranslatedText, to_lang: str) -> Fault | None:
    """Why one text's translation is no good, by its segments or because it repeats itself."""
    reason = made.rejection(1.0)
    if reason is not None and reason != NOTHING_TO_TRANSLATE:
        failed = ", ".join(f"{code} {number}" for code, number in sorted(made.failed.items()))
        return Fault(reason, f"to {to_lang}: of {made.segments} segments {failed} failed")
    times = in_a_row(made.text)
    if times > max(MAX_IN_A_ROW, in_a_row(source)):
        return Fault("repetition", f"to {to_lang}: the same words {times} times in a row")
    return None


def in_a_row(text: str) -> int:
    """How often the same phrase of up to 16 words comes in a row, at most."""
    words = text.casefold().translate(_NO_PUNCTUATION).split()
    most = 1
    for length in range(1, min(_LONGEST_PHRASE, len(words) // 2) + 1):
        same = 0
        for earlier, later in zip(words, words[length:], strict=False):
            same = same + 1 if earlier == later else 0
            most = max(most, same // length + 1)
    return most


_NO_PUNCTUATION = {ord(mark): " " for mark in ",.;:!?।॥\"'“”‘’()"}


def chrf(text: str, reference: str) -> float:
    """Sentence chrF++ (character 6-grams, word 2-grams), 0 to 100."""
    return float(_metric().sentence_score(text, [reference]).score)


@functools.cache
def _metric() -> "CHRF":
    from sacrebleu.metrics import CHRF

    return CHRF(word_order=2)
