"""The line-by-line state behind `blocks`: containers and leaves are opened and closed as CommonMark does."""

import re
from typing import Literal, NamedTuple

from data_prep.translate import syntax

MAX_NESTING = 64
"""Containers deeper than this are read as text, so that no input costs more than 64 steps a line."""
Kind = Literal["text", "cell", "html"]
Range = tuple[int, int]


class Block(NamedTuple):
    """Lines that belong together: a paragraph, a heading, one table cell, or a stretch of HTML."""

    kind: Kind
    lines: list[Range]
    """Offsets of each line's text, without markers, indentation and trailing white space. One for cell and html."""


_QUOTE = -1
"""A block quote among the open containers; a list item is there as the columns its text is indented by."""


class Scanner:
    """What is open between two lines: containers, and one leaf (a paragraph, a table, a fence, HTML, raw text)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.done: list[Block] = []
        self.base = 0
        """Column at which the text of the innermost container begins on this line."""
        self.containers: list[int] = []
        self.paragraph: list[Range] = []
        self.html: list[Range] = []
        self.table = False
        self.fence = ""
        self.raw: re.Pattern[str] | str = ""
        """What ends text that is kept as it is."""
        self.raw_until_blank = False
        self.indented = -1
        """Where the last paragraph line began that is indented like code: it heads no table."""
        self.empty_item = False
        """Set after a list marker alone on its line: a blank line ends that item."""
        self.definition = ""
        """Set after a reference definition whose target or title may follow on the next line."""

    def drain(self) -> list[Block]:
        """The blocks that are complete, once."""
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
        empty, self.empty_item = self.empty_item, False
        if position == end:
            self._close_leaf()
            if empty and not lost:
                self.containers.pop()
            return
        position, indent = self._open_containers(position, end, indent, interrupted=not lost)
        if position < end:
            self._read_leaf(position, end, indent)

    def _columns(self, position: int, end: int, column: int) -> tuple[int, int]:
        """The first character that is not indentation, and its column."""
        stop = syntax.INDENT.match(self.text, position, end).end()  # type: ignore[union-attr]
        if "\t" not in self.text[position:stop]:
            return stop, column + stop - position
        for char in self.text[position:stop]:
            column += 4 - column % 4 if char == "\t" else 1
        return stop, column

    def _continue_containers(self, start: int, end: int) -> tuple[int, int, int]:
        """Where the line's text begins inside the open containers, its indentation there, and how many go on."""
        position, column = self._columns(start, end, 0)
        self.base = base = 0
        for number, container in enumerate(self.containers):
            if container == _QUOTE:
                if position == end or self.text[position] != ">" or column - base > 3:
                    return position, column - base, number
                position, column, base = self._after_quote(position, end, column)
            elif position < end:
                if column - base < container:
                    return position, column - base, number
                base += container
            self.base = base
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
            pattern.match(text, position, end)
            for pattern in (syntax.LIST, syntax.HEADING, syntax.FENCE, syntax.RULE, syntax.HTML_BLOCK, syntax.FOOTNOTE)
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
            closing = syntax.FENCE_END.match(self.text, position, end)
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
                position, column, self.base = self._after_quote(position, end, self.base + indent)
                indent = column - self.base
            elif footnote := char == "[" and syntax.FOOTNOTE.match(self.text, position, end):
                self._close_leaf()
                self.containers.append(4)
                self.base += indent + footnote.end() - position
                position, indent = footnote.end(), 0
            elif marker := self._list_marker(position, end, interrupted=interrupted):
                self._close_leaf()
                position, indent = self._open_item(marker, end, indent)
            else:
                break
            interrupted = False
        return position, indent

    def _list_marker(self, position: int, end: int, *, interrupted: bool) -> re.Match[str] | None:
        marker = syntax.LIST.match(self.text, position, end)
        if not marker or syntax.RULE.match(self.text, position, end):
            return None
        if interrupted and self.paragraph:
            empty = marker.end() == end
            if empty or marker[0][:-1] not in ("", "1"):
                return None
        return marker

    def _open_item(self, marker: re.Match[str], end: int, indent: int) -> tuple[int, int]:
        behind = self.base + indent + marker.end() - marker.start()
        position, column = self._columns(marker.end(), end, behind)
        self.empty_item = position == end
        text_column = behind + 1 if position == end or column - behind > 4 else column
        self.containers.append(text_column - self.base)
        self.base = text_column
        if column == text_column and (task := syntax.TASK.match(self.text, position, end)):
            position = task.end()
        return position, max(column - text_column, 0)

    def _read_leaf(self, position: int, end: int, indent: int) -> None:
        if self.html:
            self.html.append((position, end))
        elif indent > 3 and not self.paragraph:
            self.table = False
        elif self.definition and self._ends_definition(position, end):
            return
        elif indent > 3:
            self.indented = position
            self._read_text(position, end)
        elif not self._read_marked(position, end):
            self._read_text(position, end)

    def _ends_definition(self, position: int, end: int) -> bool:
        """Whether the line is the target or the title of the reference definition above it."""
        belongs = self.definition == "target" or syntax.TITLE.match(self.text, position, end)
        self.definition = "title" if self.definition == "target" else ""
        return bool(belongs)

    def _read_marked(self, position: int, end: int) -> bool:
        """Read a line that is not a paragraph's: whether it was one."""
        text, char = self.text, self.text[position]
        if char.isalpha():
            return False
        if char == "#" and (heading := syntax.HEADING.match(text, position, end)):
            self._read_heading(heading.end(), end)
        elif char in "`~" and (fence := syntax.FENCE.match(text, position, end)):
            self.flush()
            self.fence = fence[1] or fence[2]
        elif self._is_rule(position, end):
            self.flush()
        elif char == "[" and not self.paragraph and (found := syntax.DEFINITION.match(text, position, end)):
            self.definition = "title" if found["target"] else "target"
        else:
            return self._read_other(position, end)
        return True

    def _read_other(self, position: int, end: int) -> bool:
        char = self.text[position]
        if char == "<":
            return self._read_html(position, end)
        if char in "$\\":
            return self._read_math(position, end)
        return char in "|:-" and self._read_delimiter_row(position, end)

    def _is_rule(self, position: int, end: int) -> bool:
        """Whether the line is a thematic break, the underline of a heading, or a directive's fence."""
        text, char = self.text, self.text[position]
        underline = self.paragraph and char in "=-" and syntax.UNDERLINE.match(text, position, end)
        rule = char in "*-_" and syntax.RULE.match(text, position, end)
        return bool(underline or rule or (char == ":" and syntax.DIRECTIVE.match(text, position, end)))

    def _read_heading(self, position: int, end: int) -> None:
        self.flush()
        closing = syntax.HEADING_END.search(self.text[position:end])
        stop = position + closing.start() if closing else end
        while stop > position and self.text[stop - 1] in " \t":
            stop -= 1
        if stop > position:
            self.done.append(Block("text", [(position, stop)]))

    def _read_html(self, position: int, end: int) -> bool:
        text = self.text
        for opening, closing in syntax.RAW:
            if opening.match(text, position, end):
                self.flush()
                ends = syntax.RAW_TAG_END if closing == "</" else closing
                self.raw = "" if _found(ends, text, position + 2, end) else ends
                self.raw_until_blank = False
                return True
        if syntax.HTML_BLOCK.match(text, position, end) or (
            not self.paragraph and syntax.HTML_LINE.match(text, position, end)
        ):
            self.flush()
            self.html = [(position, end)]
            return True
        return False

    def _read_math(self, position: int, end: int) -> bool:
        """Display math: kept until its end or a blank line, so that a stray `$$` costs a paragraph at most."""
        line = self.text[position:end]
        begin = syntax.BEGIN.match(line)
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
        if not self.paragraph or not syntax.DELIMITER_ROW.match(self.text, position, end):
            return False
        head = self.paragraph[-1]
        row, delimiters = self.text[slice(*head)], self.text[position:end]
        if head[0] == self.indented or "|" not in row + delimiters or _columns(row) != _columns(delimiters):
            return False
        self.paragraph.pop()
        self.flush()
        self._read_row(*head)
        self.table = True
        return True

    def _read_row(self, start: int, end: int) -> None:
        for cell in syntax.CELL.finditer(self.text, start, end):
            if cell[0].strip():
                self.done.append(Block("cell", [cell.span()]))

    def _read_text(self, position: int, end: int) -> None:
        if self.table:
            self._read_row(position, end)
            return
        if bullet := syntax.BULLET.match(self.text, position, end):
            position = bullet.end()
        self.paragraph.append((position, end))


def _columns(row: str) -> int:
    row = row.removeprefix("|")
    return len(syntax.PIPE.findall(row)) + (not row.endswith("|") or row.endswith("\\|"))


def _found(ends: re.Pattern[str] | str, text: str, start: int, end: int) -> bool:
    if isinstance(ends, str):
        return text.find(ends, start, end) >= 0
    return ends.search(text, start, end) is not None
