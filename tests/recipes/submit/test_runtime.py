import os
import shutil
import subprocess
from pathlib import Path

import pytest

from data_prep.errors import UsageError
from recipes.submit import runtime
from recipes.submit.runtime import Step, all_mounts, choose, spelled
from recipes.submit.site import Container
from tests.slurm_cluster import cluster, needs_slurm

SOURCE = Path(__file__).with_name("fake_pyxis.c")
HAS_HEADERS = shutil.which("gcc") is not None and Path("/usr/include/slurm/spank.h").is_file()
needs_pyxis = pytest.mark.skipif(
    not HAS_HEADERS and not os.environ.get("REQUIRE_SLURM"),
    reason="the stand-in for pyxis cannot be built: apt-get install libslurm-dev gcc (REQUIRE_SLURM=1: fail instead)",
)


def program(folder: Path, name: str, text: str = "exit 1") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def steps(container: Container, folder: Path, *, on_gpus: bool = True) -> Step:
    return runtime.step(
        container, run_folder=folder, folders=[folder], passed=["MASTER_ADDR", "HF_TOKEN"], on_gpus=on_gpus
    )


@pytest.fixture
def bare_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH on which there is no program."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.mark.parametrize(
    ("image", "name", "word"),
    [
        ("nvcr.io/nvidia/pytorch:24.07-py3", "pyxis", "nvcr.io#nvidia/pytorch:24.07-py3"),
        ("nvcr.io#nvidia/pytorch:24.07-py3", "pyxis", "nvcr.io#nvidia/pytorch:24.07-py3"),
        ("docker://localhost:5000/langadapt", "pyxis", "localhost:5000#langadapt"),
        ("nvidia/cuda:12.4.1-base-ubuntu22.04", "pyxis", "nvidia/cuda:12.4.1-base-ubuntu22.04"),
        ("ubuntu", "pyxis", "ubuntu"),
        ("/shared/x.sqsh", "pyxis", "/shared/x.sqsh"),
        ("nvcr.io#nvidia/pytorch:24.07-py3", "apptainer", "docker://nvcr.io/nvidia/pytorch:24.07-py3"),
        ("docker://ubuntu", "singularity", "docker://ubuntu"),
        ("/shared/x.sif", "apptainer", "/shared/x.sif"),
        ("nvcr.io#nvidia/pytorch:24.07-py3", "docker", "nvcr.io/nvidia/pytorch:24.07-py3"),
    ],
)
def test_an_image_is_spelled_as_the_runtime_reads_it(image: str, name: str, word: str) -> None:
    assert spelled(image, name) == word


def test_a_bare_file_name_gets_its_path_which_pyxis_would_take_for_a_registry_image() -> None:
    assert spelled("langadapt.sqsh", "pyxis") == f"{Path.cwd()}/langadapt.sqsh"
    assert spelled("~/x.sif", "apptainer") == f"{Path.home()}/x.sif"


@pytest.mark.parametrize(("name", "image"), [("pyxis", "/x.sif"), ("docker", "/x.sqsh"), ("docker", "/x.sif")])
def test_an_image_file_the_runtime_cannot_run_is_refused(name: str, image: str) -> None:
    with pytest.raises(UsageError, match=f"{name} cannot run {image}"):
        spelled(image, name)


@pytest.mark.usefixtures("bare_path")
@pytest.mark.parametrize(
    ("container", "what", "fix"),
    [
        (Container(runtime="none", image="/x.sif"), "an image and no runtime: /x.sif", "runtime=auto"),
        (Container(runtime="docker"), "runtime docker without an image", "image=/shared/langadapt.sqsh"),
        (
            Container(runtime="pyxis", image="/x.sqsh"),
            "this srun has no --container-image",
            "submit where `srun --help`",
        ),
        (
            Container(runtime="auto", image="/x.sif"),
            "no container runtime on this machine for /x.sif",
            "load its module",
        ),
    ],
)
def test_what_cannot_run_is_refused_with_a_way_on(container: Container, what: str, fix: str) -> None:
    with pytest.raises(UsageError) as raised:
        choose(container)
    assert what in raised.value.what
    assert fix in raised.value.fix


def test_auto_takes_pyxis_then_apptainer_then_singularity_and_never_docker(bare_path: Path) -> None:
    container = Container(runtime="auto", image="/shared/x.sqsh")
    program(bare_path, "docker")
    with pytest.raises(UsageError, match="no container runtime"):
        choose(container)
    program(bare_path, "singularity")
    assert choose(container)[0] == "singularity"
    program(bare_path, "apptainer")
    assert choose(container) == (
        "apptainer",
        f"runtime: apptainer (auto: no pyxis, but {bare_path}/apptainer); image /shared/x.sqsh",
    )
    program(bare_path, "srun", "echo '      --container-image=[USER@][REGISTRY#]IMAGE[:TAG]|PATH'")
    assert choose(container)[1] == "runtime: pyxis (auto: srun has --container-image); image /shared/x.sqsh"


@pytest.mark.usefixtures("bare_path")
def test_without_an_image_there_is_no_container_and_a_line_says_so() -> None:
    assert choose(Container(runtime="auto"))[1].startswith("runtime: none (auto, and no image is named)")
    assert choose(Container())[1] == "runtime: none, the Python of this checkout"


def test_folders_a_mount_shows_under_their_own_path_are_not_mounted_twice(tmp_path: Path) -> None:
    container = Container(mounts=("/data:/data:ro", "/scratch", "/home:/elsewhere"))
    mounts = all_mounts(container, [Path("/data/tokens"), Path("/home/anna")])
    assert [str(mount) for mount in mounts] == [
        "/data:/data:ro",
        "/scratch:/scratch",
        "/home:/elsewhere",
        "/home/anna:/home/anna",
    ]


