"""Training configurations: upstream's YAML in, one complete and checked DictConfig out.

    cfg = load([Path("nemo_configs/cpt/tiny.yaml"), Path("runs/blend/cpt.yaml")],
               ["exp_manager.explicit_log_dir=runs/cpt", "trainer.max_steps=20"], "pretrain")

The first file is composed by Hydra, as upstream's mains do it (its `defaults:` list may pull any file of
`nemo_configs`); further files are laid over it in order, then the overrides. No key that upstream does not read is
let through, and no mandatory value is left open.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from data_prep import receipts
from data_prep.errors import UsageError
from recipes.known_keys import KnownKeys, Schema, known_keys, unknown_key_error
from recipes.overrides import Override, parse
from recipes.required_keys import require_values

NEMO_CONFIGS = Path(__file__).resolve().parent.parent / "nemo_configs"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A YAML file that contributed to a configuration, and the section its keys went into ("" for the root)."""

    path: Path
    package: str


def load(configs: list[Path], overrides: list[str], schema: Schema, *, may_be_open: Collection[str] = ()) -> DictConfig:
    """One complete configuration for an upstream main.

    Args:
        configs: YAML files; the first is composed by Hydra, the others are laid over it in order.
        overrides: `key=value`, `+key=value`, `++key=value` or `~key`, in Hydra's grammar. A key that upstream reads
            needs no `+`, whether or not a file sets it.
        schema: Which of upstream's mains the configuration is for.
        may_be_open: Keys whose value may be missing; they become null.

    Returns:
        The configuration with every interpolation resolved, so that what is saved is what ran; closed to new keys
        (struct mode), as Hydra hands it to upstream's mains.

    Raises:
        UsageError: A file is missing or no YAML mapping, a key is unknown, a value is left open, or an override
            cannot be read.
    """
    if not configs:
        raise UsageError(
            f"no configuration file for {schema}",
            fix="name one, such as nemo_configs/cpt/tiny.yaml",
            where="command line",
        )
    _register_resolvers()
    known = known_keys(schema)
    for path in configs:
        _key_lines(path)
    cfg, sources = _compose(configs[0])
    for source in sources:
        _refuse_unknown(source, known, schema)
    for path in configs[1:]:
        _refuse_unknown(Source(path=path, package=""), known, schema, fragment=True)
        cfg = _lay_over(cfg, path)
    _apply(cfg, overrides, known, schema)
    for key in may_be_open:
        if OmegaConf.is_missing(*_parent(cfg, key)):
            OmegaConf.update(cfg, key, None)
    require_values(cfg, configs, schema, may_be_open)
    return _resolved(cfg, configs)


def schema_of(path: Path) -> Schema:
    """Which of upstream's mains a configuration file is for: Aligner's trainers have a section each.

    Raises:
        UsageError: It is missing, or cannot be composed.
    """
    _register_resolvers()
    _key_lines(path)
    trainer = OmegaConf.select(_compose(path)[0], "trainer") or {}
    return "sft" if "sft" in trainer else "dpo" if "dpo" in trainer else "pretrain"


def as_yaml(cfg: DictConfig) -> str:
    """The configuration as YAML text, in the order of its files."""
    return OmegaConf.to_yaml(cfg, resolve=True)


def config_hash(cfg: DictConfig) -> str:
    """SHA-256 of the configuration's canonical JSON: equal for equal values, whatever the order of their keys."""
    container = cast("dict[str, Any]", OmegaConf.to_container(cfg, resolve=True))
    return receipts.config_hash(container)


def _parent(cfg: DictConfig, key: str) -> tuple[Any, str]:
    """The section that holds a dotted key, and its name there."""
    section, _, name = key.rpartition(".")
    found = OmegaConf.select(cfg, section) if section else cfg
    return (found if OmegaConf.is_dict(found) else OmegaConf.create({})), name


