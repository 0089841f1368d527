"""A plan as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.table import Table

from recipes.plan.cluster import GIB

if TYPE_CHECKING:
    from recipes.plan.layouts import Candidate
    from recipes.plan.verb import Plan


def render(plan: Plan) -> Iterator[Table | str]:
    """The parts, in reading order."""
    cut = plan.placement.layout
    yield (
        f"{plan.stage}: {plan.parameters:,} weights on {plan.gpus} x {plan.cluster.name}, {cut}, "
        f"micro batch {plan.placement.micro_batch}, recompute {plan.placement.recompute}"
        f"{', sequence parallel' if plan.placement.sequence_parallel else ''}"
    )
    yield _memory(plan)
    yield _pairs("schedule", _schedule(plan))
    yield _pairs("disk and host", _disk(plan))
    yield _pairs("divisions checked", plan.rules)
    if plan.sources:
        yield _sources(plan)
    yield _layouts("layouts that fit, quickest first", plan.best)
    if plan.changes:
        yield _layouts("it does not fit; the cheapest changes that make it fit", plan.changes)
    for note in plan.notes:
        yield f"note: {note}"
    yield _verdict(plan)


def _verdict(plan: Plan) -> str:
    used, card = plan.configured.memory.total / GIB, plan.cluster.memory_gib
    if plan.configured.fits:
        return f"fits: {used:.1f} of {card:.1f} GiB on the fullest card"
    lines = [f"does not fit: {used:.1f} of {card:.1f} GiB on the fullest card"]
    lines += [f"  add: {' '.join(change.overrides)}" for change in plan.changes]
    if not plan.changes:
        lines.append("  no layout on these cards fits: more nodes (nodes=N), larger cards, or shorter sequences")
    return "\n".join(lines)


def _pairs(title: str, rows: Mapping[str, str]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _memory(plan: Plan) -> Table:
    """GiB on the fullest card by part."""
    used = plan.configured.memory
    stage = f", pipeline stage {plan.configured.stage}" if plan.placement.layout.pipeline > 1 else ""
    table = Table(title=f"memory of the fullest card{stage}", title_justify="left", show_footer=True)
    table.add_column("part", footer="total")
    table.add_column("GiB", justify="right", footer=_gib(used.total))
    table.add_column("of the card", justify="right", footer=f"{used.total / GIB / plan.cluster.memory_gib:.0%}")
    for name, size in used.parts().items():
        table.add_row(name, _gib(size), f"{size / GIB / plan.cluster.memory_gib:.0%}")
    return table


def _schedule(plan: Plan) -> dict[str, str]:
    times, price = plan.schedule, plan.cluster.price_per_gpu_hour
    ranks = " / ".join(f"{count:,}" for count in dict.fromkeys(plan.rank_parameters))
    rows = {
        "weights a rank": ranks + (" (by stage)" if len(set(plan.rank_parameters)) > 1 else ""),
        "tokens a step": f"{times.tokens_per_step:,}",
        "FLOP a step": f"{times.flops_per_step:.3g}",
        "assumed MFU": f"{times.mfu:.0%} of {plan.cluster.peak_flops(plan.work.precision.element) / 1e12:g} TFLOP/s",
        "seconds a step": f"{times.seconds_per_step:.3g}",
        "tokens a second": f"{times.tokens_per_second:,.0f}",
    }
    if times.steps is None or times.flops is None:
        return {**rows, "steps": "not known: see the notes"}
    return rows | {
        "steps": f"{times.steps:,}",
        "tokens": f"{times.tokens:,}",
        "FLOP": f"{times.flops:.3g}",
        "days": f"{times.days:.2f}",
        "GPU hours": f"{times.gpu_hours:,.1f}",
        "cost": f"{times.cost:,.0f} at an assumed {price:g} a GPU hour",
    }


def _disk(plan: Plan) -> dict[str, str]:
    rows = {"training checkpoint": _size(plan.disk.checkpoint), "final .nemo": _size(plan.disk.model)}
    if plan.disk.most is not None:
        rows["disk at most"] = f"{_size(plan.disk.most)} ({plan.disk.kept} checkpoints and the .nemo)"
    if plan.disk.host_memory:
        rows["host memory a node"] = f"{_size(plan.disk.host_memory)} for DPO's reference and the policy it replaces"
    return rows


def _gib(size: float) -> str:
    return f"{size / GIB:.1f}" if size >= GIB else f"{size / GIB:.3f}"


def _size(size: float) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def _sources(plan: Plan) -> Table:
    table = Table(title="sources", title_justify="left")
    table.add_column("source", overflow="fold")
    for column in ("weight", "available", "drawn", "epochs", "cap"):
        table.add_column(column, justify="right")
    for each in plan.sources:
        epochs = "?" if each.epochs is None else f"{each.epochs:.2f}{' OVER' if each.is_over else ''}"
        table.add_row(
            each.name,
            f"{each.weight:.3f}",
            "?" if each.available is None else f"{each.available:,}",
            "?" if each.drawn is None else f"{each.drawn:,}",
            epochs,
            "-" if each.most is None else f"{each.most:g}",
        )
    return table


def _layouts(title: str, found: list[Candidate]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in ("tensor", "pipe", "data", "micro"):
        table.add_column(column, justify="right")
    table.add_column("sequence")
    table.add_column("recompute")
    table.add_column("GiB", justify="right")
    table.add_column("step", justify="right")
    table.add_column("why", overflow="fold")
    for each in found:
        cut = each.placement.layout
        table.add_row(
            *(str(size) for size in (cut.tensor, cut.pipeline, cut.data, each.placement.micro_batch)),
            "cut" if each.placement.sequence_parallel else "whole",
            str(each.placement.recompute),
            _gib(each.memory.total),
            f"{each.time:.2f}x",
            f"{each.why}{'' if each.changes else ' (as configured)'}",
        )
    return table
