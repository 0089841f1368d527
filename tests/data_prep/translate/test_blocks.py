from data_prep.translate.blocks import MAX_BLOCK_CHARACTERS, blocks
from data_prep.translate.scanner import MAX_NESTING


def texts(text):
    return [(block.kind, [text[start:end] for start, end in block.lines]) for block in blocks(text)]


def test_lines_of_a_paragraph_are_one_block_without_their_markers():
    assert texts("> - one  \n>   two\nlazy\n\n> three") == [("text", ["one", "two", "lazy"]), ("text", ["three"])]


def test_table_cells_and_html_are_blocks_of_their_own():
    assert texts("a|b\n-|-\nc\n<p>\nd\n</p>") == [
        ("cell", ["a"]),
        ("cell", ["b"]),
        ("cell", ["c"]),
        ("html", ["<p>\nd\n</p>"]),
    ]


def test_a_row_of_other_width_heads_no_table():
    assert texts("a|b|c\n-|-") == [("text", ["a|b|c", "-|-"])]


def test_tabs_indent_to_columns():
    assert texts("-\ta\n\n\tb\n\n\t\tcode?\n") == [("text", ["a"]), ("text", ["b"])]


def test_an_empty_item_ends_at_a_blank_line():
    assert texts("- \n\n    code\n") == []
    assert texts("- \n  text\n") == [("text", ["text"])]


def test_tabs_behind_a_nested_marker_count_from_its_column():
    assert texts("- - \tcode") == []
    assert texts("- -\ttext") == [("text", ["text"])]


def test_an_indented_line_heads_no_table():
    assert texts("a\n\t| b |\n|---|") == [("text", ["a", "| b |", "|---|"])]


def test_a_number_other_than_one_and_an_empty_item_interrupt_no_paragraph():
    assert texts("a\n2. b\n-\nc") == [("text", ["a", "2. b"]), ("text", ["c"])]


def test_nesting_is_read_to_a_bound():
    text = "> " * (MAX_NESTING + 2) + "deep"

    assert texts(text) == [("text", ["> > deep"])]


def test_a_long_block_is_cut_at_white_space():
    line = "word " * (MAX_BLOCK_CHARACTERS // 5 + 10)
    found = texts("\n".join([line.strip()] * 2))

    assert all(sum(map(len, lines)) <= MAX_BLOCK_CHARACTERS + 1 for _, lines in found)
    assert " ".join(part.strip() for _, lines in found for part in lines) == (line * 2).strip()
