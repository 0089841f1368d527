"""Hindi in Latin letters as people type it: "भारत एक विशाल देश है" -> "bharat ek vishal desh hai".

    python -m data_prep.romanize < hindi.txt > roman.txt

The stage gives every real Devanagari document a romanised child. The rules, a word at a time:

1. A consonant carries a short a (the schwa) unless a vowel sign or virama follows.
2. The schwa is silent at the end of a word (bharat), unless a cluster could not be said without it (putra, rajya).
3. Right to left, the schwa of a single consonant is silent between a vowel and a consonant with a vowel, VC_CV
   (kharidni, samajhna); never in the first syllable, never when nasalised. Ohala, Aspects of Hindi Phonology, 1983.
4. Vowel length is not written (bazar), except for an initial aa (aap). Nasals are n, or m before a lip consonant.

Everything that is not Devanagari stays as it is; the danda becomes a full stop, digits become ASCII.
"""

import re
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from data_prep.documents import Document, Record, Reject
from data_prep.files import read_shards
from data_prep.flow import PRODUCT, DocumentShards, documents_shards, romanized, to_romanize
from data_prep.prep_settings import PrepSettings
from data_prep.split import write_documents
from data_prep.tasks import Stage, Step, Task


def _table(devanagari: str, latin: str) -> dict[str, str]:
    return dict(zip(devanagari, latin.split(), strict=True))


_CONSONANTS = (
    _table("कखगघङचछजझञ", "k kh g gh n ch chh j jh n")
    | _table("टठडढणतथदधन", "t th d dh n t th d dh n")
    | _table("पफबभमयरलळवशषसह", "p ph b bh m y r l l v sh sh s h")
)
_WITH_NUKTA = _table("कखगजडढफ", "q kh g z d dh f")
_VOWELS = _table("अआइईउऊऋएऐऑओऔऍऎऒ", "a a i i u u ri e ai o o au e e o")
_SIGNS = _table("ािीुूृेैॉोौॅॆॊ", "a i i u u ri e ai o o au e e o")
_VIRAMA, _NUKTA, _ANUSVARA, _CHANDRABINDU, _VISARGA = "\u094d\u093c\u0902\u0901\u0903"
_LABIALS = frozenset("पफबभम")
_SONORANTS = frozenset("यरलळवनमण")

_CONJUNCTS = {("ज", "ञ"): ("g", "y"), ("च", "च"): ("c", "ch"), ("च", "छ"): ("", "chh")}
"""Written pairs that are said otherwise: gyan, bachcha (typed baccha), achchha (typed achha)."""

_EXCEPTIONS = {"में": "mein", "यह": "yeh", "वह": "woh", "हूँ": "hoon", "हूं": "hoon", "ॐ": "om"}
"""Frequent words whose common spelling no rule gives."""

_WORD = re.compile("[\u0900-\u0963\u0971-\u097f][\u0900-\u0963\u0971-\u097f\u200c\u200d]*")
_OTHER = str.maketrans({"।": ".", "॥": ".", "॰": "."} | {chr(0x966 + digit): str(digit) for digit in range(10)})
_JOINERS = dict.fromkeys((0x200C, 0x200D))


@dataclass(frozen=True, slots=True)
class _Unit:
    """Consonants and the vowel they carry."""

    letters: tuple[str, ...]
    """Devanagari consonants of the cluster; a nukta stays behind its letter."""
    vowel: str
    """Latin; empty when silent."""
    schwa: bool = False
    """Whether the vowel is the unwritten short a."""
    nasal: str = ""
    """The anusvara or chandrabindu."""
    visarga: bool = False


def romanize(text: str) -> str:
    """Romanise the Devanagari in `text`; the rest stays."""
    return _WORD.sub(lambda match: romanize_word(match[0]), text).translate(_OTHER)


@lru_cache(maxsize=1 << 17)
def romanize_word(word: str) -> str:
    """Romanise one Devanagari word."""
    word = unicodedata.normalize("NFC", word.translate(_JOINERS))
    if word in _EXCEPTIONS:
        return _EXCEPTIONS[word]
    units = _silence_medial(_silence_final(_parse(word)))
    return "".join(_spell(units, index) for index in range(len(units)))


def _parse(word: str) -> list[_Unit]:
    """Cut a word into clusters with their vowels; a final virama leaves a cluster without one."""
    units: list[_Unit] = []
    cluster: list[str] = []
    for index, char in enumerate(word):
        following = word[index + 1 : index + 2]
        if char in _CONSONANTS:
            cluster.append(char + _NUKTA if following == _NUKTA else char)
            after = word[index + 2 : index + 3] if following == _NUKTA else following
            if after != _VIRAMA and after not in _SIGNS:
                units.append(_Unit(tuple(cluster), "a", schwa=True))
                cluster = []
        elif char in _SIGNS or char in _VOWELS:
            units.append(_Unit(tuple(cluster), _SIGNS.get(char) or _VOWELS[char]))
            cluster = []
        elif char in (_ANUSVARA, _CHANDRABINDU) and units:
            units[-1] = replace(units[-1], nasal=char)
        elif char == _VISARGA and units:
            units[-1] = replace(units[-1], visarga=True)
    if cluster:
        units.append(_Unit(tuple(cluster), ""))
    if word[:1] == "आ" and units:
        units[0] = replace(units[0], vowel="aa")
    return units


