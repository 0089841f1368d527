"""Files of the Hugging Face hub: listed by address, streamed by ranges, known by their content's checksum.

`hf://datasets/ORG/NAME[@REVISION]/FILE_FOLDER_OR_PATTERN` is read through huggingface_hub's file system; nothing is
stored on disk. A token comes from the environment (HF_TOKEN) or `huggingface-cli login`, never from a YAML file.
"""

import glob
import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import IO, Any, NamedTuple, cast

from data_prep.errors import DataError, UsageError
from data_prep.ingest.settings import HUB

_BLOCK = 4 << 20
"""Bytes fetched at once: what one open file holds in memory."""

_DOWNLOAD = "or download the files (huggingface-cli download) and give their folder as `path`"


class HubFile(NamedTuple):
    """One file of a listing."""

    address: str
    identity: str
    """SHA-256 of the content where the hub stores it as a large file, else git's blob id."""
    bytes: int


def list_files(address: str) -> list[HubFile]:
    """The files an address stands for, sorted; none if nothing matches.

    Raises:
        UsageError: The address is none, or the hub may not be asked.
        DataError: The hub cannot be reached, or refuses.
    """
    with _reaching(address):
        system, path = _system(), address.removeprefix(HUB)
        found = system.glob(path, detail=True) if glob.has_magic(path) else _plain(system, path)
        files = [info for info in found.values() if info["type"] == "file"]
    return sorted(HubFile(HUB + info["name"], _identity(info), info["size"]) for info in files)


def _plain(system: Any, path: str) -> dict[str, Any]:
    info = system.info(path)
    return cast("dict[str, Any]", system.find(path, detail=True)) if info["type"] == "directory" else {path: info}


def _identity(info: dict[str, Any]) -> str:
    large = info.get("lfs")
    return f"sha256:{large['sha256']}" if large else f"git:{info['blob_id']}"


@contextmanager
def open_file(address: str) -> Iterator[IO[bytes]]:
    """Open a file of the hub for reading, with random access.

    Raises:
        UsageError: There is no such file, or the hub may not be asked.
        DataError: The hub cannot be reached or refuses, at once or while the file is read.
    """
    with _reaching(address):
        file = _system().open(address.removeprefix(HUB), "rb", block_size=_BLOCK)
    with file, _connected(address):
        yield cast("IO[bytes]", io.BufferedReader(file, buffer_size=1 << 20))


@cache
def _system() -> Any:
    from huggingface_hub import HfFileSystem

    return HfFileSystem()


@contextmanager
def _reaching(address: str) -> Iterator[None]:
    """Turn what can go wrong before the first byte into messages."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    try:
        with _connected(address):
            yield
    except OfflineModeIsEnabled as error:
        raise UsageError(
            "this source is on the Hugging Face hub, and HF_HUB_OFFLINE forbids to ask it",
            where=address,
            fix=f"HF_HUB_OFFLINE=0 langadapt prep ...\n{_DOWNLOAD}",
        ) from error
    except (FileNotFoundError, NotImplementedError, ValueError) as error:
        raise UsageError(
            "the hub has no such file, or not for you",
            where=address,
            why="a private or gated dataset looks the same to those without access",
            fix="write hf://datasets/ORG/NAME/FILE, FOLDER or PATTERN\n"
            "for access: accept the dataset's terms on its page and set HF_TOKEN",
        ) from error


@contextmanager
def _connected(address: str) -> Iterator[None]:
    """Turn what can go wrong on the wire into messages."""
    from huggingface_hub.errors import HfHubHTTPError
    from requests import RequestException

    try:
        yield
    except HfHubHTTPError as error:
        raise DataError(
            f"the Hugging Face hub refuses: {str(error).splitlines()[0]}",
            where=address,
            fix="accept the dataset's terms on its page and set HF_TOKEN, or try again later",
        ) from error
    except RequestException as error:
        raise DataError(
            f"the Hugging Face hub cannot be reached: {type(error).__name__}",
            where=address,
            why="the documents of this source are fetched while they are read",
            fix=f"check the network and run the same command again: what is finished is kept\n{_DOWNLOAD}",
        ) from error
