"""YAML files and command line overrides -> frozen dataclasses, strictly.

YAML holds values; the dataclasses own types, defaults and docs. Files are merged left to right, then
`key=value` (or `++key=value`) overrides, then interpolations are resolved by OmegaConf. An unknown key, a wrong
type or a missing value is fatal and named with its key path and the file it came from. A `ValueError` raised by a
dataclass's `__post_init__` becomes the message for that part.
"""

import difflib
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from data_prep.errors import UsageError

Settings = TypeVar("Settings")

_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false", Path: "a path"}


def load(cls: type[Settings], configs: Sequence[Path], overrides: Sequence[str] = ()) -> Settings:
    """Read settings of type `cls`.

    Raises:
        UsageError: A file is missing or not YAML, a key is unknown or missing, a value has the wrong type.
    """
    parts = [(str(path), read_yaml(path)) for path in configs]
    merged = OmegaConf.merge(*(part for _, part in parts)) if parts else OmegaConf.create({})
    keys = [_apply(merged, override) for override in overrides]
    try:
        values = OmegaConf.to_container(merged, resolve=True)
    except OmegaConfBaseException as error:
        raise UsageError(
            f"cannot resolve an interpolation: {error}".splitlines()[0],
            where=f"{error.full_key or '${...}'} in {', '.join(map(str, configs))}",
            fix="give the value it refers to, or write the value itself",
        ) from error
    built: Settings = _Builder(parts, keys).build(cls, values, "")
    return built


def build(cls: type[Settings], values: Mapping[str, Any], where: str) -> Settings:
    """Settings of type `cls` from a mapping that is already resolved; `where` names it in messages.

    Raises:
        UsageError: A key is unknown or missing, a value has the wrong type.
    """
    built: Settings = _Builder([(where, OmegaConf.create(dict(values)))], []).build(cls, values, "")
    return built