def _register_resolvers() -> None:
    """The functions upstream's YAML files call (nemo/core/config/hydra_runner.py, examples/nlp/gpt/train_gpt_*.py)."""
    OmegaConf.register_new_resolver("multiply", lambda x, y: x * y, replace=True)
    OmegaConf.register_new_resolver("sum", lambda x, y: x + y, replace=True)
    OmegaConf.register_new_resolver("int_div", lambda x, y: x // y, replace=True)


def _compose(path: Path) -> tuple[DictConfig, list[Source]]:
    """What Hydra makes of a file and its `defaults:` list, and the files it read.

    Any file may pull ours (`- /model/tiny@model`), wherever it lies: `nemo_configs` is on the search path.
    """
    folder = path.resolve().parent
    here = str(NEMO_CONFIGS).replace("'", "\\'")
    search = [f"hydra.searchpath=['file://{here}']"]
    try:
        with initialize_config_dir(config_dir=str(folder), version_base="1.3"):
            cfg = compose(path.stem, overrides=search)
            loader = GlobalHydra.instance().config_loader()
            listed = loader.compute_defaults_list(path.stem, search, RunMode.RUN).defaults
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
        raise UsageError(
            f"Hydra cannot compose {path}",
            where=str(error).strip(),
            fix=f"check its `defaults:` list; names resolve in {folder} and in {NEMO_CONFIGS}",
        ) from error
    sources = []
    for item in listed:
        candidates = [base / f"{item.config_path}.yaml" for base in (folder, NEMO_CONFIGS)]
        found = [candidate for candidate in candidates if candidate.is_file()]
        sources += [Source(path=file, package=item.package or "") for file in found[:1]]
    return cfg, sources


def _lay_over(cfg: DictConfig, path: Path) -> DictConfig:
    """The configuration with the values of a further file, whose keys have been checked; a section may be new."""
    OmegaConf.set_struct(cfg, False)
    try:
        with open_dict(cfg):  # its keys are known, but the first file need not hold their section
            return cast("DictConfig", OmegaConf.merge(cfg, OmegaConf.load(path)))
    except (OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be laid over the configuration", where=str(error), fix="correct the file at that place"
        ) from error


def _key_lines(path: Path) -> list[tuple[str, int, bool]]:
    """Dotted key, line and "is a mapping" of every key of a YAML file."""
    if path.suffix != ".yaml" or not path.is_file():
        raise UsageError(
            f"no configuration file {path}",
            where="command line",
            fix="give the path of an existing .yaml file",
        )
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        keys = list(_walk(root, "")) if isinstance(root, yaml.MappingNode) else []
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(
            f"{path} is not YAML in UTF-8", where=str(error), fix="correct the file at that place"
        ) from error
    if not keys:
        raise UsageError(
            f"{path} holds no `key: value` lines", where=f"{path}:1", fix="start from a file of nemo_configs/"
        )
    return keys


def _walk(node: yaml.MappingNode, prefix: str) -> Iterator[tuple[str, int, bool]]:
    for key_node, value in node.value:
        mapping = isinstance(value, yaml.MappingNode)
        if key_node.value == "<<" and mapping:
            yield from _walk(value, prefix)
            continue
        key = f"{prefix}{key_node.value}"
        # A literal "trainer.devices: 2" would be a key of that name to Hydra, which nobody reads.
        yield key if "." not in key_node.value else f"'{key}'", key_node.start_mark.line + 1, mapping
        if mapping:
            yield from _walk(value, f"{key}.")


def _refuse_unknown(source: Source, known: KnownKeys, schema: Schema, *, fragment: bool = False) -> None:
    """Raise for the keys of a file that upstream does not read."""
    unknown = []
    for inner, line, mapping in _key_lines(source.path):
        place = f"{source.path}:{line}"
        if inner.split(".")[0] in {"defaults", "hydra"} and not source.package:
            if fragment:
                raise UsageError(
                    f"`{inner}` in a file that is laid over another",
                    where=place,
                    why="only the first configuration file is composed by Hydra",
                    fix="name this file first, or move its values into one without `defaults:`",
                )
            continue
        key = f"{source.package}.{inner}" if source.package else inner
        if not known.has(key):
            unknown.append((key, place))
        elif not mapping and known.is_section(key):
            raise _section_error(key, place)
    if unknown:
        raise unknown_key_error(unknown, known, schema)


def _section_error(key: str, place: str) -> UsageError:
    return UsageError(
        f"`{key}` is a section of keys, not a value",
        where=place,
        fix=f"set its keys one by one: {key}.KEY=VALUE",
    )


def _apply(cfg: DictConfig, texts: list[str], known: KnownKeys, schema: Schema) -> None:
    """Change `cfg` by overrides, in order; unknown keys of all of them come in one error."""
    overrides = [parse(text) for text in texts]
    unknown = [(key, f"override {item.text}") for item in overrides for key in item.keys if not known.has(key)]
    if unknown:
        raise unknown_key_error(unknown, known, schema)
    for item in overrides:
        if item.delete:
            _delete(cfg, item)
            continue
        is_mapping = isinstance(item.value, dict)
        if known.is_section(item.key) and not is_mapping:
            raise _section_error(item.key, f"override {item.text}")
        merge = is_mapping and OmegaConf.is_dict(OmegaConf.select(cfg, item.key))
        try:
            OmegaConf.update(cfg, item.key, item.value, merge=merge, force_add=True)
        except (OmegaConfBaseException, ValueError) as error:
            raise UsageError(
                f"cannot set `{item.key}`",
                where=f"override {item.text}",
                why=str(error).splitlines()[0],
                fix=f"set the whole of {item.key.rpartition('.')[0]}",
            ) from error


def _delete(cfg: DictConfig, item: Override) -> None:
    parent, _, name = item.key.rpartition(".")
    section = OmegaConf.select(cfg, parent) if parent else cfg
    if not OmegaConf.is_dict(section) or name not in section:
        raise UsageError(
            f"nothing to remove: `{item.key}` is not set", where=f"override {item.text}", fix="leave it out"
        )
    with open_dict(section):
        del section[name]


def _resolved(cfg: DictConfig, configs: list[Path]) -> DictConfig:
    """The configuration with its interpolations replaced by their values."""
    try:
        values = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise UsageError(
            f"the value of `{error.full_key}` cannot be worked out",
            where=f"{' + '.join(map(str, configs))}: {str(error).splitlines()[0]}",
            fix=f"set it: {error.full_key}=VALUE",
        ) from error
    resolved = cast("DictConfig", OmegaConf.create(values))
    OmegaConf.set_struct(resolved, True)
    return resolved
