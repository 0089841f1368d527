"""Large files past the page cache: weights are read once and written once, and caching them costs more than the disk.

On a machine with little free memory the kernel spends a core on finding pages for them, and throws out everything
else that was cached. O_DIRECT wants positions, lengths and memory in whole disk blocks; both classes see to that.
"""

import errno
import functools
import hashlib
import mmap
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

BLOCK_BYTES = 4 << 20
"""Read or written at once."""

_ALIGNMENT = 4096
_BLOCKS_IN_FLIGHT = 4


class RangeInput:
    """Reads ranges of one file.

    Args:
        path: The file.
        is_shared: Whether somebody else reads it meanwhile: then the page cache serves both, and the disk is read once.

    Attributes:
        descriptor: Of the file opened as usual, for small reads.
    """

    def __init__(self, path: Path, *, is_shared: bool) -> None:
        self.descriptor = os.open(path, os.O_RDONLY)
        self._direct = os.dup(self.descriptor) if is_shared else _open_direct(path, os.O_RDONLY)
        self._buffer = memoryview(mmap.mmap(-1, BLOCK_BYTES + 2 * _ALIGNMENT))

    def close(self) -> None:
        """Closes the file."""
        os.close(self.descriptor)
        os.close(self._direct)

    def read(self, start: int, size: int) -> memoryview:
        """At most BLOCK_BYTES of the file, fewer at its end; they are valid until the next read."""
        skipped = start % _ALIGNMENT
        wanted, got = -(-(skipped + size) // _ALIGNMENT) * _ALIGNMENT, 0
        while got < wanted and (count := os.preadv(self._direct, [self._buffer[got:wanted]], start - skipped + got)):
            got += count
            if count % _ALIGNMENT:  # the end of the file
                break
        return self._buffer[skipped : max(skipped, min(got, skipped + size))]


class DirectOutput:
    """Writes one new file front to back, and hashes it on the way: both in threads, beside the one that reads."""

    def __init__(self, path: Path) -> None:
        self.position = 0
        self._folder = path.parent
        self._plain = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        self._direct = _open_direct(path, os.O_WRONLY)
        self._digest = hashlib.sha256()
        self._workers = [ThreadPoolExecutor(1, name) for name in ("hash", "write")]
        self._in_flight: deque[tuple[memoryview, list[Future[None]]]] = deque()
        self._free = [memoryview(mmap.mmap(-1, BLOCK_BYTES)) for _ in range(_BLOCKS_IN_FLIGHT)]
        self._filled = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.shutdown(cancel_futures=True)
        os.close(self._direct)
        os.close(self._plain)

    def write(self, data: bytes | memoryview) -> None:
        """Appends bytes.

        Raises:
            OSError: The disk refuses; it may be bytes of an earlier call.
        """
        left = memoryview(data)
        while left:
            count = min(len(left), BLOCK_BYTES - self._filled)
            self._free[-1][self._filled : self._filled + count] = left[:count]
            self._filled, self.position, left = self._filled + count, self.position + count, left[count:]
            if self._filled == BLOCK_BYTES:
                self._hand_over()

    def finish(self) -> str:
        """Puts the file on disk; returns its SHA-256.

        Raises:
            OSError: The disk refuses.
        """
        self._hand_over()
        while self._in_flight:
            self._take_back()
        os.fsync(self._plain)
        return self._digest.hexdigest()

    def _hand_over(self) -> None:
        block = self._free.pop()
        filled, start = block[: self._filled], self.position - self._filled
        work: list[Callable[[], None]] = [
            functools.partial(self._digest.update, filled),
            functools.partial(self._put, filled, start),
        ]
        futures = [worker.submit(each) for worker, each in zip(self._workers, work, strict=True)]
        self._in_flight.append((block, futures))
        self._filled = 0
        if not self._free:
            self._take_back()

    def _take_back(self) -> None:
        block, futures = self._in_flight.popleft()
        for future in futures:
            future.result()
        self._free.append(block)

    def _put(self, block: memoryview, start: int) -> None:
        """Whole disk blocks directly; as usual what is left, also by a disk that is nearly full."""
        done = self._put_directly(block[: len(block) - len(block) % _ALIGNMENT], start)
        while done < len(block):
            done += os.pwrite(self._plain, block[done:], start + done)

    def _put_directly(self, block: memoryview, start: int) -> int:
        try:
            return os.pwrite(self._direct, block, start) if block else 0
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            _say_cached(self._folder)
            return 0


def _open_direct(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_DIRECT)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        _say_cached(path.parent)
        return os.open(path, flags)


@functools.cache
def _say_cached(folder: Path) -> None:
    print(f"convert: the file system of {folder} has no direct I/O; bytes go through the page cache", flush=True)
