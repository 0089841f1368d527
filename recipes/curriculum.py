"""A run in phases: blend and learning rate change at a switch, weights and optimizer state go on.

    langadapt:
      phases:
        - {name: main, steps: 76_000}
        - {name: anneal, steps: 8_772, blend: runs/hindi/blend/anneal.yaml, lr: 2e-5, min_lr: 4.5e-7, warmup_steps: 0}

Each phase is a training run like any other, in `RUN/phases/NUMBER`, with the run's configuration, its blend laid over
and its own schedule, steps counted from 0; it is resumed, refused and skipped as any run is. A phase behind the first
starts from the last checkpoint of the one before, weights and Adam's moments (NeMo's `model.restore_from_ckpt`). So a
kill at the switch needs no care of its own: the phase before is finished, or it is not. `RUN/record/run.json` sums up.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path

from omegaconf import DictConfig, OmegaConf, open_dict

from data_prep.errors import DataError, UsageError
from recipes import audit, checkpoints, config, launch, run_record
from recipes.known_keys import OWN_SECTION, Schema
from recipes.run_record import RunRecord

PHASES_KEY = f"{OWN_SECTION}.phases"
NUMBER = "LANGADAPT_PHASE"
"""Environment variable: number of the phase, from 1, that a rank trains; set by the process that starts the phase."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One phase; what it leaves out is the run's own."""

    name: str
    steps: int
    blend: Path | None = None
    """The fragment of `langadapt blend` to read; the run's own where there is none."""
    lr: float | None = None
    min_lr: float | None = None
    warmup_steps: int | None = None
    constant_steps: int | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a phase has an empty name\nname: anneal")
        if self.steps < 1:
            raise ValueError(f"phase {self.name} has {self.steps} steps\ngive it at least 1, or leave the phase out")

    def overrides(self) -> list[str]:
        """The phase as overrides of a run's configuration."""
        keys = {
            "trainer.max_steps": self.steps,
            "model.optim.lr": self.lr,
            "model.optim.sched.min_lr": self.min_lr,
            "model.optim.sched.warmup_steps": self.warmup_steps,
            "model.optim.sched.constant_steps": self.constant_steps,
        }
        return [f"{key}={value}" for key, value in keys.items() if value is not None]


@dataclass(frozen=True, kw_only=True)
class Part:
    """A phase as the training run it is.

    Attributes:
        name: The phase's.
        number: From 1.
        folder: Its run folder.
        settings: Its complete configuration.
        fragments: Where its blend plan is looked for: its own blend, or the run's files.
    """

    name: str
    number: int
    folder: Path
    settings: DictConfig
    fragments: list[Path]

    @property
    def steps(self) -> int:
        """Optimizer steps."""
        return int(self.settings.trainer.max_steps)

    def is_done(self) -> bool:
        """Whether it has trained to its end and its model is still there."""
        record = run_record.read(self.folder)
        return record is not None and record.is_done


def parts_of(
    phases: Sequence[Phase], run: DictConfig, configs: list[Path], overrides: list[str], schema: Schema
) -> list[Part]:
    """The phases of a run, checked against each other; none for a run without.

    The order of samples is drawn with `model.seed` + the phases before: with the same seed Megatron would deal out a
    dataset that two phases share in the same order twice.

    Raises:
        UsageError: Phases do not fit the run or each other, or a blend is missing or holds an unknown key.
    """
    if not phases:
        return []
    check_phases(phases, schema, run.trainer.max_steps)
    parts = [_part(phase, number, run, configs, overrides) for number, phase in enumerate(phases, start=1)]
    for before, after in pairwise(parts):
        check_switch(before, after)
    return parts


def check_phases(phases: Sequence[Phase], schema: Schema, max_steps: int) -> None:
    """Names differ, the stage has a blend, and the run's steps are those of its phases.

    Raises:
        UsageError: One of these does not hold.
    """
    if schema != "pretrain":
        raise UsageError(
            f"phases in a configuration of {schema}",
            where=PHASES_KEY,
            why="SFT and DPO read one set of examples by epochs; there is no blend to change",
            fix=f"leave {PHASES_KEY} out, and start a second {schema} from the .nemo of the first",
        )
    names = [phase.name for phase in phases]
    if doubles := [name for name in names if names.count(name) > 1]:
        raise UsageError(
            f"two phases are called {doubles[0]}", where=PHASES_KEY, fix="give every phase a name of its own"
        )
    total = sum(phase.steps for phase in phases)
    if total != max_steps:
        raise UsageError(
            f"the phases have {total} steps ({' + '.join(str(phase.steps) for phase in phases)}), the run {max_steps}",
            where=f"trainer.max_steps, {PHASES_KEY}",
            why="budget, plan and cost of the run are worked out from trainer.max_steps",
            fix=f"trainer.max_steps={total}",
        )


def _part(phase: Phase, number: int, run: DictConfig, configs: list[Path], overrides: list[str]) -> Part:
    if phase.blend is not None and not phase.blend.is_file():
        raise UsageError(
            f"the blend of phase {phase.name} does not exist: {phase.blend}",
            where=f"{PHASES_KEY}.{number - 1}.blend",
            fix=f"langadapt blend BLEND.yaml tokens_dir=DIR/tokens output={phase.blend}\n"
            "or leave `blend` out, to go on with the run's own",
        )
    folder = Path(run.exp_manager.explicit_log_dir) / run_record.PHASES_NAME / str(number)
    own = [
        *phase.overrides(),
        f"model.seed={run.model.seed + number - 1}",
        f"exp_manager.explicit_log_dir='{folder}'",
    ]
    fragments = [phase.blend] if phase.blend else []
    settings = config.load([*configs, *fragments], [*overrides, *own], "pretrain")
    with open_dict(settings):
        del settings[OWN_SECTION]["phases"]
    return Part(name=phase.name, number=number, folder=folder, settings=settings, fragments=fragments or configs[1:])


