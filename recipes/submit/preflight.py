"""What is looked at on the login node before anything is queued: all that is wrong comes in one message."""

import contextlib
import importlib
import io
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from data_prep.errors import LangadaptError, UsageError
from data_prep.layout import REPOSITORY_ROOT
from recipes import checks, cli, curriculum, stopping
from recipes.checks import data
from recipes.known_keys import Schema
from recipes.plan import inputs as configured
from recipes.plan import schedule
from recipes.plan.cluster import Cluster
from recipes.plan.schedule import Disk
from recipes.recorded_run import blend_plan, earlier_run, plan_path
from recipes.run_settings import run_settings
from recipes.submit import preflight_disk as disk
from recipes.submit import preflight_slurm as site_checks
from recipes.submit import runtime
from recipes.submit.kinds import KINDS, Work

Found = Iterator[LangadaptError | str]


class PreflightFailed(UsageError):
    """Something would stop the job, minutes or days from now."""


def preflight(work: Work, cluster: Cluster, *, waits: bool = False) -> list[str]:
    """Looks at everything that can be seen from a login node.

    Args:
        work: What the job runs.
        cluster: What it runs on.
        waits: Whether stages before it have yet to write what it reads: files are then not looked for.

    Returns:
        Lines about what could not be told.

    Raises:
        PreflightFailed: With every failure, each one instruction.
    """
    parts: list[Callable[[], Found]] = [
        lambda: _configuration(work, waits=waits or bool(work.absent)),
        lambda: _places(work, cluster),
        lambda: _room(work, cluster),
        lambda: site_checks.partitions(cluster.slurm, work),
        lambda: site_checks.account(cluster.slurm.account),
        lambda: site_checks.image(cluster.slurm),
    ]
    found = [each for part in parts for each in _collected(part)]
    failures = {str(each): each for each in found if isinstance(each, LangadaptError)}
    if failures:
        raise _all(list(failures.values()), work)
    return list(dict.fromkeys(each for each in found if isinstance(each, str)))


def _collected(part: Callable[[], Found]) -> Found:
    """What a part finds; an error it stops at is its last finding."""
    try:
        yield from part()
    except LangadaptError as error:
        yield error


def _all(failures: list[LangadaptError], work: Work) -> PreflightFailed:
    """One error of many; a single one keeps its own parts."""
    if len(failures) == 1:
        (only,) = failures
        return PreflightFailed(only.what, where=only.where, why=only.why, fix=only.fix)
    texts = [textwrap.indent(str(each), "   ").lstrip() for each in failures]
    numbered = [f"{number}. {text}" for number, text in enumerate(texts, start=1)]
    return PreflightFailed(
        f"{len(failures)} things would stop this job; nothing was queued\n" + "\n".join(numbered),
        where=str(work.folder),
    )


def _configuration(work: Work, *, waits: bool) -> Found:
    """What the verb itself would refuse, here rather than on the nodes."""
    if work.trains:
        yield from _training(work, waits=waits)
    elif not waits:
        verb = cli.VERBS[work.words[0]]
        words = cli.parse(list(work.words))
        configs, overrides = cli.split_arguments(verb, [*cli.as_overrides(verb, words), *words.arguments])
        with contextlib.redirect_stdout(io.StringIO()):
            importlib.import_module(verb.module).main(configs, overrides, dry_run=True)
    else:
        yield f"what {work.words[0]} reads was not looked at: stages before it have yet to write it"


def _training(work: Work, *, waits: bool) -> Found:
    """Every check of the verb, of each of its phases where it has some."""
    cfg = OmegaConf.create(work.values)
    OmegaConf.set_struct(cfg, True)
    schema = KINDS[work.kind].schema
    assert schema is not None  # noqa: S101  work.trains says so
    has_gpu = work.gpus_per_node > 0
    if waits:
        yield "data, tokenizer and checkpoint were not looked at: stages before it have yet to write them"
        for each in checks.checks_of(schema, cfg, has_gpu=has_gpu):
            yield from () if each.reads else _raised(each.run)
    else:
        configs, overrides = _command_line(work)
        parts = curriculum.parts_of(run_settings(cfg).phases, cfg, configs, overrides, schema)
        for settings, files in [(part.settings, part.fragments) for part in parts] or [(cfg, configs)]:
            yield from _files_and_settings(work.kind, schema, settings, files, has_gpu=has_gpu)
        if not parts:
            yield from _raised(lambda: earlier_run(cfg, work.folder))
    yield from _raised(lambda: stopping.refuse_stop_file(work.folder))


