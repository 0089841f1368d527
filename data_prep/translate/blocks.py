"""The blocks of a document that hold text to translate, found line by line as CommonMark does.

Only where text begins and ends is found here; what encloses it (markers, fences, rules, definitions) belongs to no
block and is never touched. So a wrong guess costs a translation, not the structure. Understood: block quotes, lists,
headings, tables, indented and fenced code, HTML, reference and footnote definitions, display math, front matter.
Text that is not Markdown passes as paragraphs. The time is linear in the text: nesting and block length are bounded.
"""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

MAX_NESTING = 64
"""Containers deeper than this are read as text, so that no input costs more than 64 steps a line."""
MAX_BLOCK_CHARACTERS = 1 << 14
"""Longer blocks are cut at white space, so that a sentence splitter never sees a line of 100 MB."""

Kind = Literal["text", "cell", "html"]
Range = tuple[int, int]


class Block(NamedTuple):
    """Lines that belong together: a paragraph, a heading, one table cell, or a stretch of HTML."""

    kind: Kind
    lines: list[Range]
    """Offsets of each line's text, without markers, indentation and trailing white space. One for cell and html."""


_QUOTE = -1
"""A block quote among the open containers; a list item is there as the columns its text is indented by."""

_NEWLINE = re.compile(r"\r\n?|\n")
_INDENT = re.compile(r"[ \t]*")
_LIST = re.compile(r"(?:[-+*]|\d{1,9}[.)])(?=[ \t]|$)")
_TASK = re.compile(r"\[[ xX]\][ \t]+")
_BULLET = re.compile(
    "(?:[•◦○●▪■□▸►‣⁃∙·✓✔✗➤→⇒–—]+|\\((?:\\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})\\)|(?:[A-Za-z]|[ivxIVX]{1,5})\\))[ \t]+"  # noqa: RUF001
)
_FENCE = re.compile(r"(`{3,})[^`]*$|(~{3,})")
_FENCE_END = re.compile(r"(`{3,}|~{3,})[ \t]*$")
_HEADING = re.compile(r"#{1,6}(?:[ \t]+|$)")
_HEADING_END = re.compile(r"(?:^|[ \t])#+$")
_UNDERLINE = re.compile(r"(?:=+|-+)[ \t]*$")
_RULE = re.compile(r"(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$")
_DELIMITER_ROW = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?$")
_FOOTNOTE = re.compile(r"\[\^[^\]\s]{1,200}\]:[ \t]*")
_DEFINITION = re.compile(r"\[[^\]\r\n]{1,999}\]:[ \t]*(?P<target><[^<>\r\n]*>|\S*)(?:[ \t]+[\"'(].*)?$")
_TITLE = re.compile(r"""["'(]""")
_CELL = re.compile(r"(?:\\\||[^|])+")
_DIRECTIVE = re.compile(r":{3,}")
_BEGIN = re.compile(r"\\begin\{([A-Za-z]+\*?)\}")
_FRONT_MATTER = re.compile(r"(?P<fence>---|\+\+\+)[ \t]*(?:\r\n?|\n)(?=[\w\"'#-])")
_FRONT_MATTER_END = {
    "---": re.compile(r"(?:\r\n?|\n)(?:---|\.\.\.)[ \t]*(?=\r|\n|\Z)"),
    "+++": re.compile(r"(?:\r\n?|\n)\+\+\+[ \t]*(?=\r|\n|\Z)"),
}
_BLOCK_TAGS = (
    "address|article|aside|base|basefont|blockquote|body|caption|center|col|colgroup|dd|details|dialog|dir|div|dl|dt|"
    "fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|head|header|hr|html|iframe|legend|li|link|main|menu|"
    "menuitem|nav|noframes|ol|optgroup|option|p|param|search|section|summary|table|tbody|td|tfoot|th|thead|title|tr|"
    "track|ul"
)
_HTML_BLOCK = re.compile(rf"</?(?:{_BLOCK_TAGS})(?=[\s>]|/>|$)", re.IGNORECASE)
_HTML_LINE = re.compile(r"</?[A-Za-z][\w-]*(?:\s[^<>]*)?/?>[ \t]*$")
_RAW = (
    (re.compile(r"<(?:script|pre|style|textarea)(?=[\s>]|$)", re.IGNORECASE), "</"),
    (re.compile(r"<!--"), "-->"),
    (re.compile(r"<\?"), "?>"),
    (re.compile(r"<!\[CDATA\["), "]]>"),
    (re.compile(r"<![A-Za-z]"), ">"),
)
_RAW_TAG_END = re.compile(r"</(?:script|pre|style|textarea)>", re.IGNORECASE)


