"""One document through all of stage clean: repaired and normalised text, or the first fault found."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from data_prep.clean import boilerplate, characters, heuristics, language, mojibake, personal_data
from data_prep.clean.heuristics import Fault, Text
from data_prep.clean.normalize import normalize, tidy
from data_prep.clean.settings import CleanSettings, LanguageRules
from data_prep.documents import Document, Record, Reject

_AROUND = ".,;:!?।॥\"'()[]{}<>“”‘’«»…-–—*#|`~_=+/\\•"
"""What is no part of a word at its ends; Hindi also writes the visarga for a colon, which stays."""

Notes = Counter[str]
"""What was changed in the documents that were kept, for the receipt."""


def clean(document: Document, settings: CleanSettings, notes: Notes) -> Record:
    """The cleaned document, or the original as a reject with the first measure that failed."""
    rules = settings.rules(document.lang)
    changes: Notes = Counter()
    text = _clean_text(document.text, rules, settings.mask_personal_data, changes)
    fault = text if isinstance(text, Fault) else find_fault(text, document.lang, rules)
    if fault:
        return Reject(id=document.id, reason=fault.reason, where=f"clean: {fault.detail}", text=document.text)
    assert isinstance(text, str)  # noqa: S101  a Fault was returned above
    notes.update(changes)
    return document if text == document.text else replace(document, text=text)


def find_fault(text: str, lang: str, rules: LanguageRules) -> Fault | None:
    """The first rule that a cleaned text breaks; cheap rules come first."""
    counts = characters.count(text)
    faults = heuristics.character_faults(counts, lang.split("-")[1], rules)
    measured = _measure(text)
    rest = chain(
        heuristics.shape_faults(measured, rules),
        heuristics.repetition_faults(measured, rules),
        _language_faults(measured, lang, rules),
    )
    return next(filter(None, chain(faults, rest)), None)


def _clean_text(original: str, rules: LanguageRules, masked: bool, changes: Notes) -> str | Fault:  # noqa: FBT001
    """The text after every change, which are counted, or why it cannot be used."""
    if fault := heuristics.above("too_long", "characters", len(original), rules.max_characters):
        return fault
    counts = characters.count(original)
    repaired = mojibake.repair(original, counts)
    share = repaired.damage / max(len(repaired.text), 1)
    if fault := heuristics.above("mojibake", "damaged character share", share, rules.max_damage_share):
        return fault
    if repaired.repaired:
        changes["mojibake_repaired"] += 1
        counts = characters.count(repaired.text)
    text = normalize(repaired.text, counts, keep_joiners=rules.keep_joiners)
    changes["normalized"] += text != repaired.text
    text = _strip_lines(text, rules, changes)
    if masked:
        hidden = personal_data.mask(text)
        changes.update({f"masked_{kind.lower()}": times for kind, times in hidden.found.items()})
        text = hidden.text
    return text


def _strip_lines(text: str, rules: LanguageRules, changes: Notes) -> str:
    stripped = boilerplate.strip(text.split("\n"), rules.max_line_repeats, listed=rules.strip_boilerplate)
    changes["boilerplate_lines"] += stripped.listed
    changes["repeated_lines"] += stripped.repeated
    return tidy("\n".join(stripped.lines)) if stripped.listed or stripped.repeated else text


def _measure(text: str) -> Text:
    words = [bare for word in text.lower().split() if (bare := word.strip(_AROUND))]
    return Text(text=text, words=words, lines=[line for line in text.split("\n") if line])


def _language_faults(text: Text, lang: str, rules: LanguageRules) -> Iterator[Fault | None]:
    """Whether the text is in its language; nothing can be said of one without function words."""
    if not language.knows(lang):
        return
    found = language.identify(text.words, lang)
    confidence = f"{lang} confidence (best: {found.best})"
    wrong = heuristics.below("wrong_language", confidence, found.confidence, rules.confidence(lang))
    if found.best != lang:
        yield wrong
    share = found.function_word_share
    yield heuristics.below("few_function_words", "function word share", share, rules.min_function_word_share)
    yield heuristics.below("few_function_words", "distinct function words", found.distinct, rules.min_function_words)
    yield wrong
