"""The plan on the terminal."""

from collections import Counter

from rich.table import Table

from data_prep.blend.records import BlendPlan, Entry, Total

MOST_ROWS = 40
"""Of datasets in the table, and of lines about those left out; the .json and the page have all."""


def blend_table(blend: BlendPlan) -> Table:
    """Datasets by falling weight, then languages and kinds."""
    title = f"blend of {blend.budget_tokens:,} tokens, {blend.samples:,} samples of {blend.sequence_length:,}"
    table = Table(title=title, title_justify="left")
    table.add_column("dataset", overflow="fold")
    for column in ("tokens", "weight", "drawn", "epochs"):
        table.add_column(column, justify="right")
    table.add_column("why")
    for entry in blend.train[:MOST_ROWS]:
        table.add_row(entry.name, *_cells(entry), entry.why)
    if rest := blend.train[MOST_ROWS:]:
        table.add_row(f"{len(rest):,} smaller ones", *_cells(Total.of(rest)), "")
    for totals in (blend.by_language, blend.by_kind):
        table.add_section()
        for group, total in totals.items():
            table.add_row(f"all {group}", *_cells(total), "")
    return table


def _cells(row: Entry | Total) -> tuple[str, ...]:
    weight = f"{row.weight:.4f}" if row.weight >= 0.001 else f"{row.weight:.1e}"
    return f"{row.tokens_available:,}", weight, f"{row.tokens_drawn:,}", f"{row.epochs:.2f}"


def left_out_lines(blend: BlendPlan) -> list[str]:
    """Each dataset that is not in the blend, and why; of many the reasons with their counts."""
    if len(blend.left_out) <= MOST_ROWS:
        return [f"left out: {dataset.prefix}: {dataset.why}" for dataset in blend.left_out]
    reasons = Counter(dataset.why for dataset in blend.left_out)
    return [f"left out: {count:,} datasets: {why}" for why, count in reasons.most_common(MOST_ROWS)]