def check_switch(before: Part, after: Part) -> None:
    """The learning rate does not leap up at a switch.

    Raises:
        UsageError: It does, with no warm-up to lead it there.
    """
    left, start = _last_rate(before.settings), float(after.settings.model.optim.lr)
    warmup = OmegaConf.select(after.settings, "model.optim.sched.warmup_steps") or 0
    if start > left and not warmup:
        times = f"{start / left:.3g} times " if left else ""
        raise UsageError(
            f"phase {after.name} starts at a learning rate of {start:g}, {times}the {left:g} that phase {before.name} "
            "ends at, without warm-up",
            where=f"{PHASES_KEY}: lr of {after.name}, min_lr of {before.name}",
            why="a leap up after the decay undoes part of what the decay gained, and can spike the loss",
            fix=f"min_lr: {start:g} in phase {before.name}, so that the rate goes on where it was\n"
            f"or warmup_steps: {max(1, after.steps // 50)} in phase {after.name}\n"
            f"or lr: {left:g} in phase {after.name}",
        )


def _last_rate(settings: DictConfig) -> float:
    """Where the schedule ends: NeMo's schedules come down to min_lr at the last step; without one the rate stays."""
    sched = settings.model.optim.get("sched")
    return float(settings.model.optim.lr if sched is None else sched.get("min_lr") or 0.0)


def started(part: Part, before: Part | None) -> DictConfig:
    """The settings of a part with the checkpoint it starts from, under NeMo's key; call when the one before has ended.

    A part that has a checkpoint of its own needs no other: the training state of the part before, at 4B parameters
    some 58 GB, may be removed then.

    Raises:
        DataError: The part before has left no checkpoint of its last step.
    """
    if before is None:
        return part.settings
    last = checkpoints.last(before.folder)
    if last is not None and last[0] == before.steps:
        settings = part.settings.copy()
        OmegaConf.update(settings, "model.restore_from_ckpt", str(last[1].absolute()), force_add=True)
        return settings
    if checkpoints.last(part.folder) is not None:
        return part.settings
    raise DataError(
        f"phase {part.name} starts from the checkpoint of step {before.steps} of phase {before.name}; "
        + (f"there is one of step {last[0]}" if last else "there is none"),
        where=str(before.folder / "checkpoints"),
        why="without it the optimizer's moments are lost; the .nemo holds weights alone",
        fix=f"restore it\nor remove {before.folder} and start the same command again: it trains that phase anew",
    )


def to_do(parts: Sequence[Part]) -> list[Part]:
    """The parts not yet trained; of ranks that have just switched, those from the one the switch named to all alike."""
    first = os.environ.get(NUMBER)
    return [part for part in parts if (part.number >= int(first) if first else not part.is_done())]


def neighbour(parts: Sequence[Part], part: Part) -> Part | None:
    """The part before, if there is one."""
    return parts[part.number - 2] if part.number > 1 else None


def current(run: DictConfig, parts: Sequence[Part]) -> DictConfig:
    """What this rank trains: the part its starter names, or the run itself where there are no phases."""
    if not parts:
        return run
    part = parts[int(os.environ[NUMBER]) - 1]
    return started(part, neighbour(parts, part))


def summary(record: RunRecord, parts: Sequence[Part]) -> RunRecord:
    """The record of a run in phases, from those of its parts."""
    found = {part.name: done for part in parts if (done := run_record.read(part.folder)) is not None}
    records = list(found.values())
    finished = len(records) == len(parts) and all(each.status == "done" for each in records)
    seen = audit.merged([[audit.Seen(**row) for row in each.seen or ()] for each in records])
    return replace(
        record,
        status="done" if finished else "running",
        steps=sum(each.steps for each in records),
        first_loss=records[0].first_loss if records else None,
        last_loss=records[-1].last_loss if records else None,
        seconds=round(sum(each.seconds for each in records), 1),
        model=records[-1].model if finished else None,
        seen=[asdict(row) for row in seen] or None,
        phases=[{"name": name, **asdict(each)} for name, each in found.items()],
    )


def line(part: Part) -> str:
    """A phase in one line."""
    optim = part.settings.model.optim
    sched = optim.get("sched") or {}
    rate = f"lr {optim.lr:g}" + (f" -> {_last_rate(part.settings):g}" if sched else "")
    return (
        f"{part.name}: {part.steps} steps, {rate}, {sched.get('warmup_steps') or 0} warm-up, "
        f"blend {', '.join(map(str, part.fragments))}\n"
    )


@contextlib.contextmanager
def named(part: Part) -> Iterator[None]:
    """Tells the ranks started within which part they train."""
    os.environ[NUMBER] = str(part.number)
    try:
        yield
    finally:
        del os.environ[NUMBER]


def go_on(part: Part) -> None:
    """Makes of this rank, which torchrun or srun started, one that trains the next part, if this one has ended.

    All ranks do it: a part has ended in all of them.
    """
    last = checkpoints.last(part.folder)
    if last is not None and last[0] == part.steps:
        os.environ[NUMBER] = str(part.number + 1)
        launch.become_new_process()
