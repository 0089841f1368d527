"""Keys a job needs and nobody else may read: from the environment or a file, through a private file, into the job.

sbatch would keep what it inherits: in the controller's state and, where a site stores `job_env`, in the accounting
database. So no key is in sbatch's environment: keys lie in one file of mode 600 below the home folder, and the job
script, which holds its path alone, reads it. Kept until the run is done: a requeued job reads it again.
"""

import contextlib
import hashlib
import os
import re
import shlex
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from data_prep.errors import UsageError
from data_prep.files import atomic_write

FILE_VARIABLE = "LANGADAPT_SECRETS"
"""Names a file of NAME=value lines."""

NAMES = ("WANDB_API_KEY", "HF_TOKEN")
"""Taken from the environment beside the names a config gives (`translate.engine.endpoint.key_variable`)."""

_SUSPICIOUS = re.compile(r"(^|_)(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS)$")
_SHORTEST = 8  # characters of a value that is looked for in a text: "1" or "true" would be found anywhere


@dataclass(frozen=True, kw_only=True)
class Handed:
    """Keys handed to a job.

    Attributes:
        path: The private file the job reads.
        values: By name; never printed, not even by `repr`.
    """

    path: Path
    values: Mapping[str, str] = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """For `--container-env`, `docker --env` and messages."""
        return tuple(sorted(self.values))

    def script_lines(self) -> str:
        """Lines of the job script, before any step: the ranks inherit what they export."""
        path = shlex.quote(str(self.path))
        return (
            f"# Keys ({', '.join(self.names)}) from a file that only you can read; never printed.\n"
            f"export {FILE_VARIABLE}={path}\n"
            f"[ -r {path} ] || {{ echo the keys of this run are gone, submit it again: {path} >&2; exit 1; }}\n"
            f'while IFS= read -r line; do export "${{line?}}"; done <{path}\n'
        )

    def refuse_in(self, text: str, where: str) -> None:
        """Refuses a script, a config or a record that holds one of the keys.

        Raises:
            UsageError: It does; the message holds the key's name alone.
        """
        found = [name for name, value in self.values.items() if len(value) >= _SHORTEST and value in text]
        if found:
            raise UsageError(
                f"the value of {' and '.join(found)} would be written into {where}",
                where=where,
                why="everyone who can read the run folder could use it",
                fix=f"take it out of the command line and the YAML files; {found[0]} reaches the job by itself",
            )


def hand_over(run_folder: Path, also: tuple[str, ...] = ()) -> Handed | None:
    """Puts the keys of a run into its private file; None where there are none.

    Args:
        run_folder: Gives the file its name: one file a run, replaced at every submit.
        also: Names of further variables, such as a config's `key_variable`.

    Raises:
        UsageError: A file of keys is open to others, or holds anything but NAME=value lines.
    """
    values = collect(also)
    if not values:
        return None
    path = private_path(run_folder)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with atomic_write(path) as file:
        Path(file.name).chmod(0o600)
        file.write("".join(f"{name}={value}\n" for name, value in sorted(values.items())).encode())
    return Handed(path=path, values=values)


def collect(also: tuple[str, ...] = ()) -> dict[str, str]:
    """Keys in the file that LANGADAPT_SECRETS names, and over them those in the environment.

    Raises:
        UsageError: As `hand_over`.
    """
    file = os.environ.get(FILE_VARIABLE)
    values = read(Path(file).expanduser()) if file else {}
    for name in (*NAMES, *also):
        if value := os.environ.get(name, "").strip():
            values[name] = value
    if many := [name for name, value in values.items() if "\n" in value]:
        raise UsageError(f"{many[0]} is more than one line", where="environment", fix=f"export {many[0]}=VALUE")
    return values


def kept(run_folder: Path) -> Handed | None:
    """Those of a run that are in its private file."""
    path = private_path(run_folder)
    return Handed(path=path, values=read(path)) if path.exists() else None


def forget(run_folder: Path) -> None:
    """Removes the private file of a run that is done."""
    private_path(run_folder).unlink(missing_ok=True)


def private_path(run_folder: Path) -> Path:
    """Where the keys of a run lie: in the home folder, which all nodes of a cluster share."""
    base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    digest = hashlib.sha256(str(run_folder.resolve()).encode()).hexdigest()[:16]
    return base / "langadapt" / "secrets" / f"{digest}.env"


def without(environment: Mapping[str, str], handed: Handed | None) -> dict[str, str]:
    """The environment sbatch is started with: no key, and not the name of the file of keys."""
    keys = {FILE_VARIABLE, *(handed.names if handed else ())}
    return {name: value for name, value in environment.items() if name not in keys}


@contextlib.contextmanager
def hidden(handed: Handed | None) -> Iterator[None]:
    """Takes the keys out of this process's environment while other people's code starts sbatch."""
    before = dict(os.environ)
    left = without(before, handed)
    for name in before.keys() - left.keys():
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(before)


def read(path: Path) -> dict[str, str]:
    """The keys in a file of NAME=value lines; blank lines and # comments are passed over.

    Raises:
        UsageError: It is missing, open to others, or malformed; the message holds no value.
    """
    if not path.is_file():
        raise UsageError(
            f"no file of keys {path}", where=FILE_VARIABLE, fix=f"unset {FILE_VARIABLE}, or name an existing file"
        )
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise UsageError(
            f"the file of keys is open to others: its mode is {mode:03o}",
            where=str(path),
            why="everyone on this machine could use the keys",
            fix=f"chmod 600 {shlex.quote(str(path))}",
        )
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
    return dict(_pair(line, f"{path}:{number}") for number, line in lines if line.strip() and line[0] != "#")


def _pair(line: str, where: str) -> tuple[str, str]:
    name, equals, value = line.partition("=")
    name, value = name.removeprefix("export ").strip(), value.strip().strip("'\"")
    if not equals or not value or not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
        raise UsageError("a line of the file of keys is not NAME=value", where=where, fix="WANDB_API_KEY=VALUE")
    return name, value


def refuse_in_settings(environment: Mapping[str, str], where: str) -> None:
    """Refuses keys among the variables of a site file: they would stand in the job script.

    Args:
        environment: Variables by name.
        where: Of the setting, for the error.

    Raises:
        UsageError: A variable has the name of a key.
    """
    found = [name for name in environment if _SUSPICIOUS.search(name.upper())]
    if found:
        raise UsageError(
            f"{', '.join(found)} among the variables of a site file",
            where=f"{where}.{found[0]}",
            why="they are written into the job script, which others can read",
            fix=f"remove it and export {found[0]} in the shell that submits, or put it into a file of mode 600: "
            f"{FILE_VARIABLE}=FILE",
        )
