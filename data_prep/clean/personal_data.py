"""Personal data that has a shape: e-mail, Indian and international telephone, Aadhaar and PAN numbers, IP addresses.

Names and addresses have none and stay. Digits may be Latin or of any Indic script. A twelve-digit number counts as
Aadhaar only if its Verhoeff check digit is right, which nine out of ten other numbers fail.
"""

import re
from collections import Counter
from dataclasses import dataclass

_EMAIL = r"(?<![\w.+-])[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])"
_AADHAAR = r"(?<![\d+-])\d{4}([ -]?)\d{4}\1\d{4}(?![\d-])"
_PHONE = (
    r"(?<![\d+.,-])(?:"
    r"(?:\+|[0०]{2})\d{1,3}[ -]?(?:\(?\d{2,5}\)?[ -]?)?\d{3,5}[ -]?\d{3,5}"  # international: +91 98765 43210
    r"|[0०]?[6-9६-९]\d{4}[ -]?\d{5}"  # Indian mobile
    r"|\(?[0०]\d{2,4}\)?[ -]\d{6,8}"  # Indian landline with its code: 011-23456789
    r")(?![\d]|[.,-]\d)"
)
_PAN = r"\b[A-Z]{3}[ABCFGHLJPT][A-Z][0-9]{4}[A-Z]\b"
_IP = r"(?<![\d.])(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(?![\d]|\.\d)"

_PATTERNS = (
    ("EMAIL", re.compile(_EMAIL)),
    ("IP", re.compile(_IP)),
    ("AADHAAR", re.compile(_AADHAAR)),
    ("PHONE", re.compile(_PHONE)),
    ("PAN", re.compile(_PAN)),
)
_LEAST_DIGITS, _MOST_DIGITS = 10, 15
"""Of a telephone number with its country code: E.164."""

_D5_ROTATIONS = ("0123456789", "1234067895", "2340178956", "3401289567", "4012395678")
_D5_REFLECTIONS = ("5987604321", "6598710432", "7659821043", "8765932104", "9876543210")
_MULTIPLY = tuple(tuple(map(int, row)) for row in _D5_ROTATIONS + _D5_REFLECTIONS)
_PERMUTE = tuple(
    tuple(map(int, row))
    for row in (
        "0123456789",
        "1576283094",
        "5803796142",
        "8916043527",
        "9453126870",
        "4286573901",
        "2793806415",
        "7046913258",
    )
)
"""Verhoeff's tables: products in the dihedral group D5, and powers of his permutation."""


@dataclass(frozen=True, slots=True)
class Masked:
    """A text with placeholders for personal data."""

    text: str
    found: Counter[str]
    """How many of each kind."""


def mask(text: str) -> Masked:
    """Put <EMAIL>, <IP>, <AADHAAR>, <PHONE> and <PAN> in place of what has their shape."""
    found: Counter[str] = Counter()
    for kind, pattern in _PATTERNS:

        def placeholder(match: re.Match[str], kind: str = kind) -> str:
            if not _is_valid(kind, match[0]):
                return match[0]
            found[kind] += 1
            return f"<{kind}>"

        text = pattern.sub(placeholder, text)
    return Masked(text, found)


def _is_valid(kind: str, match: str) -> bool:
    """What the shape alone does not say."""
    digits = [int(char) for char in match if char.isdecimal()]
    if kind == "PHONE":
        return _LEAST_DIGITS <= len(digits) <= _MOST_DIGITS
    if kind == "AADHAAR":
        return digits[0] > 1 and is_verhoeff(digits)
    return True


def is_verhoeff(digits: list[int]) -> bool:
    """Whether the last digit is the check digit of the others (Verhoeff 1969), as in every Aadhaar number."""
    check = 0
    for position, digit in enumerate(reversed(digits)):
        check = _MULTIPLY[check][_PERMUTE[position % 8][digit]]
    return check == 0
