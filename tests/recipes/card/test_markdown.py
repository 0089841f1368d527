"""Text from files cannot break out of a table's cell."""

from recipes.card.markdown import cell, table


def test_a_cell_holds_no_bars_lines_or_html() -> None:
    assert cell("a|b\n<script> & c") == "a\\|b &lt;script> &amp; c"


def test_numbers_are_aligned_to_the_right() -> None:
    assert table(["name", "n"], [["x", 1], ["y|z", 20]]) == "| name | n |\n| --- | ---: |\n| x | 1 |\n| y\\|z | 20 |"


def test_a_table_without_rows_is_nothing() -> None:
    assert table(["name", "n"], []) == ""
