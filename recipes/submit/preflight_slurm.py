"""Whether Slurm knows the partition and the account a job names, and whether its image is there."""

import getpass
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from data_prep.errors import LangadaptError, UsageError
from recipes.submit.kinds import Work
from recipes.submit.runtime import WHERE, is_file_image
from recipes.submit.site import Site


def answer(*command: str) -> list[str] | None:
    """Words a command of Slurm prints; None where it is not there or does not answer."""
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.split() if done.returncode == 0 else None


def partitions(site: Site, work: Work) -> Iterator[LangadaptError | str]:
    """Partitions that do not exist; too few nodes in the one the job goes to."""
    rows = answer("sinfo", "--noheader", "--format=%R,%D")
    if rows is None:
        yield "partitions were not looked at: sinfo does not answer here"
        return
    sizes: dict[str, int] = {}
    for name, count in (row.rsplit(",", 1) for row in rows):
        sizes[name] = sizes.get(name, 0) + int(count)
    for key, names in (("partition", site.partition), ("cpu_partition", site.cpu_partition)):
        if unknown := [name for name in names.split(",") if name and name not in sizes]:
            yield UsageError(
                f"no partition {', '.join(unknown)}",
                where=f"cluster.slurm.{key}",
                fix=f"cluster.slurm.{key}= one of {', '.join(sorted(sizes))}",
            )
    used = site.partition if work.gpus_per_node or not site.cpu_partition else site.cpu_partition
    largest = max((name for name in used.split(",") if name in sizes), key=lambda name: sizes[name], default="")
    if largest and sizes[largest] < work.nodes:
        yield UsageError(
            f"partition {largest} has {sizes[largest]} nodes, the job wants {work.nodes}",
            where="trainer.num_nodes",
            why="it would wait for ever",
            fix=f"trainer.num_nodes={sizes[largest]}\nor another cluster.slurm.partition",
        )


def account(name: str) -> Iterator[LangadaptError | str]:
    """An account this user may not charge."""
    if not name:
        return
    query = ("show", "associations", f"user={getpass.getuser()}", "format=account")
    known = answer("sacctmgr", "--noheader", "--parsable2", *query)
    if known is None:
        yield f"account {name} was not looked at: sacctmgr does not answer here"
    elif name not in known:
        yield UsageError(
            f"account {name} is none of yours",
            where="cluster.slurm.account",
            fix=f"cluster.slurm.account= one of {', '.join(sorted(set(known))) or 'none: ask the site for one'}",
        )


def image(site: Site) -> Iterator[LangadaptError]:
    """A file image that is not there; one of a registry is fetched by the nodes."""
    name = site.container.image
    if name and is_file_image(name) and not (path := Path(name).expanduser().absolute()).exists():
        build = "apptainer build" if path.suffix == ".sif" else "enroot import -o"
        yield UsageError(
            f"no image {path}",
            where=f"{WHERE}.image",
            fix=f"{build} {path} docker://REGISTRY/NAME:TAG (launchers/container/README.md)",
        )
