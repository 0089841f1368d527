"""Ends training after a step, in all ranks at once: on a request with a checkpoint, on a bad loss without one.

Both trainers have a public seam behind every step: Lightning its callbacks, NeMo-Aligner the timer it is given.
"""

import atexit
import multiprocessing
import signal
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig, OmegaConf

from recipes import checkpoints, launch, run_record, stopping
from recipes.run_settings import run_settings
from recipes.stopping import Diverged, LossWatch

GO_ON, SAVE, STOP, DIVERGE = range(4)


class StopTraining(Exception):
    """Leaves a trainer's loop once the checkpoint of a requested stop is written."""


def manage(trainer: Trainer, section: DictConfig) -> None:
    """Runs NeMo's exp_manager, which leaves stopping to us.

    On rank 0 it moves every file of the run folder into a new run_N/ (nemo/utils/exp_manager.py, check_resume); a STOP
    or SAVE made since the run began to start goes back to where it is looked for.
    """
    from nemo.utils.exp_manager import exp_manager

    folder = Path(section.explicit_log_dir)
    before = set(folder.glob("run_*"))
    exp_manager(trainer, _without_upstream_stops(section))
    if launch.rank() != 0:
        return
    for path in (stopping.stop_file(folder), stopping.save_file(folder)):
        for moved in [each / path.name for each in set(folder.glob("run_*")) - before if (each / path.name).exists()]:
            moved.rename(path)
            print(f"stopping: {path.name}, made while the run started, is kept for its first step", flush=True)


def _without_upstream_stops(exp_manager: DictConfig) -> DictConfig:
    """The section for NeMo's exp_manager, its own stop callbacks off: `Stopper` does their work for every verb.

    The time limit's callback (StatelessTimer) counts from the first step, start-up left out, and writes the checkpoint
    of a step twice; the one of SIGTERM (PreemptionCallback) leaves out a validation that is due.
    """
    ours = exp_manager.copy()
    OmegaConf.set_struct(ours, False)
    ours.max_time_per_run, ours.create_preemption_callback = None, False
    return ours


class Stopper:
    """Rank 0's decision after every step, told to all ranks by one broadcast of one number.

    Args:
        config: The resolved config of the run.
    """

    def __init__(self, config: DictConfig) -> None:
        self.folder = Path(config.exp_manager.explicit_log_dir)
        self.limit = config.exp_manager.get("max_time_per_run")
        self.deadline = stopping.deadline(self.limit)
        self.settings = run_settings(config).stop
        self.watch = LossWatch(self.settings)
        self.step = 0  # of the last call of after_step: Lightning's own count stays at 0 under NeMo-Aligner
        self.reason: str | None = None
        self.is_asked = self.is_to_save = False

    def resume(self, steps: int) -> None:
        """Gives the rule on the loss the losses of the steps that an earlier run has done."""
        earlier = run_record.losses(run_record.read_metrics(self.folder))
        self.watch = LossWatch(self.settings, [loss for step, loss in earlier if step <= steps])

    def after_step(self, step: int, loss: float) -> bool:
        """Whether every rank ends now; call it in every rank.

        Args:
            step: Optimizer steps done, this one included.
            loss: Its training loss, in rank 0.

        Raises:
            Diverged: The loss has gone wrong.
        """
        self.step, fault = step, None
        if torch.distributed.get_rank() == 0:
            fault = self.watch.fault(loss)
            self.reason = self._request()
        verdict = self._told_by_rank_0(DIVERGE if fault else STOP if self.reason else self._save_or_go_on())
        if verdict == DIVERGE:
            raise self._diverged(f"at step {step} {fault}", step - self.watch.steps_above)
        self.is_asked, self.is_to_save = verdict == STOP, verdict == SAVE
        return self.is_asked

    def check_weights(self, model: torch.nn.Module) -> None:
        """Keeps weights that are no numbers out of the checkpoint that is about to be written, in every rank.

        Raises:
            Diverged: Some of them are not finite.
        """
        bad = not all(bool(torch.isfinite(weight).all()) for weight in model.parameters())
        flag = torch.tensor([int(bad)], device=self._device())
        torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
        if flag.item():
            raise self._diverged(f"at step {self.step} weights are not finite", self.step)

    def obeyed(self) -> None:
        """Takes the request back; call it once the checkpoint is written."""
        if torch.distributed.get_rank() == 0:
            stopping.obeyed(self.folder, self.reason or "")

    def saved(self) -> None:
        """Takes back what asked for a checkpoint of a run that goes on; call it with that checkpoint written or due."""
        self.is_to_save = False
        if torch.distributed.get_rank() == 0:
            stopping.save_file(self.folder).unlink(missing_ok=True)
            print(f"stopping: {stopping.SAVE_FILE} is obeyed by the checkpoint of step {self.step}", flush=True)

    def _save_or_go_on(self) -> int:
        return SAVE if torch.distributed.get_rank() == 0 and stopping.save_file(self.folder).exists() else GO_ON

    def _request(self) -> str | None:
        if time.time() >= self.deadline:
            return f"the time limit exp_manager.max_time_per_run={self.limit}"
        return stopping.request(self.folder)

    def _told_by_rank_0(self, verdict: int) -> int:
        told = torch.tensor([verdict], device=self._device())
        torch.distributed.broadcast(told, 0)
        return int(told.item())

    def _diverged(self, what: str, first_bad: int) -> Diverged:
        """The error; the loss of a step is that of the weights before it, so their checkpoint goes aside, too."""
        if torch.distributed.get_rank() != 0:
            return Diverged("The run was stopped by rank 0.")
        aside = checkpoints.set_aside(self.folder, first_bad)
        return stopping.diverged(self.folder, what, checkpoints.newest(self.folder), aside)

    @staticmethod
    def _device() -> str:
        return "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"


