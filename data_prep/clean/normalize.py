"""One way to write each text: NFC, plain line ends and spaces, nothing invisible, joiners where they mean something.

No letter and no combining mark is ever removed. NFC may join a letter and its mark into one code point (न and nukta to
ऩ) or part them (क़ to क and nukta): the same text by Unicode's definition.
"""

import re
import unicodedata

from data_prep.clean.characters import JOINER, UNCLEAN, Counts

_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_SPACES = re.compile("[\x1f\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Controls, soft hyphen, zero-width space, bidirectional controls, word joiner, byte order mark, annotations, tags."""

_JOINERS = "\u200c\u200d"
_VIRAMAS = "\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d\u0dca"
_INDIC = "\u0900-\u0963\u0971-\u0dff"
_PICTOGRAPHS = "\u2600-\u27bf\U0001f000-\U0001faff"
_MEANT = re.compile(
    f"(?<=[{_VIRAMAS}])([{_JOINERS}])[{_JOINERS}]*(?=[{_INDIC}])"  # chooses between conjunct and half form
    f"|(?<=[{_INDIC}])([{_JOINERS}])[{_JOINERS}]*(?=[{_VIRAMAS}])"  # Bengali and Kannada ra before ya
    f"|(?<=\u0d4d)(\u200d)[{_JOINERS}]*"  # Malayalam chillu of old texts, also at the end of a word
    f"|(?<=[{_PICTOGRAPHS}\ufe0f])(\u200d)(?=[{_PICTOGRAPHS}])"  # one emoji made of several
    f"|[{_JOINERS}]+"
)
_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{3,}")


def normalize(text: str, counts: Counts, *, keep_joiners: bool = False) -> str:
    """The text in its one normal form; normalising twice changes nothing.

    Args:
        text: Any text.
        counts: Its characters (characters.count), which say what there is to do.
        keep_joiners: Leave ZWJ and ZWNJ everywhere, for scripts that write with them (Persian, Urdu).
    """
    if counts.of(UNCLEAN):
        text = _LINE_ENDS.sub("\n", text)
        text = _SPACES.sub(" ", text)
        text = _INVISIBLE.sub("", text)
    if counts.of(JOINER) and not keep_joiners:
        text = _MEANT.sub(_meant, text)
    return tidy(unicodedata.normalize("NFC", text))


def tidy(text: str) -> str:
    """No spaces at line ends, at most one blank line in a row, nothing around the text."""
    if " \n" in text or "\t\n" in text:
        text = _TRAILING.sub("", text)
    if "\n\n\n" in text:
        text = _BLANK_LINES.sub("\n\n", text)
    return text.strip()


def _meant(match: re.Match[str]) -> str:
    """The first joiner of a run that has a meaning where it stands, else nothing."""
    return match[match.lastindex] if match.lastindex else ""
