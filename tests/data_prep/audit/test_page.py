"""The page shows untrusted text as text and loads nothing."""

import json
import re
from html.parser import HTMLParser

from data_prep.audit import page
from data_prep.audit.stage import audit_page

HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)">'
VOID = {"meta"}


class Balance(HTMLParser):
    """Fails on tags that do not close in order."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def facts_of(settings):
    return json.loads(audit_page(settings.layout).with_suffix(".json").read_text())


def poisoned(value):
    """The facts with hostile markup in every id, place and text."""
    if isinstance(value, dict):
        shown = {"id", "text", "where", "parent", "parent_id", "path", "license"}
        return {key: HOSTILE if key in shown and each else poisoned(each) for key, each in value.items()}
    return [poisoned(each) for each in value] if isinstance(value, list) else value


def test_markup_in_texts_ids_and_places_is_escaped(prepared):
    html = page.render(poisoned(facts_of(prepared)))
    assert "&lt;script&gt;alert(1)" in html
    assert not re.search(r"<(script|img)\b", html)


def test_the_page_is_well_formed_and_loads_nothing(prepared):
    html = audit_page(prepared.layout).read_text()
    parser = Balance()
    parser.feed(html)
    assert parser.open == []
    assert not parser.seen & {"script", "link", "img", "iframe"}
    assert not re.search(r"(href|src)=|url\(|@import", html)


def test_every_section_is_there_and_the_chosen_threshold_is_marked(prepared):
    html = audit_page(prepared.layout).read_text()
    assert re.findall(r'<section id="(\w+)"', html) == [
        *("contents", "stages", "drops", "perplexity", "duplicates", "contamination", "romanisation"),
        *("samples", "instruct", "sources"),
    ]
    assert "90 (chosen)" in html
    assert "dropped above" in html
    assert "Compared: human" in html
