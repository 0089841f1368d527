"""A run folder's checkpoints, and what a kill leaves of them: what NeMo 2.1.0 refuses to resume from is put in order.

NeMo marks a checkpoint it is writing, or removing, with a file `NAME-unfinished` beside the folder `NAME`. Killed in
the first checkpoint, or between writing a new `-last` and removing the old one, it stops at the next start with a
ValueError (nemo/utils/exp_manager.py, check_resume).
"""

import re
import shutil
from pathlib import Path

from omegaconf import DictConfig

UNFINISHED = "-unfinished"


def final_model(config: DictConfig) -> Path:
    """The .nemo a run leaves at its end."""
    return Path(config.exp_manager.explicit_log_dir) / "checkpoints" / f"{config.exp_manager.name}.nemo"


def tidy(folder: Path) -> list[str]:
    """Removes unfinished checkpoints, of several finished `-last` ones all but the newest, and an early final model.

    Returns:
        One sentence for each checkpoint removed, to be printed.
    """
    checkpoints = folder / "checkpoints"
    removed = []
    for marker in sorted(checkpoints.glob(f"*{UNFINISHED}")):
        _remove(checkpoints / marker.name.removesuffix(UNFINISHED))
        marker.unlink()
        removed.append(f"removed {marker.name.removesuffix(UNFINISHED)}: it was not finished when the run stopped")
    for path in sorted(checkpoints.glob("*-last"), key=_step)[:-1]:
        _remove(path)
        removed.append(f"removed {path.name}: a newer last checkpoint exists")
    for path in sorted(checkpoints.glob("*.nemo")):  # a kill while it is written leaves a part under its final name
        _remove(path)
        removed.append(f"removed {path.name}: the run had not ended when it stopped, its end writes a new one")
    return removed


def last(folder: Path) -> tuple[int, Path] | None:
    """Step and path of the newest finished `-last` checkpoint of a run folder; a resume starts from it."""
    saved = (folder / "checkpoints").glob("*-last")
    finished = [path for path in saved if not path.with_name(path.name + UNFINISHED).exists()]
    return max(((_step(path), path) for path in finished), default=None)


def _step(path: Path) -> int:
    """The step in a checkpoint's name."""
    found = re.search(r"step=(\d+)", path.name)
    return int(found.group(1)) if found else -1


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
