"""Writes a release: whole or not there, copied in the kernel where it can, with checksums of what was written."""

import errno
import os
import shutil
from pathlib import Path

from data_prep.errors import DataError, UsageError
from data_prep.files import full_disk_named, publish_folder, sha256_file
from recipes.release.contents import Contents

SUMS = "SHA256SUMS"
_NOT_IN_KERNEL = (errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM)
_CHUNK = 1 << 30


def sums(contents: Contents, known: dict[str, str]) -> dict[str, str]:
    """SHA-256 of every file by name, `known` ones not computed again."""
    import hashlib

    return {
        name: hashlib.sha256(contents.texts[name]).hexdigest()
        if name in contents.texts
        else known.get(name) or sha256_file(contents.copies[name])
        for name in contents.names
    }


def sums_text(checksums: dict[str, str]) -> str:
    """What `sha256sum --check` reads."""
    return "".join(f"{checksum}  {name}\n" for name, checksum in sorted(checksums.items()))


def read_sums(folder: Path) -> dict[str, str] | None:
    """The checksums a release lists; None where it lists none."""
    path = folder / SUMS
    if not path.is_file():
        return None
    pairs = [line.split("  ", 1) for line in path.read_text(encoding="utf-8").splitlines()]
    return {name: checksum for checksum, name in (pair for pair in pairs if len(pair) == 2)}


def is_untouched(folder: Path) -> bool:
    """Whether a folder is a release and holds exactly what its checksums say."""
    listed = read_sums(folder)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {SUMS}
    return (
        listed is not None
        and files == listed.keys()
        and all(sha256_file(folder / name) == checksum for name, checksum in listed.items())
    )


def refuse_foreign(folder: Path) -> None:
    """Raises UsageError where something would be lost that is no release, or is one somebody has worked on."""
    if folder.exists() and not is_untouched(folder):
        raise UsageError(
            "the folder exists and is no release, or one that was changed after it was made",
            where=str(folder),
            why="what is in it would be lost",
            fix=f"--out {folder}-2\nor remove {folder}",
        )


def write(folder: Path, contents: Contents, checksums: dict[str, str]) -> None:
    """Fills a hidden folder, checks every copy, and gives it its name; an earlier release makes room.

    Raises:
        DataError: A file changed while it was copied.
        LangadaptError: The disk is full.
    """
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        with full_disk_named(folder):
            _fill(unfinished, contents, checksums)
        publish_folder(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _fill(folder: Path, contents: Contents, checksums: dict[str, str]) -> None:
    folder.mkdir(parents=True)
    for name, source in contents.copies.items():
        copy(source, folder / name)
        if sha256_file(folder / name) != checksums[name]:
            raise DataError(
                "the copy is not what was checked",
                where=str(source),
                why="the file changed meanwhile, or the disk is at fault",
                fix="run the same command again when nothing writes into the model's folder",
            )
    for name, text in {**contents.texts, SUMS: sums_text(checksums).encode()}.items():
        (folder / name).write_bytes(text)
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def copy(source: Path, target: Path) -> None:
    """Copies in the kernel, by reference where the file system shares blocks (XFS, Btrfs).

    A copy, not a hard link: who edits a file of the release must not edit the run's.
    """
    with source.open("rb") as reader, target.open("wb") as writer:
        left = os.fstat(reader.fileno()).st_size
        try:
            while left and (done := os.copy_file_range(reader.fileno(), writer.fileno(), min(left, _CHUNK))):
                left -= done
        except OSError as error:
            if error.errno not in _NOT_IN_KERNEL:
                raise
            print(f"release: the kernel does not copy between these file systems ({error.strerror}); "
                  "bytes go through memory", flush=True)  # fmt: skip
    if left:
        shutil.copyfile(source, target)