def read_yaml(path: Path) -> DictConfig:
    """One YAML mapping.

    Raises:
        UsageError: It is missing, not YAML, or not a mapping.
    """
    try:
        config = OmegaConf.load(path)
    except FileNotFoundError:
        raise UsageError(
            "this configuration file does not exist", where=str(path), fix="the shipped ones are below nemo_configs/"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read this configuration file: {error}", where=str(path)) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        what = f"not valid YAML: {getattr(error, 'problem', None) or error}"
        raise UsageError(what, where=where, fix="check indentation, colons and quotes on that line") from error
    if not isinstance(config, DictConfig):
        raise UsageError(
            "a configuration file holds `key: value` lines; this one holds a list",
            where=str(path),
            fix="put the list under a key, e.g. `sources:`",
        )
    return config


def _apply(config: Any, override: str) -> str:
    """Apply one `key=value`; returns the key."""
    key, equals, text = override.removeprefix("++").partition("=")
    if not equals or not key:
        raise UsageError(
            f"cannot read the override {override!r}",
            where="command line",
            fix="write key=value, e.g. output_dir=runs/demo/data",
        )
    try:
        given: Any = OmegaConf.to_container(OmegaConf.from_dotlist([f"value={text}"]))
        OmegaConf.update(config, key, given["value"], merge=True, force_add=True)
    except (yaml.YAMLError, OmegaConfBaseException, TypeError, ValueError, IndexError, AssertionError) as error:
        raise UsageError(
            f"cannot apply the override {override!r}: {str(error).splitlines()[0]}",
            where="command line",
            fix="key is a path such as tokenizer.vocab_size or sources.0.path; quote values with spaces or commas",
        ) from error
    return key


@dataclass(frozen=True)
class _Builder:
    """Builds dataclasses and knows where each value came from."""

    parts: Sequence[tuple[str, DictConfig]]
    override_keys: Sequence[str]

    def build(self, kind: Any, value: Any, key: str) -> Any:
        """`value` as an instance of the annotation `kind`; `key` is its path for messages."""
        if value == "???":
            raise self._missing(key)
        origin = get_origin(kind)
        if origin in (Union, types.UnionType):
            return self._build_optional(kind, value, key)
        if is_dataclass(kind):
            return self._build_dataclass(kind, value, key)
        if origin is Literal:
            return self._build_choice(get_args(kind), value, key)
        if origin is tuple:
            items = self._expect(list, "a list", value, key)
            return tuple(self.build(get_args(kind)[0], item, f"{key}.{i}") for i, item in enumerate(items))
        if origin in (dict, Mapping):
            items = self._expect(dict, "a mapping", value, key)
            return {name: self.build(get_args(kind)[1], item, f"{key}.{name}") for name, item in items.items()}
        return self._build_scalar(kind, value, key)

    def _build_optional(self, kind: Any, value: Any, key: str) -> Any:
        if value is None:
            return None
        (inner,) = (part for part in get_args(kind) if part is not type(None))
        return self.build(inner, value, key)

    def _build_dataclass(self, kind: Any, value: Any, key: str) -> Any:
        given = self._expect(dict, "a mapping", value, key)
        known = {field.name: field for field in fields(kind)}
        for name in given:
            if name not in known:
                raise self._unknown(_join(key, str(name)), str(name), list(known))
        for name, field in known.items():
            if name not in given and field.default is MISSING and field.default_factory is MISSING:
                raise self._missing(_join(key, name))
        hints = get_type_hints(kind)
        values = {name: self.build(hints[name], given[name], _join(key, name)) for name in given}
        try:
            return kind(**values)
        except ValueError as error:
            what, _, fix = str(error).partition("\n")
            raise UsageError(what, where=self._where(key), fix=fix) from error

    def _build_choice(self, choices: tuple[Any, ...], value: Any, key: str) -> Any:
        if value in choices:
            return value
        close = difflib.get_close_matches(str(value), [str(choice) for choice in choices], n=1)
        raise UsageError(
            f"{value!r} is not one of {', '.join(map(str, choices))}",
            where=self._where(key),
            fix=f"did you mean {close[0]!r}?" if close else f"{key}={choices[0]}",
        )

    def _build_scalar(self, kind: Any, value: Any, key: str) -> Any:
        if kind is Path:
            return Path(self._expect(str, _NAMES[Path], value, key))
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if kind in (int, float) and isinstance(value, bool):
            raise self._wrong_type(_NAMES[kind], value, key)
        return self._expect(kind, _NAMES[kind], value, key)

    def _expect(self, kind: type[Any], name: str, value: Any, key: str) -> Any:
        if isinstance(value, kind):
            return value
        raise self._wrong_type(name, value, key)

    def _wrong_type(self, name: str, value: Any, key: str) -> UsageError:
        quotable = name in (_NAMES[str], _NAMES[Path]) and isinstance(value, int | float)
        fix = f'put it in quotes: "{value}"' if quotable else f"give {name}"
        return UsageError(f"expected {name}, found {value!r}", where=self._where(key), fix=fix)

    def _unknown(self, key: str, name: str, known: list[str]) -> UsageError:
        close = difflib.get_close_matches(name, known, n=1)
        lines = [f"did you mean {close[0]!r}?"] if close else []
        return UsageError(
            f"unknown key {name!r}",
            where=self._where(key),
            why="a misspelt setting would silently keep its default",
            fix="\n".join([*lines, f"known keys here: {', '.join(sorted(known))}"]),
        )

    def _missing(self, key: str) -> UsageError:
        files = ", ".join(name for name, _ in self.parts) or "no configuration file"
        return UsageError(
            f"no value for {key}",
            where=f"{key} in {files}",
            fix=f"add it to the file, or {key}=VALUE on the command line",
        )

    def _where(self, key: str) -> str:
        """Key path and the last file or override that touched it."""
        if not key:
            return ", ".join(name for name, _ in self.parts)
        if any(key == given or key.startswith(f"{given}.") for given in self.override_keys):
            return f"{key} on the command line"
        for name, part in reversed(self.parts):
            if _holds(part, key):
                return f"{key} in {name}"
        return key


def _holds(part: DictConfig, key: str) -> bool:
    node: Any = OmegaConf.to_container(part)
    for step in key.split("."):
        if isinstance(node, dict) and step in node:
            node = node[step]
        elif isinstance(node, list) and step.isdigit() and int(step) < len(node):
            node = node[int(step)]
        else:
            return False
    return True


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name