def blocks(text: str) -> Iterator[Block]:
    """The blocks of `text`, in order."""
    scanner = _Scanner(text)
    start = _front_matter(text)
    for newline in _NEWLINE.finditer(text, start):
        scanner.feed(start, newline.start())
        start = newline.end()
        if scanner.done:
            yield from _bounded(text, scanner.drain())
    scanner.feed(start, len(text))
    scanner.flush()
    yield from _bounded(text, scanner.drain())


def _front_matter(text: str) -> int:
    """Where the document begins behind YAML or TOML metadata."""
    opening = _FRONT_MATTER.match(text)
    closing = opening and _FRONT_MATTER_END[opening["fence"]].search(text, opening.end())
    return closing.end() if closing else 0


def _bounded(text: str, found: list[Block]) -> Iterator[Block]:
    """The blocks, those longer than the limit in pieces."""
    for block in found:
        if block.lines[-1][1] - block.lines[0][0] <= MAX_BLOCK_CHARACTERS:
            yield block
        else:
            yield from _pieces(text, block)


def _pieces(text: str, block: Block) -> Iterator[Block]:
    lines: list[Range] = []
    for line in block.lines:
        for start, end in _short(text, line):
            if lines and end - lines[0][0] > MAX_BLOCK_CHARACTERS:
                yield Block(block.kind, lines)
                lines = []
            lines.append((start, end))
    if lines:
        yield Block(block.kind, lines)


def _short(text: str, line: Range) -> Iterator[Range]:
    start, end = line
    while end - start > MAX_BLOCK_CHARACTERS:
        stop = start + MAX_BLOCK_CHARACTERS
        cut = max(text.rfind(mark, start + 1, stop) for mark in (" ", "\n"))
        cut = cut if cut > 0 else stop
        yield start, cut
        start = cut
    yield start, end


