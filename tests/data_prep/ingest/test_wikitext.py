import contextlib

import pytest

from data_prep.ingest.wikitext import plain_text

NAMES = frozenset({"चित्र", "file", "श्रेणी", "category"})


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("'''भारत''' एक [[विशाल]] [[देश|देश]] है।", "भारत एक विशाल देश है।"),
        ("हिंदी<ref name=a>[[x]] पाठ</ref> में<ref name=a/>।", "हिंदी में।"),
        ("{{ज्ञानसन्दूक\n|नाम={{lang|en|India}}}}\nपाठ", "पाठ"),
        ("ऊपर\n{| class=wikitable\n|-\n| कोष्ठ\n|}\nनीचे", "ऊपर\n\nनीचे"),
        ("[[चित्र:a.jpg|thumb|[[कैप्शन]]]]पाठ [[File:b.png]][[श्रेणी:देश]]", "पाठ"),
        ("[[:श्रेणी:देश]] [[en:India]]", "श्रेणी:देश"),
        ("* एक\n** दो\n# तीन\n*\n", "- एक\n  - दो\n- तीन"),
        ("[http://x.org नाम] http://bare.org [http://only.org]", "नाम"),
        ("A&nbsp;B &amp; C<br>D <!-- छिपा -->", "A\xa0B & C\nD"),
        ("<nowiki>[[कच्चा]]</nowiki> <math>x^2</math> __NOTOC__", "[[कच्चा]]"),
        ("== इतिहास ==\nपाठ\n== सन्दर्भ ==\n{{reflist}}\n", "इतिहास\n\nपाठ"),
        ("== खाली ==\n== भरा ==\n=== गहरा ===\nपाठ", "भरा\n\nगहरा\n\nपाठ"),
        ("एक\n\n\n\n\nदो", "एक\n\nदो"),
        ("क्\u200dष ज़ क़ि", "क्\u200dष ज़ क़ि"),
        ("{{केवल ढाँचा}}", ""),
        ("[[टूटा {{ <ref> {| ''", "[[टूटा {{ <ref> {|"),
    ],
)
def test_readers_see_prose_headings_and_lists(wikitext: str, text: str) -> None:
    assert plain_text(wikitext, NAMES) == text


def test_deeply_nested_markup_ends_in_text_or_in_an_error_of_one_page() -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(plain_text("{{a|" * 800 + "[[" * 800 + "'''" * 800, NAMES), str)
