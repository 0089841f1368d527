"""Makes a resumed pre-training run read the same samples, and count the same steps, as an uninterrupted one."""

from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback


class ExactResume(Callback):
    """Corrects three counters Lightning 2.4.0 restores wrongly for NeMo 2.1.0's dataloaders.

    NeMo's sampler starts after the consumed samples, so the dataloader of a resumed run is shorter. Lightning goes on
    counting its batches where the earlier run stopped (loops/training_epoch_loop.py, on_run_start and
    _num_ready_batches_reached): when the count meets the shorter length, or passes it, it believes the epoch over and
    starts the dataloader again, and the rest of the run would train on samples it has seen.
    The step its loggers write is saved before the step it belongs to is counted. And a checkpoint written between two
    steps (`recipes.runtime.stopping`) has counted the batch of the next one: validation would come a step too early.
    """

    def __init__(self) -> None:
        self.has_trained = False

    def on_train_start(self, trainer: Trainer, *_module: Any) -> None:
        """Acts once, before the first batch is fetched; in a fresh run the corrections change nothing."""
        self.has_trained = True
        loop = trainer.fit_loop.epoch_loop
        loop.batch_progress.current.reset()
        loop.batch_progress.total.ready = trainer.global_step
        loop._batches_that_stepped = trainer.global_step  # noqa: SLF001

    def on_train_batch_start(self, trainer: Trainer, *_batch: Any) -> None:
        """The restart is over: NeMo's loop leaves out a validation that is due while it lasts.

        It is meant for the step resumed from, which has had its own, but lasts to the end of the first step after it
        (nemo/utils/exp_manager.py, SkipResumeTrainingValidationLoop); with it went that step's checkpoint.
        """
        trainer.fit_loop.epoch_loop.restarting = False
