"""Language names and codes as the engines want them, from ours (BCP-47 with script: hi-Deva)."""

from data_prep.documents import primary_language

_LANGUAGES = {
    "as": ("asm", "Assamese"),
    "bn": ("ben", "Bengali"),
    "en": ("eng", "English"),
    "es": ("spa", "Spanish"),
    "fr": ("fra", "French"),
    "gu": ("guj", "Gujarati"),
    "hi": ("hin", "Hindi"),
    "id": ("ind", "Indonesian"),
    "kn": ("kan", "Kannada"),
    "ml": ("mal", "Malayalam"),
    "mr": ("mar", "Marathi"),
    "ne": ("npi", "Nepali"),
    "or": ("ory", "Odia"),
    "pa": ("pan", "Punjabi"),
    "sa": ("san", "Sanskrit"),
    "sd": ("snd", "Sindhi"),
    "si": ("sin", "Sinhala"),
    "sw": ("swh", "Swahili"),
    "ta": ("tam", "Tamil"),
    "te": ("tel", "Telugu"),
    "ur": ("urd", "Urdu"),
}
"""{ISO 639-1: (ISO 639-3 as FLORES uses it, name)}: the languages people adapt models to most with these engines."""


def flores_code(lang: str) -> str:
    """`hin_Deva` of hi-Deva, as NLLB and IndicTrans2 name it.

    Raises:
        ValueError: A two-letter code that is not listed here.
    """
    primary, script = lang.split("-")
    if len(primary) == 3:
        return f"{primary}_{script}"
    if primary not in _LANGUAGES:
        raise ValueError(f"the three-letter code of {primary!r} is not known here\nwrite it yourself, e.g. swh-Latn")
    return f"{_LANGUAGES[primary][0]}_{script}"


def language_name(lang: str) -> str:
    """`Hindi (Deva script)` of hi-Deva: what a prompt calls it."""
    primary = primary_language(lang)
    return f"{english_name(primary) or primary} ({lang.partition('-')[2]} script)"


def english_name(primary: str) -> str | None:
    """`Hindi` of hi; None for a language not listed here."""
    return _LANGUAGES[primary][1] if primary in _LANGUAGES else None
