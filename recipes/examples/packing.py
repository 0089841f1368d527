"""Several examples in one sequence, for NeMo's GPTSFTPackedDataset: which go together, and the array it reads."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from recipes.examples.tokens import Tokens


def packs(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Indices of the examples of each pack: the longest first, each into the pack it fills best.

    Args:
        lengths: Tokens a model is given of each example, one fewer than it has; none above `size`.
        size: Tokens a pack may hold.
    """
    packed: list[list[int]] = []
    by_room: list[list[int]] = [[] for _ in range(size + 1)]
    rooms = 0  # bit r is set where by_room[r] holds a pack, so that the best room is found without a search
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        fitting = rooms >> lengths[index]
        if fitting:
            room = lengths[index] + (fitting & -fitting).bit_length() - 1
            pack = by_room[room].pop()
            rooms ^= (not by_room[room]) << room
        else:
            room, pack = size, len(packed)
            packed.append([])
        packed[pack].append(index)
        left = room - lengths[index]
        by_room[left].append(pack)
        rooms |= 1 << left
    return packed


def as_array(examples: Sequence[Tokens], size: int) -> "np.ndarray[Any, np.dtype[np.object_]]":
    """One dict a pack, as NeMo's prepare_packed_ft_dataset.py writes them (2.1.0)."""
    rows = [_row([examples[index] for index in pack]) for pack in packs([len(each.ids) - 1 for each in examples], size)]
    array = np.empty(len(rows), dtype=object)
    array[:] = rows
    return array


def _row(examples: Sequence[Tokens]) -> dict[str, list[int]]:
    starts = np.cumsum([0, *(len(each.ids) for each in examples[:-1])])
    return {
        "input_ids": np.concatenate([each.ids for each in examples]).tolist(),
        "loss_mask": np.concatenate([each.learnt for each in examples]).astype(int).tolist(),
        "seq_start_id": starts.tolist(),
    }
