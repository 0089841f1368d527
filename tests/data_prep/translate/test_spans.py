import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.translate.blocks import MAX_BLOCK_CHARACTERS
from data_prep.translate.rebuild import segments
from data_prep.translate.spans import cut

from .markdown import CASES, SOUP, hindi, shout, skeleton, translate


def cut_segments(text, lang="en-Latn", **options):
    return segments(text, cut(text, lang=lang, **options))


@pytest.mark.parametrize("name", CASES)
def test_an_engine_that_changes_nothing_gives_the_document_back_byte_for_byte(name):
    assert translate(CASES[name], str) == CASES[name]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("engine", [shout, hindi])
def test_the_skeleton_is_that_of_the_source_when_every_word_changes(name, engine):
    translated = translate(CASES[name], engine)

    assert translated != CASES[name]
    assert skeleton(translated) == skeleton(CASES[name])


@settings(max_examples=300, derandomize=True)
@given(st.one_of(SOUP, st.text()))
def test_any_text_comes_back_from_an_engine_that_changes_nothing(text):
    assert translate(text, str) == text


@settings(max_examples=300, derandomize=True)
@given(SOUP)
def test_any_markdown_keeps_its_skeleton(text):
    for engine in (shout, hindi):
        assert skeleton(translate(text, engine)) == skeleton(text)


@settings(max_examples=200, derandomize=True)
@given(SOUP)
def test_spans_are_in_order_and_have_no_white_space_at_their_ends(text):
    position = 0
    for span in cut(text, lang="en-Latn"):
        assert position <= span.start < span.end <= len(text)
        assert text[span.start : span.end] == text[span.start : span.end].strip()
        position = span.end


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# A title ##\n", ["A title"]),
        ("Title\n===\nText.", ["Title", "Text."]),
        ("- one\n  - two\n    1. three", ["one", "two", "three"]),
        ("- [x] done", ["done"]),
        ("> > quote\n> rest", ["quote", "rest"]),
        ("| a | b \\| c |\n|---|---|\n| 5 | d |", ["a", "b \\| c", "d"]),
        ("a | b\n--- | ---\nc", ["a", "b", "c"]),
        ("```\ncode\n```\ntext", ["text"]),
        ("~~~\ncode\n```\ncode\n~~~~\ntext", ["text"]),
        ("```\nnever closed\n", []),
        ("text\n\n    code\n", ["text"]),
        ("- item\n\n      code\n\n  more", ["item", "more"]),
        ("<p>One</p><p>Two <b>bold</b></p>", ["One", "Two <b>bold</b>"]),
        ("<div\n  id='x'>Text</div>", ["Text"]),
        ("<script>\nvar text;\n\nvar y;\n</script>\ntext", ["text"]),
        ("<!-- no\n\nno -->\nyes", ["yes"]),
        ("[a]: http://x 'title'\n[b]:\n  http://y\n  'title'\ntext", ["text"]),
        ("[^1]: The note.\n\n    More of it.\n", ["The note.", "More of it."]),
        ("---\ntitle: no\n---\nyes", ["yes"]),
        ("+++\ntitle = 'no'\n+++\nyes", ["yes"]),
        ("---\n\nA rule, no front matter.\n\n---\n", ["A rule, no front matter."]),
        ("$$\nx = y\n$$\ntext", ["text"]),
        ("$$\nstray\n\ntext", ["text"]),
        ("\\begin{align}\nx\n\\end{align}\ntext", ["text"]),
        (":::note\ntext\n:::", ["text"]),
        ("• one\n• two", ["one", "two"]),
        ("a) one\nb) two", ["one", "two"]),
        ("one\ttwo | three", ["one", "two", "three"]),
        ("5. \n\n17\n\n***\n", []),
    ],
)
def test_blocks_hold_what_is_text_in_them(text, expected):
    assert cut_segments(text) == expected
    assert cut_segments(text.replace("\n", "\r\n")) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**All bold. Two sentences.**", ["All bold.", "Two sentences."]),
        ("**Bold.** Plain.", ["Bold.", "Plain."]),
        ("Some **bold. Still bold** text.", ["Some **bold. Still bold** text."]),
        ("[A link. With two sentences.](http://x) More.", ["A link.", "With two sentences.", "More."]),
        ("A note.[^1] More.", ["A note.", "More."]),
        ("Use `a. B` now. Next.", ["Use `a. B` now.", "Next."]),
        ("Dr. Smith paid $5.50 at 10 p.m. today.", ["Dr. Smith paid $5.50 at 10 p.m. today."]),
        ("**bold over  \na hard break** here", ["bold over", "a hard break", "here"]),
        ("one<br>two", ["one", "two"]),
        ("See [docs] and [other].\n\n[docs]: http://x", ["See", "and [other]."]),
    ],
)
def test_sentences_are_cut_outside_markup(text, expected):
    assert cut_segments(text) == expected


