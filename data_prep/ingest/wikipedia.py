"""MediaWiki XML dumps (`...-pages-articles.xml.bz2`) as rows with the fields id, title and text.

The XML is untrusted: no document type, no entities, nothing external (defusedxml). It is read as a stream of tags, so
memory holds one page, whatever the size of the dump. Redirects and pages outside the article namespace are left out
with a reason.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.ElementTree import XMLParser  # type: ignore[import-untyped]

from data_prep.errors import DataError
from data_prep.ingest.inputs import InputFile
from data_prep.ingest.settings import SourceSettings
from data_prep.ingest.wikitext import plain_text
from data_prep.jsonl import KEPT_BYTES, BadRow, Check, Fault, Row, too_long

_CHUNK = 1 << 18
_ARTICLES = "0"
_MEDIA_NAMESPACES = ("-2", "6", "14")
_ENGLISH_NAMES = frozenset({"media", "file", "image", "category"})
"""Understood on every wiki beside its own names for the _MEDIA_NAMESPACES."""

_TITLE, _NAMESPACE, _ID = "page/title", "page/ns", "page/id"
_TEXT = "page/revision/text"
_WANTED = (_TITLE, _NAMESPACE, _ID, _TEXT, "siteinfo/namespaces/namespace")


def read_wikipedia(file: InputFile, _source: SourceSettings, check: Check, max_bytes: int) -> Iterator[Row | BadRow]:
    """The pages of a dump.

    Raises:
        DataError: It is no MediaWiki dump, is cut short, or declares entities.
    """
    dump = _Dump(max_bytes=max_bytes)
    number = 0
    try:
        with file.open() as content:
            parser = XMLParser(target=dump, forbid_dtd=True)
            for chunk in iter(lambda: content.read(_CHUNK), b""):
                parser.feed(chunk)
                for page in dump.take():
                    number += 1
                    yield _row(number, page, dump.media_names, check, max_bytes)
            if dump.root is not None:
                parser.close()
    except (ParseError, DefusedXmlException, _NotADumpError) as error:
        raise DataError(
            f"this is no whole MediaWiki dump: {error} (after page {number})",
            where=file.name,
            why="dumps hold one <mediawiki> element, without a document type or entities",
            fix="download it again, or set `format` to what the file is",
        ) from error


class _NotADumpError(Exception):
    """Another kind of XML."""


@dataclass
class _Page:
    fields: dict[str, str] = field(default_factory=dict)
    is_redirect: bool = False
    is_too_long: bool = False


@dataclass
class _Dump:
    """Target of the XML parser: what it has seen of the page at hand, and finished pages until they are taken."""

    max_bytes: int
    root: str | None = None
    media_names: frozenset[str] = _ENGLISH_NAMES
    _path: list[str] = field(default_factory=list)
    _pages: list[_Page] = field(default_factory=list)
    _page: _Page = field(default_factory=_Page)
    _pieces: list[str] = field(default_factory=list)
    _size: int = 0
    _place: str = ""
    _namespace: str = ""

    def take(self) -> list[_Page]:
        """The pages finished since the last call."""
        pages, self._pages = self._pages, []
        return pages

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Called by the parser."""
        name = tag.rpartition("}")[2]
        if self.root is None:
            self.root = name
            if name != "mediawiki":
                raise _NotADumpError(f"its root is <{name}>")
            return
        self._path.append(name)
        self._place = "/".join(self._path)
        self._pieces, self._size = [], 0
        if self._place == "page":
            self._page = _Page()
        elif self._place == "page/redirect":
            self._page.is_redirect = True
        elif name == "namespace":
            self._namespace = attributes.get("key", "")

    def data(self, text: str) -> None:
        """Called by the parser, several times for one text."""
        if self._place in _WANTED and self._size <= self.max_bytes:
            self._pieces.append(text)
            self._size += len(text.encode())

    def end(self, _tag: str) -> None:
        """Called by the parser."""
        if self._place == "page":
            self._pages.append(self._page)
        elif self._place.startswith("page/") and self._place in _WANTED:
            self._page.fields[self._place] = "".join(self._pieces)
            self._page.is_too_long |= self._size > self.max_bytes
        elif self._namespace in _MEDIA_NAMESPACES and self._place in _WANTED:
            self.media_names |= {"".join(self._pieces).lower()}
        if self._path:
            self._path.pop()
        self._place = "/".join(self._path)
        self._pieces = []


def _row(number: int, page: _Page, media_names: frozenset[str], check: Check, max_bytes: int) -> Row | BadRow:
    title, wikitext = page.fields.get(_TITLE, ""), page.fields.get(_TEXT, "")
    if rule := _left_out(page):
        return BadRow(number=number, fault=rule, raw=f"{title}\n{wikitext}".encode()[:KEPT_BYTES], by_rule=True)
    if page.is_too_long:
        return too_long(number, wikitext.encode(), "text_too_long", max_bytes)
    try:
        text = plain_text(wikitext, media_names)
    except ValueError as error:
        return BadRow(number=number, fault=Fault("bad_wikitext", f"{title}: {error}"), raw=wikitext.encode())
    if not text:
        no_prose = Fault("no_prose", f"{title}: nothing but templates, tables and references")
        return BadRow(number=number, fault=no_prose, raw=wikitext.encode(), by_rule=True)
    value = {"id": page.fields.get(_ID), "title": title, "text": text}
    if fault := check(value):
        return BadRow(number=number, fault=fault, raw=text.encode())
    return Row(number=number, value=value)


def _left_out(page: _Page) -> Fault | None:
    """The rule by which a page is no article, if there is one."""
    namespace = page.fields.get(_NAMESPACE, _ARTICLES)
    title = page.fields.get(_TITLE, "")
    if namespace != _ARTICLES:
        return Fault("not_an_article", f"{title}: namespace {namespace}")
    return Fault("redirect", f"{title} points to another page") if page.is_redirect else None
