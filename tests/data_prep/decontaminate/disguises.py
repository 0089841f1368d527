"""Ways in which evaluation text stands in the wild, as measured in facts/evaluation_and_conversion.md 7, and more."""

import unicodedata

DIGITS = str.maketrans("0123456789", "०१२३४५६७८९")
NUKTA_FORMS = {"ड़": "\u095c", "ढ़": "\u095d", "ज़": "\u095b", "फ़": "\u095e", "क़": "\u0958", "ख़": "\u0959", "ग़": "\u095a"}


def _compose_nukta(text: str) -> str:
    text = unicodedata.normalize("NFD", text)
    for composed in NUKTA_FORMS.values():
        text = text.replace(unicodedata.normalize("NFD", composed), composed)
    return text


DISGUISES = {
    "exact": lambda text: text,
    "spacing": lambda text: text.replace("।", " ।").replace(",", " ,").replace("?", " ?").replace(" ", "  \n"),
    "nukta composed": _compose_nukta,
    "nukta left out": lambda text: unicodedata.normalize("NFD", text).replace("\u093c", ""),
    "danda": lambda text: text.replace("।", "॥ ").replace(".", ""),
    "pipe": lambda text: text.replace("।", "|"),
    "ZWJ": lambda text: text.replace("\u094d", "\u094d\u200d"),
    "ZWNJ": lambda text: text.replace("\u094d", "\u094d\u200c"),
    "digits": lambda text: text.translate(DIGITS),
    "case": str.upper,
    "punctuation": lambda text: "**" + text.replace(",", " — ").replace(".", "!").replace("'", "’") + "**",
    "no-break spaces": lambda text: text.replace(" ", "\u00a0"),
    "soft hyphens": lambda text: text.replace("त", "त\u00ad").replace("t", "t\u00ad"),
}