def test_a_sentence_may_end_with_a_danda():
    assert cut_segments("यह हिंदी है। दूसरा वाक्य॥ तीसरा?", "hi-Deva") == ["यह हिंदी है।", "दूसरा वाक्य॥", "तीसरा?"]


def test_lines_that_an_editor_wrapped_are_one_sentence_and_an_authors_lines_are_not():
    wrapped = "This paragraph was wrapped by an editor at a\nwidth of about forty-five characters, mid\nsentence."
    menu = "Home\nAbout us\nContact"

    assert cut_segments(wrapped) == [wrapped]
    assert cut_segments(menu) == ["Home", "About us", "Contact"]
    assert cut_segments("A headline of more than forty characters here\nSmall\n" + "long " * 30) == [
        "A headline of more than forty characters here",
        "Small",
        ("long " * 30).strip(),
    ]


def test_a_long_sentence_is_cut_at_clauses_then_at_spaces_and_never_in_a_link():
    text = "one two three four, five six seven eight nine ten eleven [a link of many words](http://x) end"

    pieces = cut_segments(text, max_segment_characters=32)

    assert pieces[0] == "one two three four,"
    assert "[a link of many words](http://x)" in " ".join(pieces)
    assert all(len(piece) <= 32 or "](" in piece for piece in pieces)
    assert " ".join(pieces) == text


def test_a_word_longer_than_the_limit_is_cut_before_no_vowel_sign():
    pieces = cut_segments("कि" * 40, "hi-Deva", max_segment_characters=31)

    assert "".join(pieces) == "कि" * 40
    assert all(piece.startswith("क") for piece in pieces)


def test_a_line_longer_than_a_block_is_read_in_pieces():
    text = "word " * MAX_BLOCK_CHARACTERS

    assert " ".join(cut_segments(text)) == text.strip()
    assert max(map(len, cut_segments(text))) <= 600


ADVERSARIAL = [
    *[
        "a",
        " ",
        "*",
        "*a ",
        "a**",
        "_",
        "a_b",
        "[",
        "[a](",
        "](",
        "](((",
        "![",
        "`",
        "`a``",
        "<",
        "<b>x ",
        "<!--",
        "<a ",
        "{",
    ],
    *[
        "$a",
        "$$ ",
        "%",
        "a@",
        "1",
        "1,",
        "1,1x",
        "\\",
        "\\(",
        "|",
        " | ",
        ">",
        "> a\n",
        "- ",
        "- a\n",
        "“a. ",
        "' a. b",
    ],
    *[
        ".com",
        "a://",
        "/a",
        "ID 1 ",
        "\n",
        "a\n",
        "|a|\n|-|\n",
        "[a]: ",
        "**S. A",
        "<b>S. ",
        "h*[",
        "[^1]:",
        "a\n=\n",
        "<div>\n",
    ],
]


@pytest.mark.parametrize("unit", ADVERSARIAL)
def test_time_grows_with_the_text_and_no_faster(unit):
    def seconds(characters):
        text = (unit * characters)[:characters]
        start = time.process_time()
        assert translate(text, str) == text
        return time.process_time() - start

    def growth():
        small = min(seconds(3_000) for _ in range(3))
        return min(seconds(48_000) for _ in range(2)) / small

    assert any(growth() < 60 for _ in range(3)), "16 if linear, 85 if quadratic within a block; other work only adds"
