"""Patches for a torch and a numpy newer than the container's 2.4 and 1.26.

Torch 2.6 changed a private function and a default; numpy 2 dropped old names. The pinned lock needs the newer ones:
numpy 2 is what datatrove, pyarrow and matplotlib of today are built against.
"""

from typing import Any

import torch

from recipes.runtime.portable.patch import Changes, patch


@patch(
    missing="torch_before_2.6",
    upstream="megatron.core.dist_checkpointing.strategies.filesystem_async",
    stops_at="local_results.append(_write_item(stream, data, write_item, storage_key))",
)
def checkpoint_write_item(changes: Changes) -> None:
    """Torch's private `_write_item` takes a transform and a format first; both get torch's own defaults."""
    from torch.distributed.checkpoint import filesystem

    def write_item(stream: Any, data: Any, item: Any, storage_key: str) -> Any:
        return filesystem._write_item(  # noqa: SLF001
            filesystem._StorageWriterTransforms(),  # noqa: SLF001
            stream,
            data,
            item,
            storage_key,
            filesystem.SerializationFormat.TORCH_SAVE,
        )

    changes.set("megatron.core.dist_checkpointing.strategies.filesystem_async", "_write_item", write_item)


class _TorchLoadingObjects:
    """The torch module, with `load` unpickling objects as it did before 2.6."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def load(self, *args: Any, **kwargs: Any) -> Any:
        return torch.load(*args, **{"weights_only": False, **kwargs})


@patch(
    missing="torch_before_2.6",
    upstream="megatron.core.dist_checkpointing.strategies.common",
    stops_at="return torch.load(load_path, map_location='cpu')",
)
def checkpoint_common_state(changes: Changes) -> None:
    """`torch.load` refuses pickled objects since 2.6, and a checkpoint's common.pt holds configuration objects.

    Only this module of megatron-core loads them again: as everywhere in this stack, open no checkpoint from a
    source you do not trust.
    """
    changes.set("megatron.core.dist_checkpointing.strategies.common", "torch", _TorchLoadingObjects())


@patch(
    missing="numpy_before_2",
    upstream="megatron.core.dist_checkpointing.exchange_utils",
    stops_at="numel = np.product(sh_ten.local_shape)",
)
def numpy_product(changes: Changes) -> None:
    """`np.product`, called when several ranks share the writing of a checkpoint, is numpy 2's `np.prod`."""
    import numpy as np

    changes.set(np, "product", np.prod)
