"""Markdown from plain values: a table, and text that cannot break out of its cell."""

from collections.abc import Iterable, Sequence


def cell(value: object) -> str:
    """A value as the text of a cell; no character of it is Markdown's or HTML's."""
    text = " ".join(str(value).split())
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


def table(header: Sequence[str], rows: Iterable[Sequence[object]], *, numbers_from: int = 1) -> str:
    """A table; columns from `numbers_from` on are aligned to the right. Empty without rows."""
    lines = [" | ".join(map(cell, row)) for row in rows]
    if not lines:
        return ""
    rule = ["---" if place < numbers_from else "---:" for place in range(len(header))]
    return "\n".join(f"| {line} |" for line in [" | ".join(map(cell, header)), " | ".join(rule), *lines])
