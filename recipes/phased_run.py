"""Trains the phases of a run in order, each as a run of its own (`recipes.curriculum`)."""

from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig

from data_prep.errors import UsageError
from recipes import audit, checks, curriculum, launch, run_record, stopping
from recipes.recorded_run import Stage, earlier_run, new_record, run_recorded, span, train_rank
from recipes.run_record import RunRecord


def run_phases(
    stage: Stage, settings: DictConfig, configs: list[Path], parts: list[curriculum.Part], words: list[str]
) -> int:
    """Trains the parts of a run that are not done, in order, each in processes of its own.

    Ranks that something else started go on as new processes under their old ids: a process can hold one model.
    """
    folder = Path(settings.exp_manager.explicit_log_dir)
    if launch.rank() != 0:
        for part in curriculum.to_do(parts)[:1]:  # a switch makes a new process
            _run_part(stage, part, parts, words)
        return 0
    whole = _whole_record(stage, settings, configs, folder, parts)
    if curriculum.to_do(parts):
        stopping.refuse_stop_file(folder)
    curriculum.summary(whole, parts).write(folder)
    for part in curriculum.to_do(parts):
        print(f"{stage.name}: phase {part.number} of {len(parts)}, {curriculum.line(part)}", end="", flush=True)
        try:
            _run_part(stage, part, parts, words)
        finally:
            curriculum.summary(whole, parts).write(folder)
    finished = curriculum.summary(whole, parts)
    audit.report(folder, [audit.Seen(**row) for row in finished.seen or ()])
    print(f"{stage.name}: {finished.steps} steps in {len(parts)} phases, loss {span(finished)}, {finished.model}")
    return 0


def _run_part(stage: Stage, part: curriculum.Part, parts: list[curriculum.Part], words: list[str]) -> None:
    """Trains one phase; a rank that something else started goes on to the next as a new process and never returns."""
    settings = curriculum.started(part, curriculum.neighbour(parts, part))
    ranks, processes = part.folder / "ranks", checks.layout(settings).processes

    def train() -> None:
        if launch.is_rank():
            train_rank(stage, settings)
        else:
            with curriculum.named(part):
                launch.run_ranks(words, processes, ranks)

    run_recorded(stage, settings, part.fragments, part.folder, train)
    if launch.is_rank() and part.number < len(parts):
        curriculum.go_on(part)


def _whole_record(
    stage: Stage, settings: DictConfig, configs: list[Path], folder: Path, parts: list[curriculum.Part]
) -> RunRecord:
    """The record of a run in phases before any of them.

    Raises:
        UsageError: The folder holds a run without phases, or a phase of another config or of other inputs.
    """
    before = run_record.read(folder)
    if before is not None and before.phases is None:
        raise UsageError(
            f"The run folder holds a {before.stage} run without phases.",
            where=str(folder),
            why="Its checkpoints would stand beside those of other runs, and its record would be lost.",
            fix=f"exp_manager.explicit_log_dir={folder}-2\nor remove {folder}",
        )
    for part in parts:
        earlier_run(part.settings, part.folder)
    return replace(new_record(stage, settings, configs), phases=[])
