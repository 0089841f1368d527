"""What model a checkpoint folder is of: the run around it says so, or the user does.

Looked for in this order, each of them written by NeMo or by us: `model_config=`; model_config.yaml in the folder (a
.nemo unpacked); the run's final .nemo beside it; the run's record (pretraining's config describes its model whole);
the .nemo that the run started from (fine-tuning keeps the architecture).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from data_prep.errors import DataError, UsageError
from recipes import nemo_file, run_record
from recipes.checkpoints import UNFINISHED

START_KEYS = (("model", "restore_from_path"), ("pretrained_checkpoint", "restore_from_path"))
"""Where the configs of cpt, sft and dpo name the checkpoint they start from."""


def require_finished(checkpoint: Path) -> None:
    """Raises for a checkpoint that NeMo was writing, or removing, when it was stopped.

    Raises:
        DataError: NeMo's marker lies beside it.
    """
    if checkpoint.with_name(checkpoint.name + UNFINISHED).exists():
        raise DataError(
            "this checkpoint was not finished when its run stopped",
            where=str(checkpoint),
            why="tensors may be missing or cut off",
            fix=f"give another one: ls {checkpoint.parent}",
        )


Found = tuple[Mapping[str, Any], Path | None]
"""NeMo's `model` section, and the .nemo it came out of, if it did."""


def find_model_config(checkpoint: Path, given: Path | None) -> Found:
    """NeMo's `model` section of a checkpoint folder.

    Args:
        checkpoint: The folder.
        given: `model_config=`: a YAML with the section, alone or under `model:`.

    Raises:
        UsageError: The file given is none, or nothing is found.
    """
    for path in (given, checkpoint / nemo_file.MODEL_CONFIG):
        if path is not None and (path == given or path.is_file()):
            return _read_yaml(path), None
    for path in sorted(checkpoint.parent.glob("*.nemo")):
        return plain(nemo_file.read_model_config(path, "model")), path
    if found := _from_record(checkpoint.parent.parent):
        return found
    raise UsageError(
        "nothing says what model this checkpoint is of",
        where=str(checkpoint),
        why="looked for model_config.yaml in it, a .nemo beside it, record/run.json in the run folder and the .nemo "
        "the run started from",
        fix="model_config=YAML with NeMo's model section, such as the model_config.yaml inside a .nemo of this model",
    )


def _from_record(run: Path) -> Found | None:
    record = run_record.read(run)
    if record is None:
        return None
    section = record.config.get("model") or {}
    if "num_layers" in section:
        return section, None
    starts = [(record.config.get(outer) or {}).get(inner) for outer, inner in START_KEYS]
    for start in filter(None, starts):
        if Path(start).is_file():
            return plain(nemo_file.read_model_config(Path(start), "model")), Path(start)
    return None


def _read_yaml(path: Path) -> Mapping[str, Any]:
    try:
        loaded: Any = OmegaConf.create(path.read_text(encoding="utf-8"))
        section = loaded.get("model", loaded)
        if "num_layers" in section:
            return plain(section)
        problem = "it has no num_layers"
    except (OSError, yaml.YAMLError, OmegaConfBaseException, AttributeError) as error:
        problem = str(error)
    raise UsageError(
        f"this is not a YAML file with NeMo's model section: {problem}",
        where=f"model_config={path}",
        fix="model_config=PATH of the model_config.yaml inside a .nemo of this model, or of the run's resolved config",
    )


def plain(config: Any) -> Mapping[str, Any]:
    """A config without interpolations; OmegaConf has read it, since PyYAML takes 1e-5 for a text."""
    found: Mapping[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    return found