class _Scanner:
    """What is open between two lines: containers, and one leaf (a paragraph, a table, a fence, HTML, raw text)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.done: list[Block] = []
        self.containers: list[int] = []
        self.paragraph: list[Range] = []
        self.html: list[Range] = []
        self.table = False
        self.fence = ""
        self.raw: re.Pattern[str] | str = ""
        """What ends text that is kept as it is."""
        self.raw_until_blank = False
        self.definition = ""
        """Set after a reference definition whose target or title may follow on the next line."""

    def drain(self) -> list[Block]:
        done, self.done = self.done, []
        return done

    def flush(self) -> None:
        """Close the paragraph or the HTML block."""
        if self.paragraph:
            self.done.append(Block("text", self.paragraph))
            self.paragraph = []
        if self.html:
            self.done.append(Block("html", [(self.html[0][0], self.html[-1][1])]))
            self.html = []
        self.table = False

    def feed(self, start: int, end: int) -> None:
        """Read the line text[start:end]."""
        text = self.text
        while end > start and text[end - 1] in " \t":
            end -= 1
        plain = not (self.containers or self.table or self.fence or self.raw or self.html or self.definition)
        if plain and start < end and text[start].isalpha() and ")" not in text[start : start + 6]:
            self.paragraph.append((start, end))
            return
        self._read(start, end)

    def _read(self, start: int, end: int) -> None:
        position, indent, matched = self._continue_containers(start, end)
        lost = matched < len(self.containers)
        if lost and not self._is_lazy(position, end, indent):
            self._close(matched)
        elif lost:
            self.paragraph.append((position, end))
            return
        if (self.fence or self.raw) and self._keep(position, end, indent):
            return
        if position == end:
            self._close_leaf()
            return
        position, indent = self._open_containers(position, end, indent, interrupted=not lost)
        if position < end:
            self._read_leaf(position, end, indent)

    def _columns(self, position: int, end: int, column: int) -> tuple[int, int]:
        """The first character that is not indentation, and its column."""
        stop = _INDENT.match(self.text, position, end).end()  # type: ignore[union-attr]
        if "\t" not in self.text[position:stop]:
            return stop, column + stop - position
        for char in self.text[position:stop]:
            column += 4 - column % 4 if char == "\t" else 1
        return stop, column

    def _continue_containers(self, start: int, end: int) -> tuple[int, int, int]:
        """Where the line's text begins inside the open containers, its indentation there, and how many go on."""
        position, column = self._columns(start, end, 0)
        base = 0
        for number, container in enumerate(self.containers):
            if container == _QUOTE:
                if position == end or self.text[position] != ">" or column - base > 3:
                    return position, column - base, number
                position, column, base = self._after_quote(position, end, column)
            elif position < end:
                if column - base < container:
                    return position, column - base, number
                base += container
        return position, column - base, len(self.containers)

    def _after_quote(self, position: int, end: int, column: int) -> tuple[int, int, int]:
        base = column + 1 + (self.text[position + 1 : position + 2] in (" ", "\t"))
        position, column = self._columns(position + 1, end, column + 1)
        return position, max(column, base if position < end else column), base

    def _is_lazy(self, position: int, end: int, indent: int) -> bool:
        """Whether a line outside the open containers goes on with their paragraph."""
        if not self.paragraph or position == end:
            return False
        return indent > 3 or not self._starts_block(position, end)

    def _starts_block(self, position: int, end: int) -> bool:
        text = self.text
        if text[position].isalpha():
            return False
        return text[position] == ">" or any(
            pattern.match(text, position, end) for pattern in (_LIST, _HEADING, _FENCE, _RULE, _HTML_BLOCK, _FOOTNOTE)
        )

    def _close(self, matched: int) -> None:
        self._close_leaf()
        self.fence = ""
        self.raw = ""
        del self.containers[matched:]

    def _close_leaf(self) -> None:
        self.flush()
        self.definition = ""

    def _keep(self, position: int, end: int, indent: int) -> bool:
        """Whether the line belongs to a fence or to raw text; notices their ends."""
        if self.fence:
            closing = _FENCE_END.match(self.text, position, end)
            if closing and indent < 4 and closing[1].startswith(self.fence):
                self.fence = ""
            return True
        if self.raw_until_blank and position == end:
            self.raw = ""
            return False
        if _found(self.raw, self.text, position, end):
            self.raw = ""
        return True

    def _open_containers(self, position: int, end: int, indent: int, *, interrupted: bool) -> tuple[int, int]:
        """Open the block quotes, list items and footnotes that begin on this line; the place behind them."""
        while position < end and indent < 4 and len(self.containers) < MAX_NESTING:
            char = self.text[position]
            if char == ">":
                self._close_leaf()
                self.containers.append(_QUOTE)
                position, column, base = self._after_quote(position, end, indent)
                indent = column - base
            elif footnote := char == "[" and _FOOTNOTE.match(self.text, position, end):
                self._close_leaf()
                self.containers.append(4)
                position, indent = footnote.end(), 0
            elif marker := self._list_marker(position, end, interrupted=interrupted):
                self._close_leaf()
                position, indent = self._open_item(marker, end, indent)
            else:
                break
            interrupted = False
        return position, indent

    def _list_marker(self, position: int, end: int, *, interrupted: bool) -> re.Match[str] | None:
        marker = _LIST.match(self.text, position, end)
        if not marker or _RULE.match(self.text, position, end):
            return None
        if interrupted and self.paragraph:
            empty = marker.end() == end
            if empty or marker[0][:-1] not in ("", "1"):
                return None
        return marker

    def _open_item(self, marker: re.Match[str], end: int, indent: int) -> tuple[int, int]:
        width = marker.end() - marker.start()
        position, column = self._columns(marker.end(), end, indent + width)
        space = column - indent - width
        if position == end or space > 4:
            self.containers.append(indent + width + 1)
            return position, max(space - 1, 0)
        self.containers.append(column)
        if task := _TASK.match(self.text, position, end):
            position = task.end()
        return position, 0

    def _read_leaf(self, position: int, end: int, indent: int) -> None:
        if self.html:
            self.html.append((position, end))
        elif indent > 3 and not self.paragraph:
            return
        elif self.definition and self._ends_definition(position, end):
            return
        elif indent > 3 or not self._read_marked(position, end):
            self._read_text(position, end)

    def _ends_definition(self, position: int, end: int) -> bool:
        """Whether the line is the target or the title of the reference definition above it."""
        belongs = self.definition == "target" or _TITLE.match(self.text, position, end)
        self.definition = "title" if self.definition == "target" else ""
        return bool(belongs)

    def _read_marked(self, position: int, end: int) -> bool:
        """Read a line that is not a paragraph's: whether it was one."""
        text, char = self.text, self.text[position]
        if char.isalpha():
            return False
        if char == "#" and (heading := _HEADING.match(text, position, end)):
            self._read_heading(heading.end(), end)
        elif char in "`~" and (fence := _FENCE.match(text, position, end)):
            self.flush()
            self.fence = fence[1] or fence[2]
        elif self._is_rule(position, end):
            self.flush()
        elif char == "<" and self._read_html(position, end):
            pass
        elif char in "$\\" and self._read_math(position, end):
            pass
        elif char == "[" and not self.paragraph and (found := _DEFINITION.match(text, position, end)):
            self.definition = "title" if found["target"] else "target"
        else:
            return char in "|:-" and self._read_delimiter_row(position, end)
        return True

    def _is_rule(self, position: int, end: int) -> bool:
        """Whether the line is a thematic break, the underline of a heading, or a directive's fence."""
        text, char = self.text, self.text[position]
        underline = self.paragraph and char in "=-" and _UNDERLINE.match(text, position, end)
        rule = char in "*-_" and _RULE.match(text, position, end)
        return bool(underline or rule or (char == ":" and _DIRECTIVE.match(text, position, end)))

    def _read_heading(self, position: int, end: int) -> None:
        self.flush()
        closing = _HEADING_END.search(self.text[position:end])
        stop = position + closing.start() if closing else end
        while stop > position and self.text[stop - 1] in " \t":
            stop -= 1
        if stop > position:
            self.done.append(Block("text", [(position, stop)]))

    def _read_html(self, position: int, end: int) -> bool:
        text = self.text
        for opening, closing in _RAW:
            if opening.match(text, position, end):
                self.flush()
                ends = _RAW_TAG_END if closing == "</" else closing
                self.raw = "" if _found(ends, text, position + 2, end) else ends
                self.raw_until_blank = False
                return True
        if _HTML_BLOCK.match(text, position, end) or (not self.paragraph and _HTML_LINE.match(text, position, end)):
            self.flush()
            self.html = [(position, end)]
            return True
        return False

    def _read_math(self, position: int, end: int) -> bool:
        """Display math: kept until its end or a blank line, so that a stray `$$` costs a paragraph at most."""
        line = self.text[position:end]
        begin = _BEGIN.match(line)
        closing = "$$" if line.startswith("$$") else "\\]" if line.startswith("\\[") else ""
        if not (closing or begin) or (self.paragraph and not begin and closing in line[2:]):
            return False
        closing = closing or f"\\end{{{begin[1]}}}"  # type: ignore[index]
        if closing in line[2:]:
            return bool(begin) or line.endswith(closing)
        self.flush()
        self.raw, self.raw_until_blank = closing, True
        return True

    def _read_delimiter_row(self, position: int, end: int) -> bool:
        """Notice that the line above heads a table."""
        if not self.paragraph or not _DELIMITER_ROW.match(self.text, position, end):
            return False
        head = self.paragraph[-1]
        if "|" not in self.text[head[0] : head[1]] and "|" not in self.text[position:end]:
            return False
        self.paragraph.pop()
        self.flush()
        self._read_row(*head)
        self.table = True
        return True

    def _read_row(self, start: int, end: int) -> None:
        for cell in _CELL.finditer(self.text, start, end):
            if cell[0].strip():
                self.done.append(Block("cell", [cell.span()]))

    def _read_text(self, position: int, end: int) -> None:
        if self.table:
            self._read_row(position, end)
            return
        if bullet := _BULLET.match(self.text, position, end):
            self.flush()
            position = bullet.end()
        self.paragraph.append((position, end))


def _found(ends: re.Pattern[str] | str, text: str, start: int, end: int) -> bool:
    if isinstance(ends, str):
        return text.find(ends, start, end) >= 0
    return ends.search(text, start, end) is not None
