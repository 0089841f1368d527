"""Keeps a run that an alarm stopped from going on by itself: a scheduler that requeues it would continue the damage."""

from pathlib import Path

from omegaconf import DictConfig

from data_prep.errors import LangadaptError
from recipes import checkpoints, run_record
from recipes.monitor.decisions import changes_in, raised
from recipes.monitor.settings import Alarm
from recipes.run_settings import run_settings


class Forgetting(LangadaptError):
    """An alarm with `action: stop` stands. Not 75: nobody should start this run again without looking."""

    exit_code = 1


def refuse_standing_alarm(settings: DictConfig, folder: Path) -> None:
    """Raises Forgetting while the last readings of a run raise a `stop` alarm of its configuration.

    The rule decides, as it stands in the configuration now: whoever changes it goes on, on purpose.
    """
    changes = changes_in(run_record.read_metrics(folder))
    standing = [alarm for alarm in raised(run_settings(settings).monitor.alarms, changes) if alarm.action == "stop"]
    if standing:
        raise _forgetting(standing[0], changes[standing[0].watch], folder)


def _forgetting(alarm: Alarm, changes: list[float], folder: Path) -> Forgetting:
    last = checkpoints.last(folder)
    rule = f"[{{watch:{alarm.watch},increase:{alarm.increase:g},readings:{alarm.readings},action:warn}}]"
    return Forgetting(
        f"Stopped by the forgetting monitor: {alarm.watch} is {changes[-1]:+.2f} % from its baseline.",
        where=f"{folder}, last checkpoint {last[1].name if last else 'none yet'}",
        why=f"rule: {alarm}. Going on by itself would continue the damage, so the same command stops here again.",
        fix="more of that language in the blend, or a lower learning rate, in a new run folder\n"
        f"or go on from that checkpoint on purpose with another rule: 'langadapt.monitor.alarms={rule}'",
    )
