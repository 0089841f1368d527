"""The pieces inside a paragraph that no engine may change: markup, code, addresses, numbers, placeholders.

One pass from left to right. A trigger character is looked up, the rule for it reads the piece, and the pass goes on
behind it, so that code hides what looks like markup in it. Rules that begin before their trigger (the name before the
`@`) look back a bounded distance, and closing marks are looked for once, so the time is linear in the text.
"""

import re
from collections.abc import Callable, Collection
from typing import Literal, NamedTuple

from data_prep.translate.marks import flanks

Kind = Literal["markup", "code", "value", "separator"]
"""markup: delimiters around text, tags. code: what is shown as it is. value: what stands for a word.
separator: what ends a sentence or a cell, whatever the words around it."""

_LOOK_BACK = 64

TOLD_APART = re.compile(
    r"(?<![^\W_])(?:I ?D|आ[ईइय][ .]{0,3}ड[ीि]|آئی ?ڈی)[ ._:-]{0,2}(?P<number>\d{1,6})(?![^\W_])", re.IGNORECASE
)
"""A placeholder of `protect` as engines write it, without its brackets. Text that looks like one is protected."""
_BEFORE_NUMBER = re.compile(r"(?:I ?D|आ[ईइय][ .]{0,3}ड[ीि]|آئی ?ڈی)[ ._:-]{0,2}$", re.IGNORECASE)

_TRIGGER = re.compile(
    r"[\\`*_~<\[\]!$&{%@#/\d|\t]|://|\.(?=(?:com|org|net|in|gov|edu|io|co|info|uk|ai|dev|app)(?![\w-]))"
)
_ESCAPE = re.compile(r"\\(?:[!-/:-@\[-`{-~]|[A-Za-z]{1,40}(?:\{[^{}\r\n]{0,200}\})*)")
_BACKTICKS = re.compile(r"`+")
_RUN = re.compile(r"\*+|_+|~+")
_IDENTIFIER = re.compile(r"\w+(?:\(\))?")
_TAG = re.compile(r"</?(?P<name>[A-Za-z][\w:-]*|\d{1,4})(?:\s[^<>]*)?/?>")
_AUTOLINK = re.compile(r"<[A-Za-z][A-Za-z0-9+.-]{1,31}:[^<>\s]*>|<[^<>\s@]{1,64}@[^<>\s@]{1,255}>")
_VERBATIM_TAGS = frozenset(("code", "kbd", "samp", "var", "pre", "script", "style", "math"))
_SEPARATING_TAG = re.compile(
    "address|article|aside|blockquote|body|br|button|caption|center|dd|details|dialog|div|dl|dt|fieldset|figcaption|"
    "figure|footer|form|h[1-6]|head|header|hr|html|legend|li|main|nav|ol|optgroup|option|p|section|select|summary|"
    "table|tbody|td|textarea|tfoot|th|thead|title|tr|ul"
)
_FOOTNOTE = re.compile(r"\[(?:\^[^\]\s]{1,200}|![A-Z]+|@[^\]\s]{1,200})\]")
_TARGET = re.compile(r"\]\([^()\r\n]*(?:\((?:[^()\r\n]*)\)[^()\r\n]*){0,4}\)|\]\[[^\[\]\r\n]{1,999}\]")
_MATH = re.compile(r"\$(?=[^\s$])[^$`\r\n]{0,399}(?<=[^\s\\])\$(?!\d)")
_ENTITY = re.compile(r"&(?:[A-Za-z][A-Za-z0-9]{1,31}|#\d{1,7}|#[xX][0-9A-Fa-f]{1,6});")
_BRACES = re.compile(r"\{\{[^{}\r\n]{0,200}\}\}|\{%[^{}\r\n]{0,200}%\}|\{[^{}\s]{0,60}\}")
_FORMAT = re.compile(r"%(?:\(\w{1,40}\)|\d{1,3}\$)?[-+0#]?\d{0,3}(?:\.\d{1,3})?[sdifgxXur](?![^\W_])|%\w{1,40}%")
_DOMAIN = re.compile(r"(?:[^\W_][\w-]{0,62}\.)+(?:[A-Za-z]{2,24})(?![\w-])")
_LOCAL_PART = re.compile(r"[\w.+%-]+$")
_HOST = re.compile(r"[\w-]+(?:\.[\w-]+)*$")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*$")
_ADDRESS = re.compile(r"[^\s<>\"`|{}\\^\[\]।॥]*")
_ADDRESS_TAIL = re.compile(r"[.,;:!?'*_~…’”)]+$")
_MENTION = re.compile(r"[@#](?=[^\W\d])[\w\u0900-\u0dff-]{1,64}")
_PATH = re.compile(r"/[\w.-]+(?:/[\w.-]+)+/?")
_NUMBER = re.compile(r"\d(?:[\d.,:/'’–-]{0,40}\d)?(?![^\W_]|\u20e3|\ufe0f)%?")
_ALPHANUMERIC = re.compile(r"\w+")
_TABS = re.compile(r"\t+")


