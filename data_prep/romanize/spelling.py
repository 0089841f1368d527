"""How what is heard is typed in Latin letters: one table for Hindi words, another for those from English."""

import re

from data_prep.romanize.letters import CONSONANT, VOWEL, canonical
from data_prep.romanize.schwa import pronounce


class _Rules:
    """Replacements in order. Patterns are in single letters; <C> and <V> are a consonant and a vowel."""

    def __init__(self, *pairs: tuple[str, str]) -> None:
        patterns = [
            canonical(pattern).replace("<C>", f"[{CONSONANT}]").replace("<V>", f"[{VOWEL}]") for pattern, _ in pairs
        ]
        self.each = [(re.compile(pattern), latin) for pattern, (_, latin) in zip(patterns, pairs, strict=True)]
        self._any = re.compile("|".join(patterns))

    def apply(self, word: str) -> str:
        """The word after all replacements; most words match none, which one search finds out."""
        if not self._any.search(word):
            return word
        for pattern, latin in self.each:
            word = pattern.sub(latin, word)
        return word


def _table(devanagari: str, latin: str) -> dict[str, str]:
    return dict(zip(devanagari, latin.split(), strict=True))


_LATIN = str.maketrans(
    _table("कखगघङचछजझञ", "k kh g gh n ch chh j jh n")
    | _table("टठडढणतथदधन", "t th d dh n t th d dh n")
    | _table("पफबभमयरलळवशषसह", "p f b bh m y r l l v sh sh s h")
    | _table("\u0958\u0959\u095a\u095b\u095c\u095d\u095e\u095f", "q kh g z d dh f y")
    | _table("अआइईउऊऋएऐऑओऔऍऎऒॲॠऌ", "a a i i u u ri e ai o o au e e o e ri lri")
    | _table("ािीुूृेैॉोौॅॆॊə", "a i i u u ri e ai o o au e e o a")
    | _table("\u0900\u0904\u0955\u0956\u0957\u0973\u0974\u0975\u0976\u0977", "n a e u u a o au u u")
    | _table("\u0978\u0979\u097a\u097b\u097c\u097e\u097f", "d zh y g j d b")
    | dict.fromkeys("\u093a\u094e\u0951\u0952\u0953\u0954\u0971\u097d\u094d", "")
    | _table("\u093b\u094f\u0944\u0961\u0962\u0963", "o au ri lri lri lri")
    | {"ं": "n", "ँ": "n", "ः": "", "ऽ": "", "ॐ": "om", "\u0929": "n", "\u0931": "r", "\u0934": "l"}
)

_LOAN = re.compile(
    canonical(
        "[ॉॅऑऍॲ]|्टर|टर$|[^ुअ]शन$|मेंट|िंग$|िंग्स|टन$|[^ि]सन$|[लनर]्[डट]|[^ा]ल्स$|न्स$|क्स|स्ट[^ाी]|ट्स|ियम|ियन$|लैंड|बर्[गटन]|"
        "^स्?[टफपक]्|^[बफपगक]्ल|^[टड]्र|िटी$|[^ज]्यू|ाउं?[टडन]|ैम$|नेस$|[टड]ो$|लेस$|ाइ<C>?$|ेशि|"
        "मैन$|स्की$|फोर्ड|वुड$|वर्थ|फील्ड|स्टोन|विल$|व्ह|[^न]्वे$|हैम$".replace("<C>", f"[{CONSONANT}]")
    )
)
"""What Hindi words do not have."""

_BEFORE = _Rules(("ज्ञ", "ग्य"), ("च्च", "c्च"), ("च्छ", "c्छ"), ("([^र])्व(?=ा|<C>|$)", r"\1्w"))

_DOUBLE_CH = (("cछ", "chh"), ("cच", "cch"))

_HINDI = _Rules(
    *_DOUBLE_CH,
    ("^आ(?=<C>+[ंँ]?<V>?[ंँ]?<C>*<V>?$)", "aa"),
    ("^व(?=ा)", "w"),
    ("व(?=ाल)", "w"),
    ("(?<=<C>)ी(?=<C>$)", "ee"),
    ("^(<C>)ी(?=<C><V>)", r"\1ee"),
    ("(?<=<C>)ू(?=<C>$)", "oo"),
    ("(?<=[ािीआ])ए", "ye"),
)

_LOANS = _Rules(
    *_DOUBLE_CH,
    ("ेशə?न(?=$|स)", "ation"),
    ("शə?न(?=$|स)", "tion"),
    ("वुड", "wood"),
    ("फील्?ड$", "field"),
    ("^वॉ", "wa"),
    ("वॉ", "wa"),
    ("कw", "qu"),
    ("कवि", "qui"),
    ("कवी", "quee"),
    ("वरथ", "worth"),
    ("^डे$|(?<=<C>)डे$", "day"),
    ("वे$", "way"),
    ("ले$", "ley"),
    ("ियəम$", "ium"),
    ("ियəन(?=$|स)", "ian"),
    ("िया$", "ia"),
    ("िय(?=[ाəो])", "i"),
    ("ियो$", "io"),
    ("बरग", "berg"),
    ("लस$", "lls"),
    ("हw", "wh"),
    ("यू$", "ew"),
    ("ə(?=र(?:<C>|$))", "e"),
    ("टə?न(?=$|स)", "ton"),
    ("सə?न$", "son"),
    ("ै(?=[ंनम]?<C>)", "a"),
    ("ॅ", "a"),
    ("ऐ(?=<C>)", "a"),
    ("ाइ(<C>)$", r"i\1e"),
    ("ाइ", "i"),
    ("ाय(?=<C>)", "y"),
    ("ाउ", "ou"),
    ("कस", "x"),
    ("िक(?=$|स|ल)", "ic"),
    ("क(?=[ाəोॉुूौलरटa])", "c"),
    ("(?<=<C>)ी$", "y"),
    ("(?<=<C>)ी(?=<C>$)", "ee"),
    ("(?<=<C>)ू(?=<C>$)", "oo"),
    ("यू", "u"),
    ("(?<=<C>)यु", "u"),
)

_AFTER = _Rules(("ं(?=[पफबभम\u095ebfpm])", "m"), ("ः$", "h"))


def spell(word: str) -> str:
    """The Latin spelling of a Devanagari word in single letters, by rule."""
    return _with_rules(word).translate(_LATIN)


_HABITS = _Rules(("\u095b", "j"), ("ा(?=.)", "aa"), ("ी(?=.)", "ee"), ("ू", "oo"), ("[फ\u095e]", "ph"), ("ी$", "ee"))
"""Other ways to type a letter, each in use on its own."""


def habits(word: str) -> tuple[str, ...]:
    """How else people may type a word in single letters: each differs from `spell` in one habit."""
    mixed = _with_rules(word)
    found = dict.fromkeys(pattern.sub(latin, mixed).translate(_LATIN) for pattern, latin in _HABITS.each)
    found.pop(mixed.translate(_LATIN), None)
    return tuple(found)


def _with_rules(word: str) -> str:
    """What the rules decide is in Latin letters, the rest still in Devanagari."""
    if not word:
        return word
    loan = bool(_LOAN.search(word))
    heard = pronounce(_BEFORE.apply(word), loan=loan)
    return _AFTER.apply((_LOANS if loan else _HINDI).apply(heard))
