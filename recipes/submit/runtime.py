"""What the ranks run in: a Python outside any container, or an image under pyxis, Apptainer, Singularity or docker.

pyxis is a plugin of srun: its options go to srun, and never to sbatch, which lacks them at some sites
(Azure/az-hop#1023). The others are programs that stand before the command. What srun starts inside a container finds no
srun or scontrol there (NVIDIA/pyxis#31): addresses are worked out by the job script, outside.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from data_prep.errors import UsageError
from recipes.submit.site import Container

# Variables of Slurm that tell a rank who it is; docker starts with none of the host's, the others hand all on.
SLURM_VARIABLES = (
    "SLURM_JOB_GPUS",
    "SLURM_JOB_ID",
    "SLURM_JOB_NAME",
    "SLURM_JOB_NODELIST",
    "SLURM_LOCALID",
    "SLURM_NNODES",
    "SLURM_NODEID",
    "SLURM_NTASKS",
    "SLURM_NTASKS_PER_NODE",
    "SLURM_PROCID",
    "SLURM_RESTART_COUNT",
    "SLURM_STEP_GPUS",
    "SLURMD_NODENAME",
    "CUDA_VISIBLE_DEVICES",
)
LABEL = "langadapt.run"
WHERE = "cluster.slurm.container"


@dataclass(frozen=True, kw_only=True)
class Step:
    """How a step enters its environment: `srun ... SRUN PREFIX COMMAND`.

    Attributes:
        runtime: none, pyxis, apptainer, singularity or docker.
        srun: Options of srun.
        prefix: Words before the command of every task.
        said: One line: what was chosen, and why.
        cleanup: Command to run once on every node before and after the step; empty where Slurm's own kill reaches
            every process. Those of a docker container belong to its daemon.
    """

    runtime: str
    srun: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    said: str = ""
    cleanup: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A folder of the host as the container sees it."""

    source: Path
    target: Path
    flags: str = ""

    def __str__(self) -> str:
        """As pyxis, Apptainer and docker read it."""
        return ":".join([str(self.source), str(self.target), *([self.flags] if self.flags else [])])

    def covers(self, path: Path) -> bool:
        """Whether a path of the host is found under the same path inside."""
        return self.source == self.target and path.is_relative_to(self.source)


def step(
    container: Container, *, run_folder: Path, folders: Iterable[Path], passed: Iterable[str], on_gpus: bool
) -> Step:
    """How the ranks of a run are started.

    Args:
        container: The section `slurm.container` of a cluster file.
        run_folder: Of the run; docker's containers carry it as a label.
        folders: What a rank must find under the path it has outside: checkout, run folder, data. Mounted unless
            `mounts` holds it already; the first one is where the command starts, unless `workdir` says another.
        passed: Names of variables that count inside whatever the image itself says of them.
        on_gpus: Whether the ranks need the node's GPUs.

    Raises:
        UsageError: The runtime is not there, or the image or a mount cannot be right.
    """
    name, said = choose(container)
    if name == "none":
        return Step(runtime=name, said=said)
    inside = list(folders)
    image, mounts = spelled(container.image, name), all_mounts(container, inside)
    workdir = container.workdir or str(inside[0])
    if name == "pyxis":
        return Step(runtime=name, said=said, srun=_pyxis(image, mounts, workdir, sorted(passed)))
    if name == "docker":
        label = f"{LABEL}={run_folder.resolve()}"
        names = sorted({*passed, *SLURM_VARIABLES})
        words = _docker(mounts, workdir, names, label, on_gpus=on_gpus)
        return Step(runtime=name, said=said, prefix=(*words, image), cleanup=_docker_cleanup(label))
    binds = [word for mount in mounts for word in ("--bind", str(mount))]
    nvidia = ["--nv"] if on_gpus else []
    return Step(runtime=name, said=said, prefix=(name, "exec", *nvidia, "--no-home", "--pwd", workdir, *binds, image))


def choose(container: Container) -> tuple[str, str]:
    """The runtime, and the line that says why.

    Raises:
        UsageError: An image without a runtime that could run it, or a runtime without an image.
    """
    wanted, image = container.runtime, container.image
    if wanted == "none":
        if image:
            raise UsageError(
                f"an image and no runtime: {image}",
                where=f"{WHERE}.runtime=none",
                fix=f"{WHERE}.runtime=auto\nor {WHERE}.image='' for the Python that submits",
            )
        return "none", "runtime: none, the Python of this checkout"
    if not image:
        if wanted == "auto":
            return "none", "runtime: none (auto, and no image is named): the Python of this checkout"
        raise UsageError(
            f"runtime {wanted} without an image", where=f"{WHERE}.image", fix=f"{WHERE}.image=/shared/langadapt.sqsh"
        )
    if wanted == "pyxis" and not has_pyxis():
        raise UsageError(
            "this srun has no --container-image: the plugin pyxis is not loaded here",
            where=f"{WHERE}.runtime=pyxis",
            why="srun would refuse the job's steps",
            fix=f"submit where `srun --help` lists it (pyxis has to be on login nodes, too)\nor {WHERE}.runtime=auto",
        )
    return _auto(image) if wanted == "auto" else (wanted, f"runtime: {wanted}, as configured; image {image}")