class Piece(NamedTuple):
    """text[start:end] is to stay as it is."""

    start: int
    end: int
    kind: Kind


def scan(text: str, labels: Collection[str] = ()) -> list[Piece]:
    """The pieces of a paragraph, in order, none overlapping.

    Args:
        text: One paragraph; line breaks are allowed.
        labels: Labels of the document's reference definitions, see `label`: `[text]` with one of these is a link by
            itself, and its text cannot be translated without losing its target.
    """
    scanner = _Scanner(text, labels)
    return scanner.run() if _TRIGGER.search(text) else []


def label(name: str) -> str:
    """How CommonMark compares labels of references: case folded, white space collapsed."""
    return " ".join(name.casefold().split())


class _Delimiter(NamedTuple):
    """An opening bracket or emphasis that waits for its closing one."""

    start: int
    end: int
    bracket: bool


class _Scanner:
    def __init__(self, text: str, labels: Collection[str]) -> None:
        self.text = text
        self.labels = labels
        self.position = 0
        """Everything before is decided."""
        self.pieces: list[Piece] = []
        self.open: list[_Delimiter] = []
        self.latest: dict[str, int] = {}
        """Where each run of emphasis was opened last: only that one can be closed, so equal runs never nest."""
        self.closings: dict[str, int] = {}
        """Where each closing mark was found last; the length of the text if there is none any more."""
        self.backticks: dict[int, list[int]] | None = None

    def run(self) -> list[Piece]:
        text = self.text
        while trigger := _TRIGGER.search(text, self.position):
            start = trigger.start()
            piece = _RULES[trigger[0][0]](self, start) if not trigger[0].isdecimal() else self.number(start)
            if piece:
                self.pieces.append(piece)
                self.position = piece.end
            elif self.position <= start:
                self.position = start + 1
        self.pieces.sort()
        return self.pieces

    def before(self, pattern: re.Pattern[str], stop: int) -> int:
        """Where the match that ends at `stop` begins; `stop` if there is none."""
        found = pattern.search(self.text, max(self.position, stop - _LOOK_BACK), stop)
        return found.start() if found else stop

    def closing(self, mark: str, start: int) -> int:
        """The end of the next `mark` from `start` on, or 0. Each mark is looked for once in every stretch of text."""
        found = self.closings.get(mark, -1)
        if found < start:
            found = self.text.find(mark, start)
            found = self.closings[mark] = len(self.text) if found < 0 else found
        return found + len(mark) if found < len(self.text) else 0

    def match(self, pattern: re.Pattern[str], start: int, kind: Kind) -> Piece | None:
        found = pattern.match(self.text, start)
        return Piece(start, found.end(), kind) if found else None

    def is_name(self, position: int) -> bool:
        """Whether a letter or digit stands there."""
        return position >= 0 and self.text[position : position + 1].isalnum()

    def escape(self, start: int) -> Piece | None:
        opening = self.text[start : start + 2]
        if opening in ("\\(", "\\["):
            end = self.closing("\\)" if opening == "\\(" else "\\]", start + 2)
            if end and end - start < 1000:
                return Piece(start, end, "code")
        tag = _TAG.match(self.text, start + 1)  # inside HTML it is one; elsewhere the text of one
        return Piece(start, tag.end(), "code") if tag else self.match(_ESCAPE, start, "code")

    def code(self, start: int) -> Piece | None:
        """A code span ends at the next run of as many backticks."""
        if self.backticks is None:
            self.backticks = {}
            for run in reversed(list(_BACKTICKS.finditer(self.text, start))):
                self.backticks.setdefault(len(run[0]), []).append(run.start())
        length = len(_BACKTICKS.match(self.text, start)[0])  # type: ignore[index]
        positions = self.backticks.get(length, [])
        while positions and positions[-1] <= start:
            positions.pop()
        if positions:
            return Piece(start, positions[-1] + length, "code")
        self.position = start + length
        return None

    def emphasis(self, start: int) -> Piece | None:
        text = self.text
        end = _RUN.match(text, start).end()  # type: ignore[union-attr]
        if text[start] == "_" and (identifier := self.identifier(start, end)):
            return identifier
        self.position = end
        if end - start > 3 or (text[start] == "~" and end - start != 2):
            return None
        opens, closes = flanks(text[start], text[start - 1 : start] if start else "", text[end : end + 1])
        if not (closes and self.close_emphasis(start, end)) and opens:
            self.open_emphasis(start, end)
        return None

    def open_emphasis(self, start: int, end: int) -> None:
        run, inner = self.text[start:end], self.inner()
        self.open[len(self.open) - len(inner) :] = [
            other for other in inner if self.text[other.start : other.end] != run
        ]
        self.open.append(_Delimiter(start, end, bracket=False))
        self.latest[run] = start

    def inner(self) -> list[_Delimiter]:
        """What is open since the last bracket."""
        number = len(self.open)
        while number and not self.open[number - 1].bracket:
            number -= 1
        return self.open[number:]

    def close_emphasis(self, start: int, end: int) -> bool:
        inner, latest = self.inner(), self.latest.get(self.text[start:end])
        for number, opening in enumerate(inner):
            if opening.start == latest:
                del self.open[len(self.open) - len(inner) + number :]
                self.pair(opening, start, end)
                return True
        return False

    def pair(self, opening: _Delimiter, start: int, end: int) -> None:
        self.pieces.append(Piece(opening.start, opening.end, "markup"))
        self.pieces.append(Piece(start, end, "markup"))

    def identifier(self, start: int, end: int) -> Piece | None:
        """A name with underscores inside."""
        if not (self.is_name(end) and self.is_name(start - 1)) or start <= self.position:
            return None
        begin = self.before(_ALPHANUMERIC_TAIL, start)
        return self.match(_IDENTIFIER, begin, "value") if begin < start else None

    def angle(self, start: int) -> Piece | None:
        text = self.text
        if text.startswith("<!--", start):
            end = self.closing("-->", start + 4)
            return Piece(start, end, "separator") if end else None
        tag = _TAG.match(text, start)
        if not tag:
            return self.match(_AUTOLINK, start, "value")
        name = tag["name"].lower()
        if name in _VERBATIM_TAGS and not text.startswith("</", start):
            end = self.closing(f"</{tag['name']}>", tag.end())
            return Piece(start, end or tag.end(), "code" if end else "markup")
        return Piece(start, tag.end(), "separator" if _SEPARATING_TAG.fullmatch(name) else "markup")

    def bracket(self, start: int) -> Piece | None:
        footnote = self.match(_FOOTNOTE, start, "markup")
        if not footnote:
            self.open.append(_Delimiter(start, start + 1, bracket=True))
        return footnote

    def image(self, start: int) -> Piece | None:
        if self.text.startswith("![", start):
            self.open.append(_Delimiter(start, start + 2, bracket=True))
            self.position = start + 2
        return None

    def close_bracket(self, start: int) -> Piece | None:
        inner = len(self.inner())
        number = len(self.open) - inner - 1
        if number < 0:
            return None
        opening = self.open[number]
        target = _TARGET.match(self.text, start)
        if target:
            del self.open[number:]
            self.pair(opening, start, target.end())
            self.position = target.end()
        elif self.labels and label(self.text[opening.end : start]) in self.labels:
            del self.open[number:]
            end = start + 3 if self.text.startswith("[]", start + 1) else start + 1
            self.drop_since(opening.start)
            return Piece(opening.start, end, "separator")
        else:
            del self.open[number]
        return None

    def drop_since(self, start: int) -> None:
        while self.pieces and self.pieces[-1].end > start:
            self.pieces.pop()

    def dollar(self, start: int) -> Piece | None:
        text = self.text
        if text.startswith("$$", start):
            end = self.closing("$$", start + 2)
            self.position = start + 2
            return Piece(start, end, "code") if end and end - start < 2000 else None
        if text.startswith("${", start):
            braces = _BRACES.match(text, start + 1)
            return Piece(start, braces.end(), "value") if braces else None
        if math := self.match(_MATH, start, "code"):
            return math
        return self.number(start + 1) if text[start + 1 : start + 2].isdecimal() else None

    def entity(self, start: int) -> Piece | None:
        return self.match(_ENTITY, start, "value")

    def braces(self, start: int) -> Piece | None:
        return self.match(_BRACES, start, "value")

    def percent(self, start: int) -> Piece | None:
        return None if self.is_name(start - 1) else self.match(_FORMAT, start, "value")

    def at(self, start: int) -> Piece | None:
        begin = self.before(_LOCAL_PART, start)
        domain = _DOMAIN.match(self.text, start + 1) if begin < start else None
        if domain:
            return Piece(begin, domain.end(), "value")
        return self.mention(start)

    def mention(self, start: int) -> Piece | None:
        return None if self.is_name(start - 1) else self.match(_MENTION, start, "value")

    def path(self, start: int) -> Piece | None:
        before = self.text[start - 1 : start] if start else " "
        return self.match(_PATH, start, "value") if before in " \t\r\n\"'(" else None

    def scheme(self, start: int) -> Piece | None:
        begin = self.before(_SCHEME, start)
        return self.address(begin, start + 3) if begin < start else None

    def domain(self, start: int) -> Piece | None:
        begin = self.before(_HOST, start)
        return self.address(begin, start) if begin < start else None

    def address(self, begin: int, start: int) -> Piece:
        """A URL without the punctuation of the sentence around it."""
        text = self.text
        end = _ADDRESS.match(text, start).end()  # type: ignore[union-attr]
        while tail := _ADDRESS_TAIL.search(text, max(start, end - 1), end):
            balanced = text[end - 1] == ")" and text.count("(", begin, end) >= text.count(")", begin, end)
            if balanced:
                break
            end = tail.start()
        return Piece(begin, end, "value")

    def separator(self, start: int) -> Piece | None:
        if self.text[start] == "\t":
            return self.match(_TABS, start, "separator")
        around = self.text[start - 1 : start] + self.text[start + 1 : start + 2]
        return Piece(start, start + 1, "separator") if len(around) == 2 and around.isspace() else None

    def number(self, start: int) -> Piece | None:
        text = self.text
        begin = self.before(_BEFORE_NUMBER, start)
        if begin < start and TOLD_APART.match(text, begin):
            return self.match(TOLD_APART, begin, "value")
        number = None if self.is_name(start - 1) or text[start - 1 : start] == "_" else _NUMBER.match(text, start)
        if not number:
            self.position = _ALPHANUMERIC.match(text, start).end()  # type: ignore[union-attr]
            return None
        begin = start
        if begin > self.position and text[begin - 1] in "$€£₹¥":
            begin -= 1
        if begin > self.position and text[begin - 1] in "-−+±" and not self.is_name(begin - 2):
            begin -= 1
        return Piece(begin, number.end(), "value")


_ALPHANUMERIC_TAIL = re.compile(r"\w+$")

_RULES: dict[str, Callable[[_Scanner, int], Piece | None]] = {
    "\\": _Scanner.escape,
    "`": _Scanner.code,
    "*": _Scanner.emphasis,
    "_": _Scanner.emphasis,
    "~": _Scanner.emphasis,
    "<": _Scanner.angle,
    "[": _Scanner.bracket,
    "]": _Scanner.close_bracket,
    "!": _Scanner.image,
    "$": _Scanner.dollar,
    "&": _Scanner.entity,
    "{": _Scanner.braces,
    "%": _Scanner.percent,
    "@": _Scanner.at,
    "#": _Scanner.mention,
    "/": _Scanner.path,
    "|": _Scanner.separator,
    "\t": _Scanner.separator,
    ":": _Scanner.scheme,
    ".": _Scanner.domain,
}
