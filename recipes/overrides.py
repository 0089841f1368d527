"""Words of the command line that change a configuration: `key=value`, `+key=value`, `++key=value`, `~key`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf

from data_prep.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Override:
    """One word of the command line that changes a configuration."""

    text: str
    key: str
    value: Any
    delete: bool

    @property
    def keys(self) -> list[str]:
        """The key, and the keys inside a mapping given as its value."""
        return [self.key, *(f"{self.key}.{below}" for below in _flat(self.value))]


def parse(text: str) -> Override:
    """Read one override in Hydra's grammar.

    `+` and `++` mean what a bare key means: which keys may be set is decided by upstream's lists.

    Raises:
        UsageError: It is not in the grammar, or gives several values at once.
    """
    try:
        override = OverridesParser.create().parse_overrides([text])[0]
    except HydraException as error:
        key, equals, raw = text.lstrip("+").partition("=")
        if equals and key.isascii() and not raw.isascii():
            # Hydra's grammar has ASCII letters only; a path such as /होम/डेटा is read as OmegaConf's dot-list does.
            value = OmegaConf.to_object(OmegaConf.from_dotlist([f"value={raw}"]))
            return Override(text=text, key=key, value=cast("dict[str, Any]", value)["value"], delete=False)
        raise UsageError(
            f"cannot read the override {text}",
            where=str(error).splitlines()[0],
            fix="write key=value, ++key=value or ~key; a value with special characters takes quotes of its own:\n"
            """'exp_manager.name="run (2)"'""",
        ) from error
    if override.is_sweep_override():
        raise UsageError(
            f"the override {text} gives several values", fix="one value a run; a list takes brackets: key=[a,b]"
        )
    if override.is_delete() and "=" in text:
        raise UsageError(f"cannot read the override {text}", fix=f"write ~{override.key_or_group} to remove the key")
    key = override.key_or_group + (f"@{override.package}" if override.package else "")
    return Override(text=text, key=key, value=override.value(), delete=override.is_delete())


def _flat(value: object) -> Iterator[str]:
    """Dotted keys inside an override's value."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield str(key)
            yield from (f"{key}.{name}" for name in _flat(below))
