"""The promise: frequent words as people type them."""

from pathlib import Path

from data_prep.romanize.hindi import romanize

ROWS = [
    line.split("\t")
    for line in Path(__file__).with_name("words.tsv").read_text("utf-8").splitlines()
    if not line.startswith("#")
]


def right(rows: list[list[str]]) -> int:
    return sum(romanize(word) in spellings.split("|") for word, spellings, _ in rows)


def test_the_most_frequent_words() -> None:
    top = [row for row in ROWS if row[2] == "top100"]
    assert len(top) == 100
    assert right(top) >= 98


def test_a_thousand_words() -> None:
    assert len({word for word, *_ in ROWS}) == 1000
    assert right(ROWS) >= 950
