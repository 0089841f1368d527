from pathlib import Path

import pytest

from recipes.submit import preflight_disk as disk
from recipes.submit.preflight_disk import Mount, Space

MOUNTS = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
31 27 0:26 / /home rw,relatime shared:5 - nfs4 server:/home rw,vers=4.2
32 27 0:27 / /lustre/scratch rw - lustre mds@tcp:/scratch rw
33 27 0:28 / /dev/shm rw - tmpfs tmpfs rw
34 27 0:29 / /data\\040sets rw - beegfs beegfs_nodev rw
"""


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/home/anna/runs", ("/home", "nfs4")),
        ("/lustre/scratch/x", ("/lustre/scratch", "lustre")),
        ("/lustre/other", ("/", "ext4")),
        ("/homework", ("/", "ext4")),
        ("/data sets/hindi", ("/data sets", "beegfs")),
    ],
)
def test_a_path_belongs_to_the_longest_mount_point_above_it(path: str, found: tuple[str, str]) -> None:
    assert disk.file_system(Path(path), MOUNTS) == found


def test_paths_on_network_file_systems_are_fine_those_in_memory_refused_and_local_disks_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(disk, "existing", lambda path: path)
    paths = map(Path, ("/home/a", "/lustre/scratch/b", "/dev/shm/c", "/opt/d", "/opt/e", "/opt/d", "/tmp/f"))
    refused, tmp, said = disk.unshared(paths, MOUNTS)
    assert str(refused).splitlines()[:2] == [
        "/dev/shm/c lies on this machine alone",
        "  where: tmpfs at /dev/shm",
    ]
    assert str(tmp).startswith("/tmp/f lies on this machine alone\n  where: ext4 at /\n")
    assert isinstance(said, str)
    assert said.endswith("/opt/d (ext4 at /), /opt/e (ext4 at /)")


def test_paths_outside_every_mount_of_a_container_are_named_with_the_mounts_to_add(tmp_path: Path) -> None:
    mounts = [Mount(source=Path("/home"), target=Path("/home")), Mount(source=Path("/data"), target=Path("/other"))]
    (error,) = disk.uncovered([Path("/home/x"), Path("/data/tokens.bin"), tmp_path], mounts)
    assert error.what == f"not mounted in the container: /data/tokens.bin, {tmp_path}"
    assert error.fix == f"cluster.slurm.container.mounts=[/home:/home,/data:/other,/data,{tmp_path}]"


def test_room_is_compared_in_bytes_and_in_inodes() -> None:
    assert list(disk.shortage(Path("/r"), Space(free=100 * 2**30, inodes=10_000), 99 * 2**30, 9_000)) == []
    assert list(disk.shortage(Path("/r"), Space(free=100 * 2**30, inodes=None), 99 * 2**30, 9_000)) == []
    small, few = disk.shortage(Path("/r"), Space(free=40 * 2**30, inodes=500), 58.6 * 2**30, 1_400)
    assert small.what == "the run writes up to 58.6 GiB, 40.0 GiB are free"
    assert few.what == "the run writes about 1,400 files, 500 inodes are free"


def test_files_of_a_run_grow_with_checkpoints_and_ranks() -> None:
    assert disk.files_written(5, 128) == 5 * (2 * 128 + 4) + 3 * 128 + 100 == 1784


def test_checkpoints_that_are_there_are_counted_as_written(tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "step=4").mkdir(parents=True)
    (tmp_path / "checkpoints" / "step=4" / "a.distcp").write_bytes(b"x" * 1000)
    assert disk.used(tmp_path) == 1000
    assert disk.used(tmp_path / "none") == 0


def test_a_real_file_system_has_room_and_the_run_folder_need_not_exist(tmp_path: Path) -> None:
    assert disk.space(tmp_path / "a" / "b").free > 0


def test_without_scontrol_it_is_not_known_to_be_one_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not disk.is_one_machine()


def test_a_controller_that_does_not_answer_is_not_taken_for_other_machines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "scontrol").write_text("#!/bin/sh\necho Unable to contact slurm controller >&2; exit 1\n")
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(disk.Unusable, match="scontrol does not answer: Unable to contact slurm controller"):
        disk.is_one_machine()
