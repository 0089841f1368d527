from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.translate.lines import rewrap, unwrap

TWO_LINES = "A sentence that was wrapped by an editor\n> and goes on"


def test_a_wrapped_sentence_is_one_line_for_the_engine():
    assert unwrap(TWO_LINES) == "A sentence that was wrapped by an editor and goes on"


def test_the_break_returns_at_its_share_of_the_translation_with_its_quote_mark():
    translation = "एक वाक्य जिसे किसी संपादक ने दो पंक्तियों में बाँटा और जो चलता है"

    assert rewrap(TWO_LINES, translation) == "एक वाक्य जिसे किसी संपादक ने दो पंक्तियों में बाँटा\n> और जो चलता है"


def test_an_unchanged_sentence_keeps_its_own_breaks():
    assert rewrap("a  \r\n  b\n\tc", "a b c") == "a  \r\n  b\n\tc"


def test_no_line_begins_like_a_list_item_or_inside_code():
    assert rewrap("aaaa\nbbbb", "one - 2. `p q r s` # two") == "one - 2. `p q r s` #\ntwo"


def test_chinese_is_broken_between_characters_and_a_short_text_not_at_all():
    assert rewrap("one two\nthree four", "一二三四") == "一二\n三四"
    assert rewrap("a\nb\nc\nd", "一二") == "一二"


@settings(max_examples=200, derandomize=True)
@given(st.text(alphabet=" \t\r\n>ab"))
def test_unwrapping_and_rewrapping_gives_any_segment_back(segment):
    assert rewrap(segment, unwrap(segment)) == segment