def _auto(image: str) -> tuple[str, str]:
    """pyxis, else Apptainer, else Singularity; docker never by itself, because Slurm does not reach its processes."""
    if has_pyxis():
        return "pyxis", f"runtime: pyxis (auto: srun has --container-image); image {image}"
    for name in ("apptainer", "singularity"):
        if found := shutil.which(name):
            return name, f"runtime: {name} (auto: no pyxis, but {found}); image {image}"
    raise UsageError(
        f"no container runtime on this machine for {image}",
        where=f"{WHERE}.runtime=auto",
        why="srun has no --container-image, and neither apptainer nor singularity is on PATH",
        fix=f"load its module before submitting\nor {WHERE}.runtime=apptainer, where only the compute nodes have it\n"
        f"or {WHERE}.image='' {WHERE}.runtime=none: a virtual environment (docs/slurm.md)",
    )


def has_pyxis() -> bool:
    """Whether srun takes `--container-image`, which pyxis alone brings."""
    if shutil.which("srun") is None:
        return False
    return "--container-image" in subprocess.run(["srun", "--help"], capture_output=True, text=True, check=False).stdout


def is_file_image(image: str) -> bool:
    """Whether an image is a file, by its name: `x.sqsh`, `./x`, `/shared/x.sif`; all else is a registry's."""
    return image.startswith(("/", "./", "../", "~")) or image.endswith((".sqsh", ".sif"))


def spelled(image: str, runtime: str) -> str:
    """An image as a runtime reads it.

    A file gets its whole path: pyxis takes a bare `x.sqsh` for a name in a registry (NVIDIA/pyxis#127). A registry is
    `registry#name:tag` to pyxis (enroot), `docker://registry/name:tag` to Apptainer, `registry/name:tag` to docker.

    Raises:
        UsageError: The runtime cannot run this kind of file.
    """
    if is_file_image(image):
        path = Path(image).expanduser().absolute()
        refused = {"pyxis": ".sif", "docker": path.suffix}.get(runtime)
        if path.suffix == refused:
            raise UsageError(
                f"{runtime} cannot run {path}",
                where=f"{WHERE}.image",
                fix=f"enroot import -o {path.with_suffix('.sqsh')} docker://IMAGE"
                if runtime == "pyxis"
                else f"{WHERE}.image=REGISTRY/NAME:TAG, or a runtime for image files: apptainer, pyxis",
            )
        return str(path)
    name = image.removeprefix("docker://").replace("#", "/")
    host, _, rest = name.partition("/")
    if runtime == "pyxis":
        return f"{host}#{rest}" if rest and re.search(r"[.:]|^localhost$", host) else name
    return name if runtime == "docker" else f"docker://{name}"


def all_mounts(container: Container, folders: Iterable[Path]) -> list[Mount]:
    """The mounts as configured, and those of the folders that none of them shows under its own path.

    Raises:
        UsageError: A mount is no SOURCE[:TARGET[:FLAGS]], or a path holds what separates mounts.
    """
    mounts = [_mount(text) for text in container.mounts]
    for folder in folders:
        path = folder.expanduser().absolute()
        if re.search("[:,]", str(path)):
            raise UsageError(
                f"the path {path} holds a colon or a comma",
                where=f"{WHERE}.mounts",
                why="pyxis, Apptainer and docker separate mounts by them",
                fix="rename the folder, or give a link to it without them",
            )
        if not any(mount.covers(path) for mount in mounts):
            mounts.append(Mount(source=path, target=path))
    return mounts


def _mount(text: str) -> Mount:
    parts = re.fullmatch(r"(/[^:,]*)(?::(/[^:,]*))?(?::(ro|rw))?", text)
    if parts is None:
        raise UsageError(
            f"a mount is {text!r}",
            where=f"{WHERE}.mounts",
            fix=f"{WHERE}.mounts=[/data:/data:ro,/scratch]: SOURCE[:TARGET[:ro]], whole paths",
        )
    source, target, flags = parts.groups()
    return Mount(source=Path(source), target=Path(target or source), flags=flags or "")


def _pyxis(image: str, mounts: list[Mount], workdir: str, passed: list[str]) -> tuple[str, ...]:
    """Options of srun. The image's variables win over the host's, but for those `--container-env` names."""
    return (
        f"--container-image={image}",
        f"--container-mounts={','.join(map(str, mounts))}",
        f"--container-workdir={workdir}",
        "--no-container-mount-home",  # packages in ~/.local would take the place of the image's
        *([f"--container-env={','.join(passed)}"] if passed else []),
    )


def _docker(mounts: list[Mount], workdir: str, names: list[str], label: str, *, on_gpus: bool) -> tuple[str, ...]:
    """Slurm signals docker's client, which passes TERM and USR2 on; what KILL leaves, `cleanup` ends."""
    volumes = [word for mount in mounts for word in ("--volume", str(mount))]
    variables = [word for name in names for word in ("--env", name)]
    gpus = ["--gpus", "all"] if on_gpus else []
    user = ["--user", f"{os.getuid()}:{os.getgid()}"]
    limits = ["--network", "host", "--ipc", "host", "--ulimit", "memlock=-1", "--ulimit", "stack=67108864"]
    words = ["--rm", "--init", "--label", label, *gpus, *limits, *user, "--workdir", workdir]
    return ("docker", "run", *words, *volumes, *variables)


def _docker_cleanup(label: str) -> tuple[str, ...]:
    chosen = shlex.quote(f"label={label}")
    return ("sh", "-c", f"docker ps --quiet --filter {chosen} | xargs -r docker kill")
