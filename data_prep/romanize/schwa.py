"""Which of the short a's that Devanagari leaves unwritten are heard.

1. A consonant carries one (the schwa) unless a vowel sign or virama follows.
2. It is silent at the end of a word (bharat), unless a cluster could not be said without it (putra, rajya).
3. Right to left, that of a single consonant is silent between a vowel and a consonant with a vowel, VC_CV
   (kharidni, samajhna); never in the first syllable, never when nasalised. Ohala, Aspects of Hindi Phonology, 1983.
4. The parts of a compound are words of their own (ram-nagar, gur-preet).
"""

import re

from data_prep.romanize.letters import CHANDRABINDU, CONSONANT, SCHWA, SIGN, VIRAMA, VOWEL, canonical

_UNWRITTEN = re.compile(f"(?<=[{CONSONANT}])(?![{SIGN}{VIRAMA}])")
"""The place, not the consonant: a plain replacement is four times as fast as one with a group."""
_TWO_SYLLABLES = re.compile(f"[{VOWEL}].*[{VOWEL}]")
_SONORANTS = "यरलळवwनमण"
_OBSTRUENTS = "क-घच-झट-ढत-धप-भशषसह\u0958-\u095e"
_NEEDS_VOWEL = re.compile(
    f"[{CONSONANT}]{VIRAMA}य$|[{_OBSTRUENTS}]{VIRAMA}[{_SONORANTS}]$|ज{VIRAMA}ञ$|[\u093f\u0940]य$"
)
"""Final consonants that cannot be said without a vowel: -ya after i (priya), putra, rajya, ratna."""
_MEDIAL = re.compile(f"([{VOWEL}][{CONSONANT}]){SCHWA}(?=[{CONSONANT}]{CHANDRABINDU}?[{VOWEL}])")
"""Rule 3 on the word written backwards: what a match consumed cannot be the vowel of the next one."""
_MEDIAL_LOAN = re.compile(
    f"([{VOWEL}](?:[{CONSONANT}]{VIRAMA})?[{CONSONANT}]){SCHWA}(?=[{CONSONANT}](?:{VIRAMA}[{CONSONANT}])?[{VOWEL}])"
)
"""The same where clusters stand around it, which English has everywhere: portsmouth."""
_LAST_PARTS = (
    "पुर पुरा नगर गढ़ बाद राम लाल सिंह दास नाथ देव दत्त प्रसाद कुमार वाल वाला वाले वाली जीत प्रीत चंद चंद्र वती गाँव गांव पाल पति पूर्ण "
    "शंकर राज बीर वीर दीप मोहन किशोर भगत"
)
_COMPOUND = re.compile(f"^(.*[{CONSONANT}].*[{CONSONANT}])({canonical(_LAST_PARTS).replace(' ', '|')})$")
"""Names of places and people; the first part has two consonants and ends in one."""


def pronounce(word: str, *, loan: bool) -> str:
    """The word with its heard schwas written and without viramas.

    Args:
        word: In single letters (letters.canonical).
        loan: Whether it comes from English, where clusters do not keep a schwa alive.
    """
    if not loan and (parts := _COMPOUND.match(word)):
        return _pronounce(parts[1], loan=False) + _pronounce(parts[2], loan=False)
    return _pronounce(word, loan=loan)


def _pronounce(word: str, *, loan: bool) -> str:
    keeps_final = bool(_NEEDS_VOWEL.search(word)) and not loan
    word = _UNWRITTEN.sub(SCHWA, word)
    if word[-1] == SCHWA and not keeps_final and _TWO_SYLLABLES.search(word):
        word = word[:-1]
    if SCHWA in word[2:-2]:
        word = (_MEDIAL_LOAN if loan else _MEDIAL).sub(r"\1", word[::-1])[::-1]
    return word.replace(VIRAMA, "")
