"""Several stages as jobs that wait for each other: `langadapt submit pipeline PIPELINE.yaml`.

The same command again submits what is not done: a stage runs unless it is done and so is everything before it.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from data_prep import settings
from data_prep.errors import UsageError
from data_prep.files import atomic_write
from recipes import run_record
from recipes.plan.cluster import find
from recipes.submit import slurm, verb
from recipes.submit.kinds import KINDS, Work, resolve
from recipes.submit.progress import progress
from recipes.submit.script import Plan, render

PIPELINE_FILE = "pipeline.json"
_CHAIN = "with requeue=chain no job can wait for a run of several jobs; the same command goes on when it is done"


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """One job of a pipeline."""

    submit: Literal["data", "blend", "pretrain", "cpt", "sft", "dpo", "convert", "eval"]
    configs: tuple[Path, ...] = ()
    overrides: tuple[str, ...] = ()
    after: tuple[str, ...] | None = None
    """Stages it waits for; by default the one above it."""
    cluster: tuple[str, ...] = ()
    """Overrides of the cluster for this stage alone, e.g. slurm.time=01:00:00."""


@dataclass(frozen=True, kw_only=True)
class PipelineSettings:
    """What a pipeline YAML may say."""

    folder: Path
    """For pipeline.json; stages may build their paths on it: ${folder}."""
    cluster: str = "a100-80gb"
    values: dict[str, str] = field(default_factory=dict)
    """Names for what several stages share: ${values.NAME}."""
    stages: dict[str, StageSettings]

    def __post_init__(self) -> None:
        names = list(self.stages)
        for position, (name, stage) in enumerate(self.stages.items()):
            if unknown := [each for each in stage.after or () if each not in names[:position]]:
                raise ValueError(f"stage {name} comes after {unknown[0]}, which is not above it\none of {names}")

    def before(self, name: str) -> tuple[str, ...]:
        """The stages one waits for."""
        names = list(self.stages)
        after = self.stages[name].after
        return tuple(names[max(0, names.index(name) - 1) : names.index(name)]) if after is None else after


def to_submit(before: Mapping[str, Collection[str]], done: Collection[str]) -> list[str]:
    """Stages to run, in order: those not done, and those behind one that runs.

    Args:
        before: What each stage waits for; stages stand behind those they wait for.
        done: Stages that are done.
    """
    chosen: list[str] = []
    for name, earlier in before.items():
        if name not in done or any(each in chosen for each in earlier):
            chosen.append(name)
    return chosen


def to_hold(before: Mapping[str, Collection[str]], chosen: Collection[str], chained: Collection[str]) -> list[str]:
    """Stages that cannot be queued yet: no job can wait for a run of several jobs, nor for one that is held itself.

    Args:
        before: What each stage waits for, in order.
        chosen: Stages to run.
        chained: Those whose job hands over to a successor instead of being requeued.
    """
    held: list[str] = []
    for name in chosen:
        if any(each in held or (each in chained and each in chosen) for each in before[name]):
            held.append(name)
    return held


def run(configs: list[Path], overrides: list[str], of_cluster: list[str], *, dry_run: bool) -> int:
    """Submits what is not done, each stage behind those it waits for."""
    told = settings.load(PipelineSettings, configs, overrides)
    plans = {name: _plan(told, name, of_cluster) for name in told.stages}
    _refuse_unmade(told, plans)
    done = [name for name, plan in plans.items() if _is_done(plan.work)]
    before = {name: told.before(name) for name in told.stages}
    chosen = to_submit(before, done)
    for name in told.stages:
        if name not in chosen:
            print(f"pipeline: {name} is done already in {plans[name].work.folder}")
    if dry_run:
        for name in chosen:
            waits = [each for each in told.before(name) if each in chosen]
            print(f"# ---- {name}{' after ' + ', '.join(waits) if waits else ''}\n{render(plans[name])}")
        return 0
    _preflight(told, plans, chosen)
    held = to_hold(before, chosen, [name for name, plan in plans.items() if plan.site.requeue == "chain"])
    for name in held:
        print(f"pipeline: {name} is left for the next submit: {_CHAIN}")
    _submit_all(told, plans, [name for name in chosen if name not in held])
    return 0


def _preflight(told: PipelineSettings, plans: Mapping[str, Plan], chosen: Collection[str]) -> None:
    """Looks at every stage before the first is queued; what stages before it will write is not looked for."""
    from recipes.submit.preflight import preflight

    for name in chosen:
        is_behind = any(each in chosen for each in told.before(name))
        for line in preflight(plans[name].work, plans[name].cluster, waits=is_behind):
            print(f"pipeline: {name}: {line}")


def _submit_all(told: PipelineSettings, plans: Mapping[str, Plan], chosen: Iterable[str]) -> None:
    """Queues the chosen stages; pipeline.json is written after each, so that none is forgotten."""
    jobs: dict[str, str] = {}
    path = told.folder / PIPELINE_FILE
    entries: dict[str, Any] = run_record.read_json(path) if path.exists() else {}
    for name in chosen:
        plan = plans[name]
        waits = [each for each in told.before(name) if each in jobs]
        queued = slurm.queued(plan.name)
        jobs[name] = queued[0] if queued else verb.submit(plan, [jobs[each] for each in waits])
        print(f"pipeline: {name} is {'already ' if queued else ''}job {jobs[name]}; its logs: {plan.logs}")
        entries[name] = {"job": jobs[name], "kind": plan.work.kind, "run": str(plan.work.folder), "after": waits}
        with atomic_write(path) as file:
            file.write(json.dumps(entries, ensure_ascii=False, indent=2).encode() + b"\n")
    print(f"pipeline: {path}")


def _plan(told: PipelineSettings, name: str, of_cluster: list[str]) -> Plan:
    stage = told.stages[name]
    cluster = find(told.cluster, [*of_cluster, *stage.cluster])
    work = resolve(stage.submit, stage.configs, stage.overrides, cluster.slurm)
    return verb.make_plan(work, cluster, told.cluster)


def _is_done(work: Work) -> bool:
    return progress(work.kind, work.folder, work.words).done


def _refuse_unmade(told: PipelineSettings, plans: Mapping[str, Plan]) -> None:
    """Refuses a configuration file that is not there and that no stage above writes.

    Raises:
        UsageError: With the stage and the file.
    """
    made: set[Path] = set()
    for name, plan in plans.items():
        for path in plan.work.absent:
            if path.absolute() not in made:
                raise UsageError(
                    f"{path} does not exist, and no stage above {name} writes it",
                    where=f"stages.{name}.configs",
                    fix=f"the output of a blend stage is one: {', '.join(map(str, sorted(made))) or 'there is none'}",
                )
        if not KINDS[told.stages[name].submit].trains:
            made.add(Path(str(plan.work.values[KINDS[told.stages[name].submit].output])).absolute())
