"""Where a run's metrics go besides TensorBoard: one JSON line a step, and the terminal.

NeMo's trainer and NeMo-Aligner's own loops both log through Lightning's logger interface, so the same two classes
serve every stage.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger, rank_zero_experiment
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from recipes.monitor.decisions import BITS_PER_BYTE, CHANGE, PREFIX, SHARE

LINES_PER_RUN = 20


class _RankZeroLogger(Logger):
    """Lightning's logger interface without an experiment object behind it, and one count of steps for all stages."""

    def __init__(self) -> None:
        super().__init__()
        self._optimizer_step: int | None = None

    def step_of(self, values: dict[str, float], step: int | None) -> int:
        """Index, from 0, of the optimizer step that metrics belong to.

        NeMo logs `global_step` beside the loss: its own count, whatever Lightning's counter says after a resume
        (`recipes.runtime.exact_resume`). NeMo-Aligner has no such metric and numbers validation by the step after it,
        as the forgetting monitor does, whose first reading comes before any step: index -1.
        """
        if step is not None and any(key.startswith(PREFIX) for key in values):
            return step - 1
        if "global_step" in values:
            self._optimizer_step = int(values["global_step"])
        if self._optimizer_step is not None:
            return self._optimizer_step
        is_validation = any(key.startswith("val/") for key in values)
        return max((step or 0) - is_validation, 0)

    @property
    def name(self) -> str:
        """Lightning's name of the logger."""
        return type(self).__name__

    @property
    def version(self) -> int:
        """There is one run per folder."""
        return 0

    @property
    @rank_zero_experiment
    def experiment(self) -> None:
        """No underlying experiment object."""
        return

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """The resolved config is in the run record already."""


class JsonLinesLogger(_RankZeroLogger):
    """Appends `{"step": ..., "time": ..., metric: value}` lines; complete up to the last step after a crash.

    A resumed run repeats the steps since its checkpoint; readers keep the last line of a step
    (`recipes.run_record.read_metrics`).
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
        """Writes one line; values that are no numbers are left to the other loggers."""
        values = _numbers(metrics)
        line = json.dumps({"step": self.step_of(values, step), "time": round(time.time(), 3), **values})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")


class ConsoleLogger(_RankZeroLogger):
    """A progress bar on a terminal; elsewhere about twenty lines a run in Megatron's `key: value |` form."""

    def __init__(self, max_steps: int) -> None:
        super().__init__()
        self.max_steps = max_steps
        self.every = max(1, max_steps // LINES_PER_RUN)
        self.last = (0, time.time())
        self.progress: Progress | None = None

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
        """Shows a training step; validation metrics get a line of their own."""
        values = {key.removeprefix("train/"): value for key, value in _numbers(metrics).items()}
        loss = values.get("reduced_train_loss", values.get("loss"))
        done = self.step_of(values, step) + 1
        if any(key.startswith(PREFIX) for key in values):
            print(f" monitor at iteration {done} | {_monitor_fields(values)} |", flush=True)
        elif loss is None:
            self._validation(values, done)
        elif sys.stdout.isatty():
            self._advance(done, loss)
        elif done % self.every == 0 or done == self.max_steps:
            self._line(done, loss, values)

    def _validation(self, values: dict[str, float], step: int) -> None:
        loss = values.get("val_loss", values.get("val/loss"))
        if loss is not None:
            print(f" validation at iteration {step} | lm loss: {loss:.4f} |", flush=True)

    def _advance(self, done: int, loss: float) -> None:
        if self.progress is None:
            columns = (
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.description}"),
            )
            self.progress = Progress(*columns)
            self.progress.start()
            self.progress.add_task("", total=self.max_steps)
        self.progress.update(self.progress.task_ids[0], completed=done, description=f"loss {loss:.4f}")
        if done >= self.max_steps:
            self.progress.stop()

    def _line(self, done: int, loss: float, values: dict[str, float]) -> None:
        last_step, last_time = self.last
        now = time.time()
        self.last = (done, now)
        fields = {
            "consumed samples": f"{values.get('consumed_samples', 0):.0f}",
            "elapsed time per iteration (ms)": f"{1000 * (now - last_time) / max(1, done - last_step):.1f}",
            "learning rate": f"{values.get('lr', 0):.3E}",
            "lm loss": f"{loss:.4f}",
            "grad norm": f"{values.get('grad_norm', 0):.3f}",
        }
        print(
            f" iteration {done}/{self.max_steps} | "
            + " | ".join(f"{key}: {value}" for key, value in fields.items())
            + " |",
            flush=True,
        )


def loggers(metrics_path: Path, max_steps: int) -> list[Logger]:
    """The loggers every stage adds to those exp_manager made."""
    return [JsonLinesLogger(metrics_path), ConsoleLogger(max_steps)]


def _monitor_fields(values: dict[str, float]) -> str:
    """Bits per byte of every curve and their distance from its baseline, and what the readings cost so far."""
    names = [key.removeprefix(CHANGE) for key in values if key.startswith(CHANGE)]
    curves = [f"{name}: {values[BITS_PER_BYTE + name]:.4f} ({values[CHANGE + name]:+.2f} %)" for name in names]
    spent = [f"share of time: {values[SHARE]:.4f}"] if SHARE in values else []
    return " | ".join([f"bits per byte of {curves[0]}", *curves[1:], *spent])


def _numbers(metrics: dict[str, Any]) -> dict[str, float]:
    return {
        key: float(value)
        for key, value in metrics.items()
        if isinstance(value, int | float) or (hasattr(value, "numel") and value.numel() == 1)
    }
