import io
from dataclasses import replace

import pytest
from rich.console import Console

from data_prep.blend.plan import plan
from data_prep.blend.records import BlendPlan, LeftOut
from data_prep.blend.table import blend_table, left_out_lines

from .wishes import PAPER, M, dataset, wishes


def lines(blend: BlendPlan) -> list[list[str]]:
    """The cells of each line of the table."""
    console = Console(file=io.StringIO(), width=200)
    console.print(blend_table(blend))
    return [[cell.strip() for cell in line.split("\u2502")[1:-1]] for line in console.file.getvalue().splitlines()]


def test_the_table_ends_with_languages_and_kinds() -> None:
    rows = {cells[0]: cells[1:5] for cells in lines(plan(PAPER, wishes())) if len(cells) == 6}
    assert rows["s.hi-Deva.real"] == ["40,000,000", "0.2000", "80,000,000", "2.00"]
    assert rows["all hi"] == ["220,000,000", "0.5000", "200,000,000", "0.91"]
    assert rows["all translated"] == ["60,000,000", "0.1500", "60,000,000", "1.00"]


def test_many_datasets_are_summed_up_and_small_weights_keep_their_digits() -> None:
    corpus = [*PAPER, *(dataset("hi-Deva", "real", 0.1, source=f"s{n}") for n in range(100))]
    rows = [cells for cells in lines(plan(corpus, wishes(budget_tokens=100 * M))) if len(cells) == 6]
    assert len(rows) == 40 + 1 + 5
    assert rows[5][2] == "4.5e-04"
    assert rows[40][0] == "64 smaller ones"
    assert rows[40][1] == "6,400,000"


@pytest.mark.parametrize(
    ("count", "line"),
    [(2, "left out: /train/s0: too short"), (41, "left out: 41 datasets: too short")],
)
def test_what_is_left_out_is_named_or_counted_by_reason(count: int, line: str) -> None:
    left_out = tuple(LeftOut(prefix=f"/train/s{n}", why="too short") for n in range(count))
    assert left_out_lines(replace(plan(PAPER, wishes()), left_out=left_out))[0] == line
