"""Wikitext -> plain text: what a reader sees of an article's prose, headings and lists.

Templates, tables, references, files, categories and comments are left out, as in the published Wikipedia text
datasets; so are headings with nothing below them. mwparserfromhell does the parsing. What templates would have printed
(dates, units, quotations) is lost: expanding them needs MediaWiki.
"""

import re
from collections.abc import Iterable

import mwparserfromhell
from mwparserfromhell.nodes import ExternalLink, Heading, HTMLEntity, Node, Tag, Text, Wikilink

_SKIPPED_TAGS = frozenset(
    (
        *("ref", "references", "table", "gallery", "math", "chem", "ce", "score", "timeline", "imagemap", "graph"),
        *("mapframe", "maplink", "style", "script", "noinclude", "templatestyles", "section", "inputbox", "hiero"),
    )
)
_LIST_MARKS = {"li": "- ", "dt": "", "dd": ""}
_LINE_BREAKS = {"br": "\n", "hr": "\n", "p": "\n", "div": "\n"}
_MAGIC_WORDS = re.compile(r"__[A-Z_]+__")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z]+)*")
"""Prefix of a link to the same article in another language."""

_NESTED_ITEM = re.compile(r"(?:- )+")
_HEADING = "\x02"
"""Marks heading lines until empty ones are gone; ingest rejects no text for it, XML cannot hold it."""


def plain_text(wikitext: str, media_names: frozenset[str]) -> str:
    """The readable text of a page.

    Args:
        wikitext: The page as it is stored.
        media_names: Names of the File and Category namespaces, lower case: links to them are no prose.

    Raises:
        ValueError: The parser gives up on this page.
    """
    try:
        code = mwparserfromhell.parse(wikitext, skip_style_tags=True)
    except (mwparserfromhell.parser.ParserError, RecursionError) as error:
        raise ValueError(str(error)) from error
    text = _MAGIC_WORDS.sub("", _render(code.nodes, media_names)).replace("'''", "").replace("''", "")
    return _tidy(text)


def _render(nodes: Iterable[Node], media_names: frozenset[str]) -> str:
    return "".join(_render_node(node, media_names) for node in nodes)


def _render_node(node: Node, media_names: frozenset[str]) -> str:
    """What a reader sees of one node: of comments, templates and their arguments nothing."""
    text = ""
    if isinstance(node, Text):
        text = str(node.value)
    elif isinstance(node, Wikilink):
        text = _render_link(node, media_names)
    elif isinstance(node, ExternalLink) and node.title:
        text = _render(node.title.nodes, media_names)
    elif isinstance(node, Heading):
        text = f"\n{_HEADING * node.level}{_render(node.title.nodes, media_names).strip()}\n"
    elif isinstance(node, HTMLEntity):
        text = str(node.normalize())
    elif isinstance(node, Tag):
        text = _render_tag(node, media_names)
    return text


def _render_link(link: Wikilink, media_names: frozenset[str]) -> str:
    title = str(link.title).strip()
    prefix, colon, _ = title.partition(":")
    if colon and (prefix.strip().lower() in media_names or (link.text is None and _LANGUAGE.fullmatch(prefix))):
        return ""
    return _render(link.text.nodes, media_names) if link.text is not None else title.removeprefix(":")


def _render_tag(tag: Tag, media_names: frozenset[str]) -> str:
    name = str(tag.tag).strip().lower()
    if name in _SKIPPED_TAGS:
        return ""
    if tag.wiki_markup and name in _LIST_MARKS:
        return _LIST_MARKS[name]
    inside = _render(tag.contents.nodes, media_names) if tag.contents else ""
    end = _LINE_BREAKS.get(name, "")
    return f"{inside}{end}"


def _tidy(text: str) -> str:
    """Drop empty headings and list items; indent nested items; at most one empty line in a row."""
    kept: list[str] = []
    for raw in text.splitlines():
        line = re.sub(r"[ \t]+", " ", raw).strip()
        if marks := _NESTED_ITEM.match(f"{line} "):
            item = line[marks.end() :]
            if not item:
                continue
            line = f"{'  ' * (marks.end() // 2 - 1)}- {item}"
        if line or (kept and kept[-1]):
            kept.append(line)
    return _without_empty_sections(kept)


def _without_empty_sections(lines: list[str]) -> str:
    """From the end: a heading stays if text, or a deeper heading that stays, comes before the next of its level."""
    kept: list[str] = []
    filled_below = 7
    for line in reversed(lines):
        level = len(line) - len(line.lstrip(_HEADING))
        if not level:
            kept.append(line)
            filled_below = 1 if line else filled_below
        elif filled_below <= 6 and (filled_below == 1 or level < filled_below):
            kept += ["", line.lstrip(_HEADING), ""]
            filled_below = level
    text = "\n".join(reversed(kept)).strip()
    return re.sub(r"\n{3,}", "\n\n", text)
