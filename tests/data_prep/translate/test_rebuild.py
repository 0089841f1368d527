import pytest

from data_prep.translate.rebuild import rebuild, segments
from data_prep.translate.spans import Span, cut


def rebuilt(text, *translations):
    return rebuild(text, cut(text, lang="en-Latn"), translations)


def test_short_segments_do_not_touch_longer_ones_that_hold_them():
    assert rebuilt("in\n\nin vain\n\nvain", "में", "व्यर्थ में", "व्यर्थ") == "में\n\nव्यर्थ में\n\nव्यर्थ"


def test_segments_are_what_the_spans_hold():
    assert segments("a bc", [Span(0, 1), Span(2, 4)]) == ["a", "bc"]


def test_a_pipe_in_a_table_cell_is_escaped_once():
    assert rebuilt("| a |\n|---|\n| b |", "x|y", "u\\|v") == "| x\\|y |\n|---|\n| u\\|v |"


def test_a_pipe_elsewhere_is_not():
    assert rebuilt("text", "x|y") == "x|y"


def test_a_heading_stays_on_one_line():
    assert rebuilt("# Title\ntext", " Two\n lines ", "text") == "# Two lines\ntext"


@pytest.mark.parametrize("start", ["# x", "- x", "1. x", "> x", "+ x", "```x", "<div>", "[a]: b", "==="])
def test_a_translation_does_not_begin_another_block(start):
    escaped = "1\\. x" if start == "1. x" else f"\\{start}"
    assert rebuilt("- item", start) == f"- {escaped}"
    assert rebuilt("One. Two.", "x.", start) == f"x. {start}"


def test_an_inline_tag_or_an_address_may_come_first():
    assert rebuilt("Click <b>here</b>", "<b>यहाँ</b> क्लिक करें") == "<b>यहाँ</b> क्लिक करें"
    assert rebuilt("See <http://x.org>", "<http://x.org> देखें") == "<http://x.org> देखें"


def test_a_segment_that_began_like_a_block_may_go_on_to():
    assert rebuilt("#tag > a\n\n5.  b", *cut_texts("#tag > a\n\n5.  b")) == "#tag > a\n\n5.  b"


def cut_texts(text):
    return segments(text, cut(text, lang="en-Latn"))


def test_the_number_of_translations_must_be_that_of_the_spans():
    with pytest.raises(ValueError, match="shorter"):
        rebuild("a", [Span(0, 1)], [])
