"""Patches for a Python environment outside NVIDIA's container images."""

import os
import queue
from typing import Any

from recipes.runtime.portable.patch import Changes, patch


@patch(
    missing="ngc_image",
    upstream="nemo.collections.nlp.models.language_modeling.megatron_base_model",
    stops_at='return re.fullmatch("[0-9][0-9]\\.[0-9][0-9].*", nvidia_torch_version)  # "YY.MM.*"',
)
def ngc_version(changes: Changes) -> None:
    """Gives upstream an empty image version, where it would match a pattern against None.

    Empty takes its own branch for images that are no official release.
    """
    changes.set_item(os.environ, "NVIDIA_PYTORCH_VERSION", "")


@patch(
    missing="ngc_image",
    upstream="megatron.core.dist_checkpointing.strategies.base",
    stops_at="async_calls.schedule_async_request(async_request)",
)
def checkpoint_without_fork(changes: Changes) -> None:
    """Writes a checkpoint in the process that waits for it, where upstream forks one to write and waits for that.

    A fork beside threads can deadlock: seen in CPython 3.11.7, whose child waits for a lock that a thread of torch or
    gloo held (_PyThreadState_DeleteExcept), and the run stands still for ever. The same items go to the same files.
    What was written is told through a queue of this process: upstream's is a process too, and where Slurm's SIGTERM
    reaches every process of a step (no cgroups) it dies before the checkpoint it was to report.
    Checkpoints asked for as asynchronous (`exp_manager...async_save`) still fork, and keep upstream's queue.
    """
    from megatron.core.dist_checkpointing.strategies import filesystem_async
    from megatron.core.dist_checkpointing.strategies.base import AsyncSaveShardedStrategy

    def save(self: Any, sharded_state_dict: Any, checkpoint_dir: Any) -> None:
        upstreams = filesystem_async._results_queue  # noqa: SLF001
        filesystem_async._results_queue = queue.Queue()  # noqa: SLF001
        try:
            request = self.async_save(sharded_state_dict, checkpoint_dir)
        finally:
            filesystem_async._results_queue = upstreams  # noqa: SLF001
        if request.async_fn is not None:
            request = request._replace(async_fn=write)
        request.execute_sync()

    def write(write_buckets: list[Any], results: Any) -> None:
        written: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for number, bucket in enumerate(write_buckets):
            under_way: queue.Queue[int] = queue.Queue()
            under_way.put(number)
            filesystem_async.FileSystemWriterAsync.write_preloaded_data(number, bucket, written, under_way, True)
        found = dict(written.get() for _ in write_buckets)
        failed = (each for each in found.values() if isinstance(each, Exception))
        results.put(next(failed, found))

    changes.set(AsyncSaveShardedStrategy, "save", save)
