import pytest

from data_prep.translate.inline import label, scan


def pieces(text, labels=()):
    return [(text[piece.start : piece.end], piece.kind) for piece in scan(text, labels)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*a **b** c*", [("*", "markup"), ("**", "markup"), ("**", "markup"), ("*", "markup")]),
        ("**a [b](u) c**", [("**", "markup"), ("[", "markup"), ("](u)", "markup"), ("**", "markup")]),
        ("[a *b](u) c*", [("[", "markup"), ("](u)", "markup")]),
        ("`*a*` *", [("`*a*`", "code")]),
        ("*note and *this*", [("*", "markup"), ("*", "markup")]),
        ("****a****", []),
        ("<!-- x --> <p>", [("<!-- x -->", "separator"), ("<p>", "separator")]),
        ("[![a](b)](c)", [("[", "markup"), ("![", "markup"), ("](b)", "markup"), ("](c)", "markup")]),
        ("a [b", []),
        ("x@y", []),
        ("3rd", []),
    ],
)
def test_pieces_are_found_once_and_in_order(text, expected):
    assert pieces(text) == expected


def test_a_reference_that_is_its_own_label_is_kept_only_where_it_is_defined():
    assert pieces("see [The  Docs][] *x*", {label("the docs")})[0] == ("[The  Docs][]", "separator")
    assert pieces("see [The  Docs][]") == []
