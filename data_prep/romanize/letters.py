"""Devanagari words as strings of single letters, which the rules and the lexicon share.

One letter is one code point here: a consonant with a nukta is its composed form (U+0958 to U+095F), although NFC
keeps those apart; joiners are gone.
"""

import unicodedata

VIRAMA, NUKTA, ANUSVARA, CHANDRABINDU, VISARGA = "\u094d\u093c\u0902\u0901\u0903"

CONSONANT = "\u0915-\u0939\u0958-\u095fw"
"""Ranges for a character class: ka to ha, those with a nukta, and w for the va that is typed so."""
SIGN = "\u093e-\u0943\u0945-\u0949\u094a-\u094c"
"""Vowel signs."""
INDEPENDENT = "\u0904-\u0914\u0972"
"""Vowels that stand alone."""
SCHWA = "ə"
"""The short a that is heard but not written."""
VOWEL = SIGN + INDEPENDENT + SCHWA

_NUKTA_LETTERS = {
    base + NUKTA: chr(composed) for base, composed in zip("कखगजडढफय", range(0x958, 0x960), strict=True)
} | {"न" + NUKTA: "न", "र" + NUKTA: "र", "ळ" + NUKTA: "ळ"}


def canonical(word: str) -> str:
    """A word in single letters; equal for every way Unicode has to write it."""
    word = unicodedata.normalize("NFC", word.replace("\u200c", "").replace("\u200d", ""))
    if NUKTA in word:
        for pair, letter in _NUKTA_LETTERS.items():
            word = word.replace(pair, letter)
        word = word.replace(NUKTA, "")
    return word
