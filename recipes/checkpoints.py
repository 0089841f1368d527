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
LAST = "-last"
DIVERGED = "diverged"


def final_model(config: DictConfig) -> Path:
    """The .nemo a run leaves at its end."""
    return Path(config.exp_manager.explicit_log_dir) / "checkpoints" / f"{config.exp_manager.name}.nemo"


def tidy(folder: Path) -> list[str]:
    """Leaves one finished `-last` checkpoint, the newest there is, and no early final model.

    Returns:
        One sentence for each checkpoint removed or renamed, to be printed.
    """
    checkpoints = folder / "checkpoints"
    done = []
    for marker in sorted(checkpoints.glob(f"*{UNFINISHED}")):
        _remove(checkpoints / marker.name.removesuffix(UNFINISHED))
        marker.unlink()
        done.append(f"removed {marker.name.removesuffix(UNFINISHED)}: it was not finished when the run stopped")
    done += _make_newest_the_last(folder)
    for path in sorted(checkpoints.glob(f"*{LAST}"), key=step_of)[:-1]:
        _remove(path)
        done.append(f"removed {path.name}: a newer last checkpoint exists")
    for path in sorted(checkpoints.glob("*.nemo")):  # a kill while it is written leaves a part under its final name
        _remove(path)
        done.append(f"removed {path.name}: the run had not ended when it stopped, its end writes a new one")
    return done


def _make_newest_the_last(folder: Path) -> list[str]:
    """Renames a checkpoint newer than every `-last` one: NeMo resumes from those alone, and writes them second."""
    latest = max(_finished(folder), key=lambda path: (step_of(path), path.name.endswith(LAST)), default=None)
    if latest is None or latest.name.endswith(LAST) or not _holds_optimizer(latest):
        return []
    latest.rename(latest.with_name(latest.name + LAST))
    return [f"renamed {latest.name} to {latest.name}{LAST}: the run goes on from it, the newest that is finished"]


def _holds_optimizer(checkpoint: Path) -> bool:
    """Whether a run can go on from it: save_last_n_optim_states takes that away from older ones."""
    keys = checkpoint / ".metadata"  # a pickle of torch's distributed checkpoints; names of tensors are plain text
    return keys.is_file() and b"optimizer." in keys.read_bytes()


def newest(folder: Path) -> Path | None:
    """The newest finished checkpoint."""
    return max(_finished(folder), key=step_of, default=None)


def set_aside(folder: Path, step: int) -> list[Path]:
    """Moves the checkpoints from a step on out of the way, so that the next start goes on from an earlier one.

    Returns:
        Where they are now.
    """
    bad = sorted(path for path in _finished(folder) if step_of(path) >= step)
    target = folder / DIVERGED
    if bad:
        target.mkdir(exist_ok=True)
    return [_move(path, target) for path in bad]


def _move(path: Path, folder: Path) -> Path:
    """Moves a checkpoint into a folder, over one of the same name that an earlier attempt left there."""
    target = folder / path.name
    _remove(target)
    return path.rename(target)


def _finished(folder: Path) -> list[Path]:
    """Checkpoints of a run folder that no marker calls unfinished."""
    saved = [path for path in (folder / "checkpoints").glob("*step=*") if path.is_dir()]
    return [path for path in saved if not path.with_name(path.name + UNFINISHED).exists()]


def last(folder: Path) -> tuple[int, Path] | None:
    """Step and path of the newest finished `-last` checkpoint of a run folder; a resume starts from it."""
    return max(((step_of(path), path) for path in _finished(folder) if path.name.endswith(LAST)), default=None)


def step_of(path: Path) -> int:
    """The step in a checkpoint's name."""
    found = re.search(r"step=(\d+)", path.name)
    return int(found.group(1)) if found else -1


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
