"""What a preparation may say about stage clean: one set of rules for each language, every limit with its origin."""

from dataclasses import dataclass, field, fields

NATIVE_CONFIDENCE, ROMANISED_CONFIDENCE = 0.85, 0.6
"""Setu has 0.9 and 0.6, of a fastText classifier. Of ours, 0.8 to 0.9 decide the texts of the tests alike, and 0.85
loses fewer children's stories full of names."""


@dataclass(frozen=True, kw_only=True)
class LanguageRules:
    """What a document of one language must be like. A limit of 0 (minimum) or 1 (share) switches a rule off."""

    min_words: int = 25
    """Our choice: Gopher's 50 drops one in 100 real children's stories."""
    max_characters: int = 1_000_000
    """Our choice: about ten times Gopher's 100,000 words in the shortest languages; bounds memory."""
    max_damage_share: float = 0.002
    """Characters that are still mojibake or U+FFFD after repair. Our choice."""
    min_script_share: float = 0.7
    """Letters in the language's script. Our choice: leaves room for Latin names and terms."""
    max_foreign_share: float = 0.05
    """Letters neither Latin nor Indic nor of the language's script, among all characters. Setu's limit."""
    max_symbol_share: float = 0.2
    """Punctuation and symbols among all characters. Setu's limit."""
    max_digit_share: float = 0.25
    """Digits among all characters. Our choice: tables and scores pass, price lists do not."""
    min_mean_word_length: float = 2.5
    """Characters. Our choice (Gopher: 3): a Hindi story has 3.1."""
    max_mean_word_length: float = 12.0
    """Characters. Our choice (Gopher: 10), for languages that join more."""
    min_mean_line_words: float = 3.0
    """Our choice: Setu has 5, but over sentences; verse and stories for small children have 3.2 a line."""
    max_bullet_lines: float = 0.9
    """Lines that start with a bullet. Gopher's limit."""
    max_ellipsis_lines: float = 0.5
    """Lines that are cut off with an ellipsis. Our choice: Gopher's 0.3 drops one in 100 real stories."""
    max_word_repetition: float = 0.5
    """5-grams of words that occur more than once. Setu's limit."""
    max_character_repetition: float = 0.2
    """10-grams of characters that the most frequent kinds make up (ROOTS's measure). Setu's limit."""
    max_line_repeats: int = 5
    """The same line of letters more often than this is kept once. Our choice: refrains stay."""
    min_function_words: int = 2
    """Different function words. Gopher's limit for its stop words."""
    min_function_word_share: float = 0.15
    """Function words among all words. Our choice: running text has 0.23 to 0.55, lists and noise hardly any."""
    min_language_confidence: float | None = None
    """Share of recognised function words that the language explains; null: 0.85, or 0.6 for romanised
    text."""
    keep_joiners: bool = False
    """Leave ZWJ and ZWNJ everywhere, for scripts that write with them (Persian, Urdu)."""
    strip_boilerplate: bool = True
    """Drop lines of navigation, sharing, cookies and copyright (boilerplate.yaml)."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            is_share = each.name.endswith(("_share", "_repetition", "_lines", "_confidence"))
            if is_share and value is not None and not 0 <= value <= 1:
                raise ValueError(f"{each.name} {value} is a share and lies between 0 and 1\ne.g. {each.default}")
        if self.max_line_repeats < 1:
            raise ValueError(f"max_line_repeats {self.max_line_repeats} would drop every line\ne.g. 5")

    def confidence(self, lang: str) -> float:
        """The least confidence for a language: romanised text mixes with English."""
        if self.min_language_confidence is not None:
            return self.min_language_confidence
        return ROMANISED_CONFIDENCE if is_romanised(lang) else NATIVE_CONFIDENCE


def is_romanised(lang: str) -> bool:
    """Whether a language of another script is written in Latin letters."""
    return lang in ("hi-Latn", "mr-Latn", "ne-Latn", "bn-Latn", "pa-Latn")


@dataclass(frozen=True, kw_only=True)
class CleanSettings:
    """Repair, normalise, strip boilerplate, reject what is no prose of its language."""

    enabled: bool = True
    mask_personal_data: bool = False
    """Put <EMAIL>, <PHONE>, <AADHAAR>, <PAN> and <IP> in place of what looks like one."""
    languages: dict[str, LanguageRules] = field(default_factory=dict)
    """Rules by language tag, e.g. hi-Deva; a language that is not here has the defaults."""

    def rules(self, lang: str) -> LanguageRules:
        """The rules a document of this language is held to."""
        return self.languages.get(lang, LanguageRules())