def shield_workers(loaders: Iterable[Any]) -> None:
    """Lets the processes that read data outlive a stop signal sent to every process of a job, as Slurm sends it.

    One that died of it would end the run with an error before the checkpoint.

    Args:
        loaders: torch dataloaders that nothing has iterated yet.
    """
    for loader in loaders:
        loader.worker_init_fn = _ignore_stop_signals
    atexit.register(_end_workers)


def _ignore_stop_signals(_worker: int) -> None:
    for number in stopping.SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _end_workers() -> None:
    """Ends those still there at the exit: Python would send them the SIGTERM they ignore, and wait for ever."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for worker in multiprocessing.active_children():
        worker.kill()


class StopCallback(Callback):
    """Lightning's seam; upstream's NeMo callbacks save in the same way (nemo/utils/exp_manager.py, StatelessTimer)."""

    def __init__(self, stopper: Stopper) -> None:
        self.stopper = stopper

    def on_fit_start(self, _trainer: Trainer, module: Any) -> None:
        """Reaches the dataloaders before their first use."""
        shield_workers([module._train_dl, module._validation_dl])  # noqa: SLF001

    def on_train_start(self, trainer: Trainer, *_module: Any) -> None:
        """Puts our signal handlers over those of Lightning, which would end each rank at a step of its own."""
        stopping.listen(self.stopper.folder)
        self.stopper.resume(trainer.global_step)

    def on_train_batch_end(self, trainer: Trainer, _module: Any, outputs: Mapping[str, Any], *_batch: Any) -> None:
        """Decides before a validation or checkpoint that may be due."""
        self.stopper.after_step(trainer.global_step, float(outputs["loss"]))

    def on_train_batch_start(self, trainer: Trainer, *_batch: Any) -> None:
        """Obeys before the next step: what was due at the last one has been done by now.

        Raises:
            StopTraining: The run was asked to stop.
        """
        if not self.stopper.is_asked and not self.stopper.is_to_save:
            return
        callback = trainer.checkpoint_callback
        if callback._last_global_step_saved != trainer.global_step:  # noqa: SLF001
            callback._save_last_checkpoint(trainer, callback._monitor_candidates(trainer))  # noqa: SLF001
        if self.stopper.is_to_save:
            self.stopper.saved()
            return
        self.stopper.obeyed()
        raise StopTraining


class WeightCheck(Callback):
    """Looks at the weights before every checkpoint, of Lightning's loop and of NeMo-Aligner's alike."""

    def __init__(self, stopper: Stopper) -> None:
        self.stopper = stopper

    def on_save_checkpoint(self, _trainer: Trainer, module: LightningModule, _checkpoint: dict[str, Any]) -> None:
        """Refuses to save what cannot be resumed."""
        self.stopper.check_weights(module)


class AlignerStop:
    """NeMo-Aligner's seam: stands in for its Timer (nemo_aligner/utils/distributed.py), and listens to its losses.

    A trainer asks `is_finished` behind every step and, told yes, validates, saves and returns. A validation that is
    not due would cost the time a stop has, so the checkpoint is then written here.
    """

    def __init__(self, stopper: Stopper) -> None:
        self.stopper = stopper
        self.trainer: Any = None
        self.loss = 0.0

    def start_time(self) -> None:
        """Called when training starts; the time limit counts from the start of the command."""
        self.stopper.resume(self.trainer.step)

    def log_metrics(self, metrics: Mapping[str, Any], _step: int | None = None) -> None:
        """Takes the loss of a step, as one of the trainer's loggers."""
        self.loss = float(metrics.get("train/loss", self.loss))

    def is_finished(self) -> bool:
        """Whether to stop, asked in every rank.

        Raises:
            Diverged: The loss has gone wrong.
            StopTraining: The run was asked to stop, and its checkpoint is written.
        """
        trainer = self.trainer
        if not self.stopper.after_step(trainer.step, self.loss):
            if self.stopper.is_to_save:
                if trainer.step % trainer.cfg.save_interval and trainer.step != trainer.max_steps:
                    trainer.save()  # else the trainer is about to
                self.stopper.saved()
            return False
        if trainer.step % trainer.val_check_interval == 0 or trainer.step == trainer.max_steps:
            return True
        trainer.save()
        raise StopTraining