@pytest.mark.parametrize("text", ["data", "/a:b", "/a:/b:ro:x", "/a,/b", ""])
def test_a_mount_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="a mount is"):
        all_mounts(Container(mounts=(text,)), [])


def test_a_folder_whose_name_separates_mounts_is_refused() -> None:
    with pytest.raises(UsageError, match="holds a colon or a comma"):
        all_mounts(Container(), [Path("/runs/a:b")])


def test_docker_gets_what_slurm_says_and_leaves_nothing_running(tmp_path: Path) -> None:
    container = Container(runtime="docker", image="registry.lab/langadapt:1", workdir="/work")
    step = steps(container, tmp_path)
    words = " ".join(step.prefix)
    assert words.startswith(f"docker run --rm --init --label langadapt.run={tmp_path} --gpus all --network host")
    assert "--env SLURM_PROCID" in words
    assert "--env HF_TOKEN" in words  # by name: its value is in no process list
    assert step.prefix[-1] == "registry.lab/langadapt:1"
    assert f"--filter label=langadapt.run={tmp_path} |" in step.cleanup[-1]
    assert "--gpus" not in steps(container, tmp_path, on_gpus=False).prefix


def test_what_docker_left_of_this_run_is_killed_and_nothing_else(bare_path: Path, tmp_path: Path) -> None:
    for name in ("sh", "xargs"):
        (bare_path / name).symlink_to(f"/usr/bin/{name}")
    log = tmp_path / "docker.log"
    program(bare_path, "docker", f'echo "$@" >>{log}; [ "$1" = ps ] && echo 4f5e6d || true')
    run = tmp_path / "run a"
    step = steps(Container(runtime="docker", image="langadapt"), run)
    subprocess.run(step.cleanup, check=True)
    assert log.read_text().splitlines() == [f"ps --quiet --filter label=langadapt.run={run}", "kill 4f5e6d"]


def test_apptainer_mounts_the_run_and_not_the_home_folder(tmp_path: Path) -> None:
    step = steps(Container(runtime="apptainer", image="/x.sif", mounts=("/data:/data:ro",)), tmp_path)
    mounts = ["--bind", "/data:/data:ro", "--bind", f"{tmp_path}:{tmp_path}"]
    assert step.prefix == ("apptainer", "exec", "--nv", "--no-home", "--pwd", str(tmp_path), *mounts, "/x.sif")
    assert (step.srun, step.cleanup) == ((), ())
    cpu = steps(Container(runtime="singularity", image="/x.sif"), tmp_path, on_gpus=False)
    assert cpu.prefix[:3] == ("singularity", "exec", "--no-home")


@needs_slurm
def test_apptainer_stands_between_srun_and_the_command_in_every_task(tmp_path: Path) -> None:
    folder = tmp_path / "run a"  # the stand-in notes its words and becomes the command behind the image
    folder.mkdir()
    note = 'printf "%s|" "$@" >"$NOTES/$SLURM_PROCID"\nwhile [ "$1" != "$IMAGE" ]; do shift; done; shift; exec "$@"'
    program(tmp_path / "bin", "apptainer", note)
    environment = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "NOTES": str(folder), "IMAGE": "/shared/x y.sif"}
    step = steps(Container(runtime="apptainer", image="/shared/x y.sif"), folder)
    with cluster(tmp_path / "slurm") as slurm:
        words = ["srun", "--nodes=2", "--ntasks=4", *step.srun, *step.prefix, "printenv", "SLURM_PROCID"]
        done = subprocess.run(
            words, env={**os.environ, **slurm.environment, **environment}, capture_output=True, text=True, check=True
        )
    assert sorted(done.stdout.split()) == ["0", "1", "2", "3"]
    noted = [*step.prefix[1:], "printenv", "SLURM_PROCID", ""]
    assert [(folder / str(task)).read_text().split("|") for task in range(4)] == [noted] * 4


@needs_slurm
@needs_pyxis
def test_pyxis_gets_every_option_in_every_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = tmp_path / "fake_pyxis.so"
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Werror", "-shared", "-fPIC"]
    subprocess.run(["gcc", *flags, "-o", str(plugin), str(SOURCE)], check=True)
    run = tmp_path / "run a"
    with cluster(tmp_path / "slurm", plugin=plugin) as slurm:
        for name, value in slurm.environment.items():
            monkeypatch.setenv(name, value)
        step = steps(
            Container(runtime="auto", image="nvcr.io/nvidia/pytorch:24.07-py3", mounts=("/data:/data:ro",)), run
        )
        assert step.said.startswith("runtime: pyxis (auto")
        shown = slurm.ask(
            "srun", "--nodes=2", "--ntasks=2", *step.srun, "sh", "-c", "printenv | grep ^PYXIS_FAKE | sort"
        )
    lines = [
        "PYXIS_FAKE_CONTAINER_ENV=HF_TOKEN,MASTER_ADDR",
        "PYXIS_FAKE_CONTAINER_IMAGE=nvcr.io#nvidia/pytorch:24.07-py3",
        f"PYXIS_FAKE_CONTAINER_MOUNTS=/data:/data:ro,{run}:{run}",
        f"PYXIS_FAKE_CONTAINER_WORKDIR={run}",
        "PYXIS_FAKE_NO_CONTAINER_MOUNT_HOME=1",
    ]
    assert sorted(shown.splitlines()) == sorted(lines * 2)


@needs_slurm
def test_a_slurm_without_pyxis_is_found_to_have_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with cluster(tmp_path / "slurm") as slurm:
        monkeypatch.setenv("SLURM_CONF", slurm.environment["SLURM_CONF"])
        assert not runtime.has_pyxis()
