"""Reads the two pickles of a torch_dist checkpoint without running anything they name, and without torch.

A pickle may name any function to call. Here every name is looked up in a list, and what it stands for is not torch's
class but a plain record that keeps what it is given.
"""

import collections
import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

_METADATA_MODULES = {
    "torch.distributed.checkpoint.metadata",
    "torch.distributed.checkpoint.filesystem",
    "torch.distributed.checkpoint.planner",
    "megatron.core.dist_checkpointing.strategies.torch",
}
_DTYPES = {
    *("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"),
    *("int64", "int32", "int16", "int8", "uint8", "bool"),
}
_STORAGES = {"FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16"}


class Stored:
    """Stands in for a class of torch.distributed.checkpoint: its fields, or its positional state."""

    kind: str

    def __init__(self, *_arguments: object) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        """Takes a dataclass's fields as attributes; torch's TensorProperties gives a tuple instead."""
        self.__dict__.update(state if isinstance(state, dict) else {"state": state})


class _MetadataUnpickler(pickle.Unpickler):
    """Builds checkpoint metadata and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if module in _METADATA_MODULES:
            return type(name, (Stored,), {"kind": name})
        if module == "torch" and name in _DTYPES:
            return name
        harmless: dict[tuple[str, str], Callable[..., Any]] = {
            ("pathlib", "PosixPath"): PurePosixPath,
            ("torch", "Size"): tuple,
            ("torch.serialization", "_get_layout"): str,
        }
        return _known(harmless, module, name)


def load_metadata(pickled: bytes) -> Stored:
    """What `.metadata` holds.

    Raises:
        pickle.UnpicklingError: It would call something, or is of something else.
    """
    found = _MetadataUnpickler(io.BytesIO(pickled)).load()
    if not isinstance(found, Stored) or found.kind not in ("Metadata", "MCoreMetadata"):
        raise pickle.UnpicklingError(f"it holds a {type(found).__name__}")
    return found


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """What a pickled tensor says of itself: a view of a storage."""

    dtype: str
    storage: str
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _TensorUnpickler(pickle.Unpickler):
    """Reads how a tensor lies in its storage, without the storage."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        harmless: dict[tuple[str, str], Callable[..., Any]] = {
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
            ("torch._utils", "_rebuild_parameter"): lambda tensor, *_rest: tensor,
            ("collections", "OrderedDict"): collections.OrderedDict,
        }
        return _known(harmless, module, name)

    def persistent_load(self, pid: Any) -> tuple[str, str]:
        """("storage", type, key, device, elements) becomes (dtype, key)."""
        return str(pid[1]), str(pid[2])


def _rebuild(storage: tuple[str, str], offset: int, size: Any, stride: Any, *_rest: object) -> Rebuilt:
    return Rebuilt(dtype=storage[0], storage=storage[1], offset=offset, size=tuple(size), stride=tuple(stride))


def load_tensor(pickled: bytes) -> Rebuilt:
    """The `data.pkl` of a torch.save record.

    Raises:
        pickle.UnpicklingError: It would call something, or is of no plain tensor.
    """
    found = _TensorUnpickler(io.BytesIO(pickled)).load()
    if not isinstance(found, Rebuilt):
        raise pickle.UnpicklingError(f"it holds a {type(found).__name__}")
    return found


def load_tensors(pickled: bytes) -> dict[str, Rebuilt]:
    """The `data.pkl` of a pytorch_model.bin.

    Raises:
        pickle.UnpicklingError: It would call something, or holds something else than plain tensors by name.
    """
    found = _TensorUnpickler(io.BytesIO(pickled)).load()
    if not isinstance(found, dict) or not all(isinstance(value, Rebuilt) for value in found.values()):
        raise pickle.UnpicklingError("it holds something else than tensors by name")
    return found


def _known(harmless: dict[tuple[str, str], Callable[..., Any]], module: str, name: str) -> Callable[..., Any]:
    if (module, name) not in harmless:
        raise pickle.UnpicklingError(f"it would call {module}.{name}")
    return harmless[module, name]


UNREADABLE = (pickle.UnpicklingError, EOFError, AttributeError, KeyError, IndexError, TypeError, ValueError)
"""What unpickling damaged or foreign bytes raises."""
