"""SHA-256 of the files that a conversion reads, in a thread beside it: hashlib releases the interpreter."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from threading import Thread


class FileHashes:
    """The SHA-256 of whole files, one after the other, computed in a thread from now on."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._digests: dict[str, str] = {}
        self._error: OSError | None = None
        self._thread = Thread(target=self._run, name="hash", daemon=True)
        self._thread.start()

    def result(self) -> dict[str, str]:
        """{name: hash}, waited for.

        Raises:
            OSError: A file could not be read.
        """
        self._thread.join()
        if self._error:
            raise self._error
        return self._digests

    def _run(self) -> None:
        try:
            for path in self._paths:
                with path.open("rb") as file:
                    self._digests[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            self._error = error
