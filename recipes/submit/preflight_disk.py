"""Whether what a job reads and writes lies where its nodes see it, and whether what it writes fits."""

import os
import re
import socket
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from data_prep.errors import LangadaptError
from recipes.submit.runtime import WHERE, Mount

GIB = 2**30

# File systems that every node mounts, by what /proc/self/mountinfo calls them.
SHARED = re.compile(r"nfs4?|lustre|gpfs|beegfs|ceph|cifs|smb3|afs|9p|virtiofs|pvfs2|panfs|wekafs|vastnfs|fuse\..+")
MEMORY = ("tmpfs", "ramfs", "devtmpfs")
NODE_LOCAL = ("/tmp", "/var/tmp", "/dev/shm", "/run")  # noqa: S108  refused, not used


class Unusable(LangadaptError):
    """A path or a disk on which the job would fail."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """Room on a file system; `inodes` is None where it makes them as it needs them."""

    free: int
    inodes: int | None


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(each for each in (path, *path.parents) if each.exists())


def file_system(path: Path, mounts: str) -> tuple[str, str]:
    """Mount point and type of the file system a path lies on.

    Args:
        path: Absolute, without links.
        mounts: /proc/self/mountinfo: `id parent major:minor root POINT options ... - TYPE source options`.
    """
    found = ("/", "unknown")
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = before.split()[4].replace("\\040", " ")
        if path.is_relative_to(point) and len(point) >= len(found[0]):
            found = (point, after.split()[0])
    return found


def is_one_machine() -> bool:
    """Whether every node of the cluster is this machine: then all paths are theirs.

    Raises:
        Unusable: The controller does not answer.
    """
    command = ["scontrol", "show", "node", "--oneliner"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return False
    if done.returncode:
        raise Unusable(
            f"scontrol does not answer: {' '.join(done.stderr.split())}",
            where=" ".join(command),
            why="whether the nodes see the job's paths was not looked at",
            fix="try again when the controller answers (scontrol ping)",
        )
    hosts = set(re.findall(r"NodeHostName=(\S+)", done.stdout))
    return hosts == {socket.gethostname().partition(".")[0]}


def unshared(paths: Iterable[Path], mounts: str) -> Iterator[LangadaptError | str]:
    """Paths no other node can see; those of which it cannot be told come in one line."""
    untold = []
    for path in dict.fromkeys(paths):
        real = existing(path.absolute()).resolve()
        point, kind = file_system(real, mounts)
        if SHARED.fullmatch(kind):
            continue
        if kind in MEMORY or any(real.is_relative_to(local) for local in NODE_LOCAL):
            yield Unusable(
                f"{path} lies on this machine alone",
                where=f"{kind} at {point}",
                why="the job's nodes have other files, or none, under this path",
                fix=f"put it on a file system all nodes mount (df -T {Path.home()}) and name it there",
            )
        else:
            untold.append(f"{path} ({kind} at {point})")
    if untold:
        yield (
            "whether all nodes see these paths cannot be told from here; the check in the job finds out for the run "
            f"folder: {', '.join(untold)}"
        )


def uncovered(paths: Iterable[Path], mounts: list[Mount]) -> Iterator[LangadaptError]:
    """Paths that are not found inside the container."""
    missing = [path for path in dict.fromkeys(path.absolute() for path in paths) if not _is_inside(path, mounts)]
    if missing:
        folders = dict.fromkeys(str(path if path.is_dir() else path.parent) for path in missing)
        yield Unusable(
            f"not mounted in the container: {', '.join(map(str, missing))}",
            where=f"{WHERE}.mounts",
            why="inside, these paths do not exist",
            fix=f"{WHERE}.mounts=[{','.join(dict.fromkeys([*map(str, mounts), *folders]))}]",
        )


def _is_inside(path: Path, mounts: list[Mount]) -> bool:
    return any(mount.covers(path) for mount in mounts)


def space(path: Path) -> Space:
    """Room where a path will lie."""
    status = os.statvfs(existing(path))
    return Space(free=status.f_bavail * status.f_frsize, inodes=status.f_favail if status.f_files else None)


def used(folder: Path) -> int:
    """Bytes of the checkpoints a run folder holds: a run that goes on has written them already."""
    return sum(path.stat().st_size for path in (folder / "checkpoints").rglob("*") if path.is_file())


def files_written(checkpoints: int, ranks: int) -> int:
    """Files of a run: torch's distributed checkpoints hold two a rank and about four more, logs three a rank."""
    return checkpoints * (2 * ranks + 4) + 3 * ranks + 100


def shortage(path: Path, room: Space, needed: float, files: int) -> Iterator[LangadaptError]:
    """What does not fit where a run writes."""
    if room.free < needed:
        yield Unusable(
            f"the run writes up to {needed / GIB:.1f} GiB, {room.free / GIB:.1f} GiB are free",
            where=str(path),
            why="the checkpoint that does not fit ends the run",
            fix="make room, another exp_manager.explicit_log_dir,\n"
            "or fewer checkpoints: exp_manager.checkpoint_callback_params.save_top_k=1",
        )
    if room.inodes is not None and room.inodes < files:
        yield Unusable(
            f"the run writes about {files:,} files, {room.inodes:,} inodes are free",
            where=str(path),
            why="a file system without inodes is full, whatever room it has",
            fix="remove files (df -i), or another exp_manager.explicit_log_dir",
        )
