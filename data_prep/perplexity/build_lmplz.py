"""Build KenLM's lmplz and build_binary from its source; about a minute.

    python -m data_prep.perplexity.build_lmplz [FOLDER]

FOLDER is where they go; without it the folder of this Python, where the stage finds them. The source is the sdist of
the Python module kenlm, whose own installation builds neither.
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from data_prep.errors import LangadaptError, UsageError

VERSION = "0.3.0"
SHA256 = "c4628bb9fb63c8a6f9240035b8b037385cfc404cb72e933cf48878291edac1e8"
TOOLS = ("lmplz", "build_binary")
PACKAGES = "cmake g++ make libboost-program-options-dev libboost-system-dev libboost-thread-dev libboost-test-dev"
"""Debian's names; CMake asks for the test library although nothing here uses it."""


def build(folder: Path) -> None:
    """Download, build and install the tools.

    Raises:
        UsageError: A program or Boost is missing.
        LangadaptError: The download or the build failed.
    """
    missing = [program for program in ("cmake", "make", "g++") if shutil.which(program) is None]
    if missing:
        raise _not_installed(", ".join(missing), "not on PATH")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "kenlm"]
        run([*pip, "--dest", str(work), f"kenlm=={VERSION}"])
        source = unpack(work / f"kenlm-{VERSION}.tar.gz", work)
        run(["cmake", "-S", str(source), "-B", str(work / "build"), "-DCMAKE_BUILD_TYPE=Release"])
        run(["cmake", "--build", str(work / "build"), "--parallel", "2", "--target", *TOOLS])
        folder.mkdir(parents=True, exist_ok=True)
        for tool in TOOLS:
            shutil.copy2(work / "build" / "bin" / tool, folder / tool)


def unpack(archive: Path, folder: Path) -> Path:
    """The folder of the source.

    Raises:
        LangadaptError: The archive is not the one this was written for.
    """
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != SHA256:
        raise LangadaptError(
            f"the source of kenlm {VERSION} has the checksum {found}",
            where=str(archive),
            why=f"expected {SHA256}: this is other code, and it would be compiled and run",
            fix="try again with another package index; the download may be damaged",
        )
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / f"kenlm-{VERSION}"


def run(command: Sequence[str]) -> None:
    """Run a program quietly; its last words become the error when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode == 0:
        return
    said = done.stdout + done.stderr
    if "Boost" in said:
        raise _not_installed("Boost", "CMake does not find its headers and libraries")
    raise LangadaptError(
        f"{Path(command[0]).name} ended with status {done.returncode}",
        where=" ".join(command),
        why="\n".join(said.splitlines()[-8:]),
    )


def _not_installed(what: str, found: str) -> UsageError:
    return UsageError(
        f"building lmplz needs {what}: {found}",
        where="make lmplz",
        why="without lmplz only real text of up to 5 million tokens can train the n-gram model",
        fix=f"apt-get install {PACKAGES}",
    )


def main(arguments: Sequence[str]) -> int:
    """Build into the folder given, or beside this Python."""
    folder = Path(arguments[0]) if arguments else Path(sys.executable).parent
    try:
        build(folder)
    except LangadaptError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"{' and '.join(TOOLS)} of kenlm {VERSION} are in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