def _files_and_settings(kind: str, schema: Schema, cfg: DictConfig, files: list[Path], *, has_gpu: bool) -> Found:
    """What the verb refuses at once; where it does, everything else that it would refuse after that."""
    stage = importlib.import_module(f"recipes.{kind}").STAGE
    found = list(_raised(lambda: stage.check(cfg, has_gpu=has_gpu)))
    yield from found
    if found:
        for each in checks.checks_of(schema, cfg, has_gpu=has_gpu):
            yield from _raised(each.run)
    if schema == "pretrain":
        yield from _datasets(cfg) if found else _draw(cfg, files)


def _raised(run: Callable[[], object]) -> Found:
    """The error of a check, if it has one."""
    try:
        run()
    except LangadaptError as error:
        yield error


def _datasets(cfg: DictConfig) -> Found:
    """Every token dataset by itself: the verb stops at the first that is missing."""
    tokenizer = Path(cfg.model.tokenizer.model)
    if tokenizer.is_file():
        key, blend = data.training_blend(cfg)
        for _, prefix in blend:
            yield from _raised(lambda prefix=prefix: data.dataset(prefix, key, tokenizer))  # type: ignore[misc]


def _draw(cfg: DictConfig, files: list[Path]) -> Found:
    """How often the data would be read."""
    try:
        yield from checks.check_draw(cfg, plan_path(files), blend_plan(files), run_settings(cfg).draw)
    except LangadaptError as error:
        yield error


def _command_line(work: Work) -> tuple[list[Path], list[str]]:
    """The YAML files of a training verb's command line that are there, and its overrides."""
    overrides = [word for word in work.words if "=" in word or word.startswith("~")]
    named = [Path(word) for word in work.words[1:] if word not in overrides]
    return [path for path in named if path.exists()], overrides


def _places(work: Work, cluster: Cluster) -> Found:
    """Whether nodes, and ranks inside a container, find what the command names."""
    paths = [work.folder, REPOSITORY_ROOT, *_paths(work.values)]
    container = cluster.slurm.container
    in_container = work.kind != "data" and runtime.choose(container)[0] != "none"  # its driver calls sbatch
    if not disk.is_one_machine():
        python = [] if in_container else [Path(sys.prefix)]
        yield from disk.unshared([*paths, *python], Path("/proc/self/mountinfo").read_text(encoding="utf-8"))
    if in_container:
        yield from disk.uncovered(paths, runtime.all_mounts(container, [Path.cwd(), REPOSITORY_ROOT, work.folder]))


def _paths(values: Any) -> Iterator[Path]:
    """Everything a configuration names that is there, token datasets by their .bin."""
    items: Iterable[Any] = values.values() if isinstance(values, dict) else values if isinstance(values, list) else ()
    for value in items:
        if isinstance(value, str) and "/" in value and "\n" not in value:
            yield from (path for path in (Path(value), Path(f"{value}.bin")) if _is_there(path))
        else:
            yield from _paths(value)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # no path at all: a prompt or a template, longer than a name may be
        return False


def _room(work: Work, cluster: Cluster) -> Found:
    """Free disk and inodes against what the run will write."""
    if not work.trains:
        return
    try:
        size = expected(work, cluster)
    except LangadaptError as error:
        yield f"free disk was not compared with what the run writes: {error.what}"
        return
    checkpoints = size.kept or 1
    if size.kept is None:
        yield "the number of checkpoints is not known (epochs of data not counted yet): disk is compared with one"
    needed = (size.most or size.checkpoint + size.model) - disk.used(work.folder)
    files = disk.files_written(checkpoints, work.ranks)
    yield from disk.shortage(work.folder, disk.space(work.folder), needed, files)
    yield "quotas were not looked at (quota -s, lfs quota): only free disk and inodes"


def expected(work: Work, cluster: Cluster) -> Disk:
    """What a training run writes, by the formulas of `langadapt plan`.

    Raises:
        UsageError: Nothing tells the size of the model.
    """
    configs, overrides = _command_line(work)
    inputs = configured.read(configs, overrides, cluster, None)
    steps = int(inputs.cfg.trainer.max_steps) if inputs.schema == "pretrain" else None
    return schedule.disk(configured.work(inputs), inputs.cfg, work.ranks_per_node, steps, 0)
