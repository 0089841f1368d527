"""The forgetting monitor as a Lightning callback: takes the readings, logs them, warns or stops."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint
from omegaconf import DictConfig

from data_prep import vocabulary
from recipes.monitor import decisions, windows
from recipes.monitor.decisions import CHANGE, SECONDS, SHARE, Baseline
from recipes.monitor.settings import MonitorSettings
from recipes.run_settings import run_settings
from recipes.runtime.held_out_loss import nats_of


def attach(trainer: Any, config: DictConfig) -> None:
    """Adds the monitor to a trainer if the configuration names sets, ahead of whatever saves checkpoints.

    So a checkpoint of a step holds the reading of that step.
    """
    settings = run_settings(config).monitor
    if not settings.sets:
        if settings.alarms and trainer.is_global_zero:
            print("monitor: off, its alarms cannot act: langadapt.monitor.sets is empty (`langadapt blend` writes it)")
        return
    places = [place for place, each in enumerate(trainer.callbacks) if isinstance(each, Checkpoint)]
    trainer.callbacks.insert(min(places, default=len(trainer.callbacks)), ForgettingMonitor(settings, config))


class ForgettingMonitor(Callback):
    """Reads every set before the first step, every N steps and after the last.

    Baselines and the last changes travel in the run's checkpoints: a resumed run compares with where the first one
    began, under any layout.
    """

    def __init__(self, settings: MonitorSettings, config: DictConfig) -> None:
        self.settings = settings
        self.global_batch_size = int(config.model.global_batch_size)
        loaded = vocabulary.load(Path(config.model.tokenizer.model))
        length = int(config.model.encoder_seq_length)
        self.sets = [
            windows.load(prefix, loaded, length=length, sequences=settings.sequences) for prefix in settings.sets
        ]
        self.curves = windows.curves(self.sets)
        self.baselines: dict[str, Baseline] = {}
        self.changes: dict[str, list[float]] = {}
        self.seconds, self.began, self.ended = 0.0, 0.0, 0.0

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"baselines": {name: asdict(each) for name, each in self.baselines.items()}, "changes": self.changes}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """What a checkpoint kept; the baseline of a curve that scores other tokens now is none of it."""
        digests = {curve.name: curve.digest for curve in self.curves}
        kept = {name: Baseline(**each) for name, each in state_dict["baselines"].items()}
        self.baselines = {name: each for name, each in kept.items() if each.digest == digests.get(name)}
        self.changes = {name: list(state_dict["changes"][name]) for name in self.baselines}

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Takes the baseline of every curve that has none."""
        self.began = self.ended = time.monotonic()
        if trainer.is_global_zero:
            print(self._announcement(), flush=True)
        new = [curve.name for curve in self.curves if curve.name not in self.baselines]
        if new and trainer.global_step and trainer.is_global_zero:
            print(f"monitor: no baseline from step 0 of {', '.join(new)}: it is taken now, at {trainer.global_step}")
        if new:
            self._read(trainer, pl_module)

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_batch: Any) -> None:
        """Takes a reading where one is due."""
        step = trainer.global_step
        if step % self.settings.every_n_steps == 0 or step == trainer.max_steps:
            self._read(trainer, pl_module)

    def _announcement(self) -> str:
        count = sum(len(each.inputs) for each in self.sets)
        share = decisions.expected_share(count, self.settings.every_n_steps, self.global_batch_size)
        return (
            f"monitor: {len(self.sets)} sets, {count} sequences every {self.settings.every_n_steps} steps, "
            f"{100 * share:.2f} % of the run's arithmetic"
        )

    def _read(self, trainer: Trainer, model: Any) -> None:
        """One reading: on the curves, in the log, and before the alarms."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()  # or the training step still in flight would be timed as the monitor's
        start, step = time.monotonic(), trainer.global_step
        metrics = decisions.reading(nats_of(model, self.sets), self.curves, self.baselines)
        self._remember(metrics, step)
        metrics |= self._cost(start, trainer)
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step)
        self._sound(trainer)

    def _remember(self, metrics: dict[str, float], step: int) -> None:
        for curve in self.curves:
            bits, change = metrics[decisions.BITS_PER_BYTE + curve.name], metrics[CHANGE + curve.name]
            first = Baseline(bits_per_byte=bits, step=step, digest=curve.digest)
            self.baselines.setdefault(curve.name, first)
            self.changes.setdefault(curve.name, []).append(change)

    def _cost(self, start: float, trainer: Trainer) -> dict[str, float]:
        """Seconds of this reading, and the share of all readings in the time since training began."""
        now = time.monotonic()
        since, self.ended = now - self.ended, now
        self.seconds += now - start
        if start - self.began < now - start:  # nothing was trained yet: no share to speak of
            return {SECONDS: now - start}
        if trainer.is_global_zero and (advice := decisions.too_dear((now - start) / since, self.settings)):
            print(f"monitor: {advice}", flush=True)
        return {SECONDS: now - start, SHARE: self.seconds / (now - self.began)}

    def _sound(self, trainer: Trainer) -> None:
        """Says which alarms are raised; one that stops lets the run end with this step."""
        for alarm in decisions.raised(self.settings.alarms, self.changes):
            if trainer.is_global_zero:
                change = self.changes[alarm.watch][-1]
                print(f"monitor: ALARM ({alarm.action}): {alarm}; it is {change:+.2f} % from it now", flush=True)
            if alarm.action == "stop":
                end_after_this_step(trainer)


def end_after_this_step(trainer: Any) -> None:
    """Ends the run with a checkpoint of the step in flight.

    Lightning 2.4.0 validates once more before it obeys (training_epoch_loop.py, _should_check_val_fx), and NeMo's
    checkpoint callback saves after every validation.
    """
    trainer.should_stop = True
