"""SHA-256 beside the copying: threads that hash what has been written, or the source, while the disk is busy.

hashlib releases the interpreter, and what was just written is still in the page cache, so this costs a part of a core
and no time of the disk.
"""

import hashlib
import os
from pathlib import Path
from threading import Condition, Thread
from types import TracebackType
from typing import Self

_CHUNK = 1 << 20


class Follower:
    """Hashes a file up to the position its writer has reached."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._digest = hashlib.sha256()
        self._written = 0
        self._is_ended = False
        self._changed = Condition()
        self._thread = Thread(target=self._run, name="hash", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def advance(self, position: int) -> None:
        """Says how far the file is written."""
        with self._changed:
            self._written = position
            self._changed.notify()

    def finish(self) -> str:
        """The hash, once the thread has read up to the last position."""
        self._end()
        return self._digest.hexdigest()

    def _end(self) -> None:
        with self._changed:
            self._is_ended = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        position, buffer = 0, bytearray(_CHUNK)
        while (written := self._wait(position)) > position:
            while position < written:
                view = memoryview(buffer)[: min(_CHUNK, written - position)]
                count = os.preadv(self._descriptor, [view], position)
                self._digest.update(view[:count])
                position += count

    def _wait(self, position: int) -> int:
        with self._changed:
            self._changed.wait_for(lambda: self._written > position or self._is_ended)
            return self._written


class FileHash:
    """The SHA-256 of a whole file, computed in a thread from now on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digest = ""
        self._error: OSError | None = None
        self._thread = Thread(target=self._run, name="hash", daemon=True)
        self._thread.start()

    def result(self) -> str:
        """The hash, waited for.

        Raises:
            OSError: The file could not be read.
        """
        self._thread.join()
        if self._error:
            raise self._error
        return self._digest

    def _run(self) -> None:
        try:
            with self._path.open("rb") as file:
                self._digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            self._error = error
