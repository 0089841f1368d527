"""What a patch of the portable ground is, and how it is put on and taken off again."""

import importlib
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Literal

Missing = Literal["apex", "cuda", "transformer_engine", "ngc_image", "torch_before_2.6", "numpy_before_2"]

_ABSENT = object()


@dataclass
class Changes:
    """What a patch replaced, so that a test can put it back."""

    _undo: list[Callable[[], None]] = field(default_factory=list)

    def set(self, target: Any, name: str, value: Any) -> None:
        """Replaces `target.name`; a string target is a module to import first."""
        if isinstance(target, str):
            target = importlib.import_module(target)
        original = vars(target).get(name, _ABSENT)
        setattr(target, name, value)
        self._undo.append(lambda: delattr(target, name) if original is _ABSENT else setattr(target, name, original))

    def set_item(self, target: MutableMapping[str, Any], key: str, value: Any) -> None:
        """Sets `target[key]`."""
        original = target.get(key, _ABSENT)
        target[key] = value
        self._undo.append(lambda: target.__delitem__(key) if original is _ABSENT else target.__setitem__(key, original))

    def undo(self) -> None:
        """Restores every replaced attribute, the latest first."""
        while self._undo:
            self._undo.pop()()


@dataclass(frozen=True, kw_only=True)
class Patch:
    """One named change to upstream, with the reason for it.

    Attributes:
        name: What `langadapt doctor` and the run record print.
        missing: The thing whose absence makes the patch necessary.
        upstream: Module whose source stops without the patch.
        stops_at: The line of that source that stops; a test fails when it is gone.
        apply: Puts the patch on; its docstring says what upstream does, what changes and why results do not.
    """

    name: str
    missing: Missing
    upstream: str
    stops_at: str
    apply: Callable[[Changes], None]


def patch(*, missing: Missing, upstream: str, stops_at: str) -> Callable[[Callable[[Changes], None]], Patch]:
    """Turns a function into the Patch of its name."""

    def wrap(apply: Callable[[Changes], None]) -> Patch:
        return Patch(name=apply.__name__, missing=missing, upstream=upstream, stops_at=stops_at, apply=apply)

    return wrap
