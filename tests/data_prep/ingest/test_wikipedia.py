import bz2
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from data_prep.documents import Document, Reject
from data_prep.errors import DataError
from data_prep.layout import REPOSITORY_ROOT

from .conftest import records

Make = Callable[[str, bytes], Path]

HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/" version="0.10" xml:lang="hi">
<siteinfo><sitename>विकिपीडिया</sitename><namespaces>
<namespace key="0" case="first-letter" /><namespace key="6" case="first-letter">चित्र</namespace>
<namespace key="14" case="first-letter">श्रेणी</namespace></namespaces></siteinfo>
"""


def page(number: int, text: str, namespace: int = 0, redirect: str = "") -> str:
    return f"""<page><title>शीर्षक {number}</title><ns>{namespace}</ns><id>{number}</id>{redirect}
<revision><id>9{number}</id><contributor><username>कोई</username><id>7</id></contributor>
<model>wikitext</model><text bytes="1" xml:space="preserve">{text}</text></revision></page>
"""


def dump(*pages: str) -> bytes:
    return (HEAD + "".join(pages) + "</mediawiki>\n").encode()


DUMP = dump(
    page(1, "'''भारत''' देश है &amp; रहेगा।[[चित्र:x.jpg|अंगूठा]]"),
    page(2, "#REDIRECT [[भारत]]", redirect='<redirect title="भारत" />'),
    page(3, "{{ढाँचा}}", namespace=10),
    page(4, "{{केवल ढाँचा}}"),
    page(5, "x" * 5000),
    page(6, "अंत"),
)


@pytest.mark.parametrize("suffix", ["", ".bz2", ".gz", ".zst"])
def test_articles_are_documents_and_every_other_page_has_its_reason(make_file: Make, suffix: str) -> None:
    found = records(make_file(f"hiwiki-pages-articles.xml{suffix}", DUMP), "reject", max_bytes=4000)
    assert [(item.id, item.text) for item in found if isinstance(item, Document)] == [
        ("1", "भारत देश है & रहेगा।"),
        ("6", "अंत"),
    ]
    assert [item.reason for item in found if isinstance(item, Reject)] == [
        "redirect",
        "not_an_article",
        "no_prose",
        "text_too_long",
    ]


def test_pages_left_out_by_rule_are_no_error(make_file: Make) -> None:
    found = records(make_file("a.xml", DUMP), "error")
    assert [isinstance(item, Document) for item in found] == [True, False, False, False, True, True]


def test_several_streams_of_bzip2_are_one_dump(tmp_path: Path) -> None:
    path = tmp_path / "hiwiki-pages-articles-multistream.xml.bz2"
    path.write_bytes(b"".join(bz2.compress(piece) for piece in (DUMP[:700], DUMP[700:2000], DUMP[2000:])))
    assert len(records(path)) == 6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (DUMP[:3000], r"no whole MediaWiki dump: no element found.*\(after page \d\)"),
        (b"<html><body>404</body></html>", r"its root is <html>"),
        (b"not xml", r"no whole MediaWiki dump: (syntax error|not well-formed)"),
        (b"", "this file is empty"),
        (b'<!DOCTYPE m [<!ENTITY a "b">]>' + DUMP, r"DTDForbidden|DOCTYPE|EntitiesForbidden"),
        (b'<!DOCTYPE m SYSTEM "file:///etc/passwd">' + DUMP, r"DTDForbidden|DOCTYPE"),
        (DUMP.replace("भारत".encode(), b"caf\xe9", 1), r"not well-formed \(invalid token\)"),
    ],
    ids=["cut", "html", "text", "empty", "entities", "external", "encoding"],
)
def test_what_is_no_whole_dump_is_an_error(make_file: Make, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        records(make_file("a.xml", content), "reject")


def test_a_cut_bzip2_file_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.xml.bz2"
    path.write_bytes(bz2.compress(DUMP)[:-40])
    with pytest.raises(DataError, match=r"the compressed file is damaged after line 0"):
        records(path)


def test_a_page_far_over_the_limit_is_never_held(make_file: Make) -> None:
    """64 MB in one page: the reader's memory stays within a few MB of what it needs for small pages."""
    path = make_file("big.xml", dump(page(1, "क"), page(2, "भ" * 22_000_000), page(3, "ख")))
    code = f"""
from pathlib import Path
from tests.data_prep.ingest.conftest import records
records(Path({str(path.parent / "small.xml")!r}), "reject", max_bytes=100_000)
def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
before = peak()
kinds = [type(item).__name__ for item in records(Path({str(path)!r}), "reject", max_bytes=100_000)]
print(kinds, peak() - before < 20_000)
"""
    make_file("small.xml", dump(page(1, "क")))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY_ROOT)
    assert done.stdout == "['Document', 'Reject', 'Document'] True\n"
