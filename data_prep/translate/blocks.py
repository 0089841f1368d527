"""The blocks of a document that hold text to translate, found line by line as CommonMark does.

Only where text begins and ends is found here; what encloses it (markers, fences, rules, definitions) belongs to no
block and is never touched. So a wrong guess costs a translation, not the structure. Understood: block quotes, lists,
headings, tables, indented and fenced code, HTML, reference and footnote definitions, display math, front matter.
Text that is not Markdown passes as paragraphs. The time is linear in the text: nesting and block length are bounded.
"""

from collections.abc import Iterator

from data_prep.translate import syntax
from data_prep.translate.scanner import Block, Range, Scanner

MAX_BLOCK_CHARACTERS = 1 << 14
"""Longer blocks are cut at white space, so that a sentence splitter never sees a line of 100 MB."""


def blocks(text: str) -> Iterator[Block]:
    """The blocks of `text`, in order."""
    scanner = Scanner(text)
    start = _front_matter(text)
    for newline in syntax.NEWLINE.finditer(text, start):
        scanner.feed(start, newline.start())
        start = newline.end()
        if scanner.done:
            yield from _bounded(text, scanner.drain())
    scanner.feed(start, len(text))
    scanner.flush()
    yield from _bounded(text, scanner.drain())


def _front_matter(text: str) -> int:
    """Where the document begins behind YAML or TOML metadata."""
    opening = syntax.FRONT_MATTER.match(text)
    closing = opening and syntax.FRONT_MATTER_END[opening["fence"]].search(text, opening.end())
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
