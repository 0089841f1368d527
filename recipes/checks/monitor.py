"""Whether the forgetting monitor can watch what it is told to."""

import difflib
from pathlib import Path

from omegaconf import DictConfig

from data_prep.errors import UsageError
from recipes.checks import data
from recipes.monitor.settings import MonitorSettings, set_name
from recipes.monitor.windows import language
from recipes.run_settings import run_settings

KEY = "langadapt.monitor"


def check_monitor(cfg: DictConfig) -> None:
    """Every set is a whole dataset of this tokenizer that is not trained on, and every alarm watches a curve.

    Raises:
        UsageError: A set does not exist or is trained on, or an alarm watches nothing.
        DataError: A set is damaged, or was made with another tokenizer.
    """
    settings = run_settings(cfg).monitor
    trained_on = {Path(prefix).absolute() for prefix in data.training_prefixes(cfg)}
    for prefix in settings.sets:
        data.dataset(str(prefix), f"{KEY}.sets", Path(cfg.model.tokenizer.model))
        if prefix.absolute() in trained_on:
            raise UsageError(
                f"the monitor set {set_name(prefix)} is among the data trained on",
                where=f"{KEY}.sets: {prefix}",
                why="a model does not forget what it reads: its curve would say nothing",
                fix="give the dataset under tokens/heldout, as `langadapt blend` does",
            )
    if settings.sets:
        _check_alarms(settings)


def _check_alarms(settings: MonitorSettings) -> None:
    names = [set_name(prefix) for prefix in settings.sets]
    names += sorted({lang for prefix in settings.sets if (lang := language(prefix))})
    for number, alarm in enumerate(settings.alarms):
        if alarm.watch not in names:
            close = difflib.get_close_matches(alarm.watch, names, n=1)
            raise UsageError(
                f"an alarm watches {alarm.watch}, which is neither a set nor a language of one",
                where=f"{KEY}.alarms.{number}.watch",
                why="it would never be raised",
                fix="\n".join([*(f"did you mean {name}?" for name in close), f"there are: {', '.join(names)}"]),
            )


def refuse_monitor(cfg: DictConfig, verb: str) -> None:
    """Raises UsageError where a stage that has no monitor is given sets to watch."""
    if run_settings(cfg).monitor.sets:
        raise UsageError(
            f"`{verb}` has no forgetting monitor",
            where=f"{KEY}.sets",
            why="nothing would be watched: it works in `pretrain` and `cpt`",
            fix=f"~{KEY}.sets\nand `langadapt evaluate` for bits per byte before and after",
        )
