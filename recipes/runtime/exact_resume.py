"""Makes a resumed pre-training run read the same samples, and count the same steps, as an uninterrupted one."""

from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback


class ExactResume(Callback):
    """Corrects two counters Lightning 2.4.0 restores wrongly for NeMo 2.1.0's dataloaders.

    NeMo's sampler starts after the consumed samples, so the dataloader of a resumed run is shorter. Lightning adds the
    steps of the earlier run to what it has fetched from it (loops/training_epoch_loop.py, on_run_start), believes the
    epoch over too soon, and starts it again: the last steps of the run would train on samples it has seen.
    And the step its loggers write is saved before the step it belongs to is counted.
    """

    def __init__(self) -> None:
        self.has_trained = False

    def on_train_batch_start(self, trainer: Trainer, *_batch: Any) -> None:
        """Acts once, on the first batch; in a fresh run both corrections are zero."""
        if self.has_trained:
            return
        self.has_trained = True
        loop = trainer.fit_loop.epoch_loop
        steps_before = loop.batch_progress.current.ready - 1
        trainer.fit_loop._data_fetcher.fetched -= steps_before  # noqa: SLF001
        loop._batches_that_stepped = trainer.global_step  # noqa: SLF001
