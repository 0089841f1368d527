import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.translate.lines import unwrap
from data_prep.translate.protect import PLACEHOLDER, Masked, mask, translatable, unmask

from .markdown import SOUP


@pytest.mark.parametrize(
    ("segment", "text", "protected"),
    [
        ("Run `pip install x` now", "Run <ID1> now", ("`pip install x`",)),
        ("Use ``a ` b`` and `c", "Use <ID1> and `c", ("``a ` b``",)),
        ("See https://e.com/a_(b)?c=d, ok", "See <ID1>, ok", ("https://e.com/a_(b)?c=d",)),
        ("(see www.example.com/x).", "(see <ID1>).", ("www.example.com/x",)),
        ("Write to <a.b@c.org> or d+e@f.in!", "Write to <ID1> or <ID2>!", ("<a.b@c.org>", "d+e@f.in")),
        ("On 2024-01-05 at 10:30, 5.5% of $1,000", "On <ID1> at <ID2>, <ID3> of <ID4>", None),
        ("It was -5 or 10-20.", "It was <ID1> or <ID2>.", ("-5", "10-20")),
        ("Take १२३ of them", "Take <ID1> of them", ("१२३",)),
        ("The 3rd H2O in the 1990s", "The 3rd H2O in the 1990s", ()),
        ("Hi {name}, {{ x }} ${y} %s %(n)d %1$s", "Hi <ID1>, <ID2> <ID3> <ID4> <ID5> <ID6>", None),
        ("100 % sure, 5% down", "<ID1> % sure, <ID2> down", ("100", "5%")),
        ("<0>Rich</0> text<br/>", "<ID1> Rich <ID2> text<ID3>", ("<0>", "</0>", "<br/>")),
        ("Energy $E=mc^2$ costs $5", "Energy <ID1> costs <ID2>", ("$E=mc^2$", "$5")),
        ("Costs $5 and $10", "Costs <ID1> and <ID2>", ("$5", "$10")),
        ("So \\(a+b\\) and \\alpha{x}", "So <ID1> and <ID2>", ("\\(a+b\\)", "\\alpha{x}")),
        ("A **bold** [link](u 't') here", "A <ID1> bold <ID2> <ID3> link <ID4> here", ("**", "**", "[", "](u 't')")),
        ("![alt](a.png) and [x][ref]", "<ID1> alt <ID2> and <ID3> x <ID4>", ("![", "](a.png)", "[", "][ref]")),
        ("[ spaced ](u)", "<ID1> spaced <ID2>", ("[ ", " ](u)")),
        ("2 * 3 * 4 and snake_case", "<ID1> * <ID2> * <ID3> and <ID4>", ("2", "3", "4", "snake_case")),
        ("\\*not\\* &amp; &#169;", "<ID1>not<ID2> <ID3> <ID4>", ("\\*", "\\*", "&amp;", "&#169;")),
        ("<code>x y</code> of @me #tag", "<ID1> of <ID2> <ID3>", ("<code>x y</code>", "@me", "#tag")),
        ("In /usr/lib/x and/or", "In <ID1> and/or", ("/usr/lib/x",)),
        ("a [not a link] b", "a [not a link] b", ()),
        ("5 < 6 > 4", "<ID1> < <ID2> > <ID3>", ("5", "6", "4")),
        ("wrapped\n> lines", "wrapped lines", ()),
    ],
)
def test_what_is_protected(segment, text, protected):
    masked = mask(segment)

    assert masked.text == text
    assert protected is None or masked.protected == protected
    assert unmask(masked.text, masked.protected) == unwrap(segment)


def test_segments_that_differ_in_protected_pieces_only_are_one_for_the_cache():
    assert mask("See 3 dogs at http://a.org.").text == mask("See 44 dogs at http://b.in/c.").text


@settings(max_examples=500, derandomize=True)
@given(st.one_of(SOUP, st.text()))
def test_mask_and_unmask_give_any_text_back(segment):
    masked = mask(segment)

    assert unmask(masked.text, masked.protected) == unwrap(segment)


LIKE_PLACEHOLDERS = st.lists(
    st.sampled_from(
        ["<ID1>", "<id", "ID", "id ", "1", "2>", "<", ">", "[", "]", " ", "आईडी", "१", "5", ".", "-", "x", "`"]
    )
).map("".join)


@settings(max_examples=500, derandomize=True)
@given(LIKE_PLACEHOLDERS)
def test_text_that_looks_like_a_placeholder_is_never_taken_for_one(segment):
    masked = mask(segment)

    numbers = [int(found["number"]) for found in PLACEHOLDER.finditer(masked.text)]
    assert numbers == list(range(1, len(masked.protected) + 1))
    assert unmask(masked.text, masked.protected) == segment


@pytest.mark.parametrize(
    "written",
    [
        "<ID1>",
        "< ID1 >",
        "<id1>",
        "[ID1]",
        "[ ID 1 ]",
        "ID 1",
        "<ID_1>",
        "<आईडी१>",
        "आईडी 1",
        "<ID१>",
        "&lt;ID1&gt;",
        "＜ID1＞",
    ],
)
def test_placeholders_are_read_as_engines_write_them(written):
    assert unmask(f"कुत्ते {written} हैं।", ("42",)) == "कुत्ते 42 हैं।"


@pytest.mark.parametrize(
    ("translation", "protected"),
    [
        ("lost", ("42",)),
        ("doubled <ID1> <ID1>", ("42",)),
        ("made up <ID1> <ID2>", ("42",)),
        ("made up <ID1>", ()),
        ("<ID2> closed before it opens <ID1>", ("**", "**")),
        ("<ID1> a <ID3> b <ID2> c <ID4>", ("**", "**", "[", "](u)")),
        ("<ID1> <ID2> empty", ("**", "**")),
        ("new `code` here", ()),
        ("new **bold** here", ()),
        ("new <b>tag", ()),
        ("new [link](u)", ()),
    ],
)
def test_a_translation_that_would_change_the_structure_is_refused(translation, protected):
    assert unmask(translation, protected) is None


@pytest.mark.parametrize(
    ("translation", "protected", "expected"),
    [
        ("<ID3> कड़ी <ID4> का <ID1> मोटा <ID2>", ("**", "**", "[", "](u)"), "[कड़ी](u) का **मोटा**"),
        ("यह<ID1>'मोटा।'<ID2>है", ("**", "**"), "यह **'मोटा।'** है"),
        ("यह<ID1>तिरछा<ID2>है", ("_", "_"), "यह _तिरछा_ है"),
        ("<ID1>  a <ID2>", ("<b>", "</b>"), "<b>a</b>"),
        ("दो\nपंक्तियाँ <ID1>", ("5",), "दो पंक्तियाँ 5"),
        ("5 * 3 and 2 < 3", (), "5 * 3 and 2 < 3"),
    ],
)
def test_markup_stays_markup_where_the_words_around_it_change_place(translation, protected, expected):
    assert unmask(translation, protected) == expected


@pytest.mark.parametrize("segment", ["42", "`code`", "http://x.org", "— 5 %", "**`a`** / 7", "😀", ""])
def test_a_segment_without_words_is_not_translatable(segment):
    assert not translatable(mask(segment))


@pytest.mark.parametrize("segment", ["5 dogs", "हिंदी", "**a**"])
def test_a_segment_with_words_is(segment):
    assert translatable(mask(segment))


def test_equal_segments_give_equal_masks():
    assert mask("a **b** 5") == Masked("a <ID1> b <ID2> <ID3>", ("**", "**", "5"))
