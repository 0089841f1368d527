"""Reads a training configuration, works its figures out, prints and writes them."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from data_prep import settings
from data_prep.console import make_console
from data_prep.files import atomic_write
from recipes.model_shape import parameter_count, rank_parameters
from recipes.plan import flops, layouts, rules, schedule, sources, tables
from recipes.plan import inputs as configured
from recipes.plan.cluster import GIB, Cluster, find
from recipes.plan.inputs import Inputs
from recipes.plan.layouts import Candidate
from recipes.plan.schedule import Disk, Schedule
from recipes.plan.settings import PlanSettings, split
from recipes.plan.sources import Source
from recipes.plan.work import Placement, Work

SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Every figure of a configuration on a cluster.

    Attributes:
        rank_parameters: Weights on a rank of each pipeline stage.
        rules: Divisions that were checked, with their figures.
        configured: The layout as it stands.
        best: Layouts that fit, quickest first.
        changes: What would make it fit, if it does not.
        notes: What could not be looked at, and what was taken instead.
    """

    stage: str
    cluster: Cluster
    work: Work
    placement: Placement
    parameters: int
    rank_parameters: list[int]
    rules: dict[str, str]
    configured: Candidate
    best: list[Candidate]
    changes: list[Candidate]
    schedule: Schedule
    disk: Disk
    sources: list[Source]
    notes: list[str]

    @property
    def gpus(self) -> int:
        """Cards of the run."""
        return self.placement.layout.processes


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Prints the plan; 1 if it does not fit the card."""
    own, others = split(overrides)
    told = settings.load(PlanSettings, [], own)
    cluster = find(told.cluster, told.for_cluster())
    plan = make(configured.read(configs, others, cluster, told.nodes), configs, cluster)
    console = make_console()
    for part in tables.render(plan):
        console.print(part)
    if told.output and not dry_run:
        with atomic_write(told.output) as file:
            file.write(json.dumps(as_document(plan), ensure_ascii=False, indent=1).encode() + b"\n")
        console.print(f"written: {told.output}")
    return 0 if plan.configured.fits else 1


def make(inputs: Inputs, configs: list[Path], cluster: Cluster) -> Plan:
    """All figures.

    Raises:
        UsageError: A rule is broken, or something is missing that no file and no assumption tells.
    """
    cut = rules.check(inputs, cluster)
    work, placement = configured.work(inputs), configured.placement(inputs, cut)
    examples = None if inputs.schema == "pretrain" else sources.count_examples(inputs)
    if inputs.schema != "pretrain":
        inputs.notes.append(f"every example is counted as {work.sequence:,} tokens: time and memory are upper bounds")
    again = flops.recomputed_share(work, placement.recompute, cut.pipeline * placement.virtual)
    if again:
        inputs.notes.append(
            f"recomputation is no part of MFU: {cluster.mfu:.0%} of model FLOPs are {cluster.mfu * (1 + again):.0%} of "
            f"the cards' peak with the {again:.0%} that are computed again"
        )
    steps = schedule.steps(inputs, examples)
    times = schedule.schedule(work, cluster, cut.processes, steps, examples)
    found = layouts.candidates(work, placement, cluster, _reference_batch(inputs))
    ranks = [
        rank_parameters(work.model, work.vocabulary_rows, tensor=cut.tensor, pipeline=cut.pipeline, stage=stage)
        for stage in range(cut.pipeline)
    ]
    return Plan(
        stage=inputs.schema,
        cluster=cluster,
        work=work,
        placement=placement,
        parameters=parameter_count(work.model, work.vocabulary_rows),
        rank_parameters=ranks,
        rules=rules.passed(work, placement),
        configured=found[0],
        best=layouts.ranked(found)[:SHOWN],
        changes=[] if found[0].fits else layouts.cheapest_changes(found),
        schedule=times,
        disk=schedule.disk(work, inputs.cfg, inputs.cfg.trainer.devices, steps, max(ranks)),
        sources=sources.of_tokens(inputs, configs, times.tokens or 0)
        if inputs.schema == "pretrain"
        else sources.of_examples(inputs, examples, steps, work.global_batch),
        notes=inputs.notes,
    )


def _reference_batch(inputs: Inputs) -> int:
    """Pairs DPO asks its reference at once."""
    if inputs.schema != "dpo":
        return 0
    return int(OmegaConf.select(inputs.cfg, "model.dpo.log_prob_forward_micro_batch_size") or 1)


def as_document(plan: Plan) -> dict[str, Any]:
    """The plan as plain values; bytes, seconds and counts, nothing rounded."""
    return {
        "stage": plan.stage,
        "cluster": asdict(plan.cluster),
        "gpus": plan.gpus,
        "layout": plan.placement.layout.as_dict(),
        "parameters": plan.parameters,
        "parameters_per_rank": plan.rank_parameters,
        "vocabulary_rows": plan.work.vocabulary_rows,
        "rules": plan.rules,
        "memory": _memory(plan.configured, plan.cluster),
        "schedule": asdict(plan.schedule),
        "disk": asdict(plan.disk),
        "sources": [asdict(source) for source in plan.sources],
        "best_layouts": [_candidate(each, plan.cluster) for each in plan.best],
        "changes_that_fit": [_candidate(each, plan.cluster) for each in plan.changes],
        "notes": plan.notes,
    }


def _memory(candidate: Candidate, cluster: Cluster) -> dict[str, Any]:
    """Bytes of the fullest rank."""
    card = cluster.memory_gib * GIB
    parts = candidate.memory.parts()
    return {"stage": candidate.stage, **parts, "total": candidate.memory.total, "card": card, "fits": candidate.fits}


def _candidate(candidate: Candidate, cluster: Cluster) -> dict[str, Any]:
    return {
        "overrides": list(candidate.overrides),
        "layout": candidate.placement.layout.as_dict(),
        "micro_batch": candidate.placement.micro_batch,
        "sequence_parallel": candidate.placement.sequence_parallel,
        "recompute": str(candidate.placement.recompute),
        "memory": _memory(candidate, cluster),
        "relative_time": candidate.time,
        "why": candidate.why,
    }
