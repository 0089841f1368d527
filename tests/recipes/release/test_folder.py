"""A release is whole or not there, and nobody's work is overwritten."""

import errno
import os
import subprocess

import pytest

from data_prep.errors import DataError, LangadaptError, UsageError
from recipes.release import folder
from recipes.release.contents import Contents


@pytest.fixture
def contents(tmp_path) -> Contents:
    weights = tmp_path / "weights"
    weights.write_bytes(os.urandom(3_000_000))
    return Contents(copies={"model.safetensors": weights}, texts={"README.md": "नमस्ते\n".encode()}, left_out=[])


@pytest.fixture
def release(contents, tmp_path):
    folder.write(tmp_path / "out", contents, folder.sums(contents, {}))
    return tmp_path / "out"


def test_every_file_is_there_with_its_checksum(release, contents) -> None:
    assert (release / "model.safetensors").read_bytes() == contents.copies["model.safetensors"].read_bytes()
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=release, capture_output=True, check=False
    )
    assert done.returncode == 0
    assert folder.is_untouched(release)


def test_files_are_copies_not_links(release, contents) -> None:
    before = contents.copies["model.safetensors"].read_bytes()
    (release / "model.safetensors").write_bytes(b"changed")
    assert contents.copies["model.safetensors"].read_bytes() == before


@pytest.mark.parametrize("code", [errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL])
def test_where_the_kernel_cannot_copy_a_line_says_so_and_the_copy_is_the_same(
    code, contents, tmp_path, monkeypatch, capsys
) -> None:
    def cannot(*_) -> int:
        raise OSError(code, "no")

    monkeypatch.setattr(folder.os, "copy_file_range", cannot)
    folder.copy(contents.copies["model.safetensors"], tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == contents.copies["model.safetensors"].read_bytes()
    assert capsys.readouterr().out.startswith("release: the kernel does not copy between these file systems (no)")


def test_a_full_disk_leaves_nothing_that_looks_whole(contents, tmp_path, monkeypatch) -> None:
    def full(*_) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(folder.os, "copy_file_range", full)
    with pytest.raises(LangadaptError, match="cannot write any more: No space left"):
        folder.write(tmp_path / "out", contents, folder.sums(contents, {}))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["weights"]


def test_a_file_that_changes_while_it_is_copied_is_noticed(contents, tmp_path) -> None:
    checksums = folder.sums(contents, {"model.safetensors": "0" * 64})
    with pytest.raises(DataError, match="the copy is not what was checked"):
        folder.write(tmp_path / "out", contents, checksums)
    assert not (tmp_path / "out").exists()


def test_an_untouched_release_makes_room_for_the_next(release, contents) -> None:
    folder.refuse_foreign(release)
    changed = Contents(copies=contents.copies, texts={"README.md": b"new\n"}, left_out=[])
    folder.write(release, changed, folder.sums(changed, {}))
    assert (release / "README.md").read_bytes() == b"new\n"
    assert sorted(path.name for path in release.parent.iterdir()) == ["out", "weights"]


@pytest.mark.parametrize("change", ["edit", "add", "remove"])
def test_a_release_somebody_worked_on_is_kept(change, release) -> None:
    if change == "edit":
        (release / "README.md").write_text("mine")
    elif change == "add":
        (release / "notes.txt").write_text("mine")
    else:
        (release / "README.md").unlink()
    with pytest.raises(UsageError, match="is no release, or one that was changed") as error:
        folder.refuse_foreign(release)
    assert f"--out {release}-2" in error.value.fix


def test_a_foreign_folder_is_kept(tmp_path) -> None:
    with pytest.raises(UsageError, match="is no release"):
        folder.refuse_foreign(tmp_path)


def test_a_release_killed_half_way_is_made_again(contents, tmp_path) -> None:
    (tmp_path / ".out.unfinished").mkdir()
    (tmp_path / ".out.unfinished" / "model.safetensors").write_bytes(b"half")
    folder.write(tmp_path / "out", contents, folder.sums(contents, {}))
    assert folder.is_untouched(tmp_path / "out")
    assert not (tmp_path / ".out.unfinished").exists()
