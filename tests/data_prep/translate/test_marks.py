import pytest

from data_prep.translate.marks import flanks, pairs


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["**", "*", "*", "**"], {0: 3, 1: 2}),
        (["*", "*", "*", "*"], {0: 1, 2: 3}),
        (["[", "42", "](u)"], {0: 2}),
        (["![", "][ref]"], {0: 1}),
        (["<b>", "<br>", "</b>"], {0: 2}),
        (["<b>", "**", "</b>", "**"], {0: 2, 1: 3}),
        (["</b>", "<b>", "<br/>"], {}),
        (["`*`", "5"], {}),
    ],
)
def test_pieces_that_belong_together(pieces, expected):
    assert pairs(pieces) == expected


@pytest.mark.parametrize(
    ("mark", "before", "after", "expected"),
    [
        ("*", "", "a", (True, False)),
        ("*", "a", "", (False, True)),
        ("*", "a", "b", (True, True)),
        ("_", "a", "b", (False, False)),
        ("*", " ", " ", (False, False)),
        ("*", "क", "।", (False, True)),
        ("*", "ि", "क", (True, True)),
        ("_", "(", "a", (True, False)),
    ],
)
def test_where_emphasis_opens_and_closes(mark, before, after, expected):
    assert flanks(mark, before, after) == expected
