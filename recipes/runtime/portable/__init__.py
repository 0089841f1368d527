"""The portable ground: named patches that let NeMo 2.1.0 run without apex, Transformer Engine or a GPU.

`apply` puts on exactly those whose missing part is missing here. Nothing else in the project changes upstream.
"""

from collections.abc import Iterable

from recipes.runtime.portable import (
    newer_libraries,
    without_apex,
    without_cuda,
    without_ngc_image,
    without_transformer_engine,
)
from recipes.runtime.portable.patch import Changes, Missing, Patch

_MODULES = (without_ngc_image, without_cuda, without_apex, without_transformer_engine, newer_libraries)
PATCHES: tuple[Patch, ...] = tuple(
    value for module in _MODULES for value in vars(module).values() if isinstance(value, Patch)
)

_applied: dict[str, Changes] = {}


def apply(missing: Iterable[Missing]) -> list[str]:
    """Applies every patch whose part is missing, once per process; returns the names of all that are on."""
    parts = frozenset(missing)
    for patch in PATCHES:
        if patch.missing in parts and patch.name not in _applied:
            _applied[patch.name] = Changes()
            patch.apply(_applied[patch.name])
    return list(_applied)


def remove(*names: str) -> None:
    """Takes patches off again, all of them if none is named; only tests have a reason to."""
    for name in reversed(names or tuple(_applied)):
        if name in _applied:
            _applied.pop(name).undo()