def _silence_final(units: list[_Unit]) -> list[_Unit]:
    """Rule 2."""
    if len(units) < 2:
        return units if not units or len(units[0].letters) < 2 or _needs_vowel(units) else _silent_at(units, 0)
    last = units[-1]
    if not last.schwa or last.nasal or last.visarga or _needs_vowel(units):
        return units
    return _silent_at(units, len(units) - 1)


def _needs_vowel(units: Sequence[_Unit]) -> bool:
    """Whether the final consonants cannot be said without a vowel: -ya after i (priya), putra, rajya, ratna."""
    letters = units[-1].letters
    if len(letters) > 1:
        before, final = letters[-2], letters[-1]
        return final == "य" or (final in _SONORANTS and before not in _SONORANTS) or (before, final) == ("ज", "ञ")
    return letters == ("य",) and len(units) > 1 and units[-2].vowel == "i"


def _silence_medial(units: list[_Unit]) -> list[_Unit]:
    """Rule 3."""
    for index in range(len(units) - 2, 0, -1):
        unit, before, after = units[index], units[index - 1], units[index + 1]
        silent = (
            unit.schwa
            and len(unit.letters) == 1
            and not (unit.nasal or unit.visarga)
            and before.vowel
            and before.nasal != _ANUSVARA  # said as a consonant of its own: jangalon
            and len(after.letters) == 1
            and after.vowel
        )
        if silent:
            units = _silent_at(units, index)
    return units


def _silent_at(units: list[_Unit], index: int) -> list[_Unit]:
    return [*units[:index], replace(units[index], vowel=""), *units[index + 1 :]]


def _spell(units: Sequence[_Unit], index: int) -> str:
    """The Latin letters of one unit among its neighbours."""
    unit = units[index]
    consonants = _spell_cluster(unit.letters)
    if not unit.letters and unit.vowel == "e" and index and units[index - 1].vowel[-1:] in ("a", "i"):
        consonants = "y"  # लिए liye, जाएगा jayega
    after = units[index + 1].letters if index + 1 < len(units) else ()
    nasal = ""
    if unit.nasal:
        nasal = "m" if unit.nasal == _ANUSVARA and after and after[0][0] in _LABIALS else "n"
    visarga = "h" if unit.visarga and index + 1 == len(units) else ""
    return consonants + unit.vowel + nasal + visarga


def _spell_cluster(letters: Sequence[str]) -> str:
    spelt = [
        _WITH_NUKTA.get(letter[0], _CONSONANTS[letter[0]]) if letter.endswith(_NUKTA) else _CONSONANTS[letter]
        for letter in letters
    ]
    for index in range(len(letters) - 1):
        pair = (letters[index], letters[index + 1])
        if pair in _CONJUNCTS:
            spelt[index], spelt[index + 1] = _CONJUNCTS[pair]
        elif pair in (("स", "व"), ("द", "व")):
            spelt[index + 1] = "w"  # swagat, dwara
    return "".join(spelt)


def stage(settings: PrepSettings) -> Stage:
    """One task per shard of finished Devanagari documents."""
    tasks = tuple(_task(settings, shards) for shards in documents_shards(settings, to_romanize(settings)))
    return Stage(name="romanize", steps=(Step(name="documents", tasks=tasks, transforms=(romanize_document,)),))


def _task(settings: PrepSettings, shards: DocumentShards) -> Task:
    dataset = romanized(shards.dataset)
    name = f"{shards.dataset.kind}_{shards.name}"
    sides = (shards.train, shards.heldout)
    return Task(
        name=f"{dataset.name}/{name}",
        group=dataset.name,
        settings={"heldout_fraction": settings.heldout_fraction},
        inputs=sides,
        receipt=settings.layout.stage_receipt(PRODUCT, dataset.name, name),
        read=partial(read_shards, sides),
        write=partial(write_documents, settings.layout, "romanize", dataset, name, settings.heldout_fraction),
    )


def romanize_document(document: Document) -> Record:
    """The romanised child of a document, on the same side of the split because it shares the group."""
    text = romanize(document.text)
    if text == document.text:
        return Reject(id=document.id, reason="no_devanagari", where="romanize", text=document.text)
    return replace(
        document,
        id=f"{document.id}.hi-Latn",
        text=text,
        lang="hi-Latn",
        kind="romanized",
        parent_id=document.id,
    )


def _filter() -> None:
    """Standard input to standard output, line by line."""
    sys.stdin.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    for line in sys.stdin:
        sys.stdout.write(romanize(line))


if __name__ == "__main__":
    _filter()
