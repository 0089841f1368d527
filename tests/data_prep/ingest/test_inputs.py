from collections.abc import Callable
from pathlib import Path

import pytest

from data_prep.errors import DataError, UsageError
from data_prep.ingest.inputs import InputFile, files_of, format_of
from data_prep.layout import REPOSITORY_ROOT

from .conftest import PACK, source

Make = Callable[[str, bytes], Path]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jsonl", "jsonl"),
        ("a.jsonl.zstd", "jsonl"),
        ("a.txt.gz", "text"),
        ("part-0.parquet", "parquet"),
        ("hiwiki-20231101-pages-articles.xml.bz2", "wikipedia"),
        ("enwiki-20231101-pages-articles1.xml-p1p41242.bz2", "wikipedia"),
        ("a.csv", None),
        ("a.parquet.gz", None),
        ("README.md", None),
    ],
)
def test_names_say_their_format(name: str, kind: str | None) -> None:
    assert format_of(name) == kind


@pytest.mark.parametrize("suffix", PACK)
def test_every_packing_gives_the_same_bytes(make_file: Make, suffix: str) -> None:
    path = make_file(f"a.jsonl{suffix}", "हिंदी\n".encode() * 1000)
    (file,) = files_of(source(path=path))
    with file.open() as content:
        assert content.read() == "हिंदी\n".encode() * 1000


def test_a_folder_stands_for_its_data_files_in_the_order_of_their_names(make_file: Make, tmp_path: Path) -> None:
    for name in ("b.jsonl", "a/z.txt", "a/y.jsonl.gz", "README.md", ".cache/x.jsonl", "a/.hidden.txt"):
        make_file(name, b"x")
    names = [Path(file.name).relative_to(tmp_path).as_posix() for file in files_of(source(path=tmp_path))]
    assert names == ["a/y.jsonl.gz", "a/z.txt", "b.jsonl"]


def test_a_given_format_takes_every_file_of_a_folder(make_file: Make, tmp_path: Path) -> None:
    for name in ("c4.00.json.gz", "c4.01.json.gz"):
        make_file(name, b"{}")
    assert [file.format for file in files_of(source(path=tmp_path, format="jsonl"))] == ["jsonl", "jsonl"]


def test_a_pattern_is_looked_for_in_the_repository_and_then_here(
    make_file: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (en, hi) = files_of(source(path=Path("data_prep/sample_corpus/documents.*.jsonl")))
    assert en.path == REPOSITORY_ROOT / "data_prep/sample_corpus/documents.en.jsonl"
    assert hi.path is not None
    make_file("here/x/1.jsonl", b"x")
    monkeypatch.chdir(tmp_path)
    assert [file.path for file in files_of(source(path=Path("here/**/*.jsonl")))] == [tmp_path / "here/x/1.jsonl"]


def test_what_stands_for_no_file_is_named(make_file: Make, tmp_path: Path) -> None:
    make_file("folder/README.md", b"x")
    for path, message in (
        (tmp_path / "none.jsonl", r"this input file does not exist(.|\n)*none\.jsonl(.|\n)*repository root"),
        (tmp_path / "*.jsonl", r"no file has a name of this pattern"),
        (tmp_path / "folder", r"no file in this folder has a name that says its format; found README\.md"),
        (make_file("a.csv", b"x"), r"cannot tell what kind of file a\.csv is(.|\n)*\.parquet(.|\n)*format: jsonl"),
    ):
        with pytest.raises(UsageError, match=message):
            files_of(source(path=path))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", PACK[".gz"](b"{}"), "this file is gzip, which its name does not say"),
        ("a.jsonl", PACK[".zst"](b"{}"), "this file is zstd"),
        ("a.xml", PACK[".bz2"](b"<x/>"), "this file is bzip2"),
        ("a.jsonl", b"PAR1....PAR1", "this file is Parquet"),
        ("a.txt", b"PK\x03\x04...", "this file is a zip archive"),
        ("a.txt", b"%PDF-1.7", "this file is a PDF"),
        ("a.parquet", PACK[".gz"](b"{}"), "this file is gzip"),
        (
            "a.parquet",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            r"this file is a Git LFS pointer(.|\n)*git lfs pull",
        ),
    ],
)
def test_content_that_is_not_what_the_name_says_is_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    (file,) = files_of(source(path=path))
    with pytest.raises(DataError, match=message), file.open_stored():
        pass


def test_a_gzip_name_over_a_zstd_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(PACK[".zst"](b"{}"))
    with pytest.raises(DataError, match="this file is zstd"), InputFile(name=str(path), format="jsonl").open():
        pass
