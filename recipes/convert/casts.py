"""Explicit changes of dtype on blocks of raw elements, with numpy alone: its bfloat16 is two bytes."""

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

DtypeName = Literal["float32", "bfloat16", "float16"]
DTYPES: tuple[str, ...] = get_args(DtypeName)
ITEM_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
RAW: dict[str, Any] = {"float32": np.dtype("<f4"), "bfloat16": np.dtype("<u2"), "float16": np.dtype("<f2")}
"""What numpy holds the elements as."""


class Overflow(ValueError):
    """A finite value is too large for the dtype asked for."""


def cast(block: NDArray[Any], source: str, target: str) -> NDArray[Any]:
    """The elements in another dtype, rounded to nearest even as torch does.

    Args:
        block: Elements as `RAW[source]`.
        source: Their dtype.
        target: The dtype wanted.

    Raises:
        Overflow: A finite value would become infinite.
    """
    if source == target:
        return block
    wide = (block.astype(np.uint32) << 16).view(np.float32) if source == "bfloat16" else block.astype(np.float32)
    if target == "float32":
        return wide
    with np.errstate(over="ignore"):
        narrow = _to_bfloat16(wide) if target == "bfloat16" else wide.astype(np.float16)
    if (lost := np.isinf(cast(narrow, target, "float32")) & np.isfinite(wide)).any():
        raise Overflow(f"{wide[lost].flat[0]:g} is too large for {target}")
    return narrow


def _to_bfloat16(wide: NDArray[np.float32]) -> NDArray[Any]:
    """Keeps the upper half, rounded to nearest, ties to even; a NaN stays one."""
    bits = wide.view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) >> 16
    return np.where(np.isnan(wide), np.uint32(0x7FC0), rounded).astype(np.uint16)
