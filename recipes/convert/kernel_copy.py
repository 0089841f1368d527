"""Copies ranges of bytes between files, in the kernel where it can."""

import errno
import os

_BUFFER_BYTES = 4 << 20
_NOT_IN_KERNEL = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)


class KernelCopy:
    """Copies into one open file.

    Args:
        output: Its descriptor.
        verb: Begins the line that says that the kernel does not.
    """

    def __init__(self, output: int, verb: str) -> None:
        self._output, self._verb = output, verb
        self._in_kernel = True

    def copy_some(self, source: int, start: int, position: int, left: int) -> int:
        """Copies some of `left` bytes from a descriptor; returns how many, 0 at the end of the source."""
        if self._in_kernel:
            try:
                return os.copy_file_range(source, self._output, left, start, position)
            except OSError as error:
                if error.errno not in _NOT_IN_KERNEL:
                    raise
                print(f"{self._verb}: the kernel does not copy between these file systems ({error.strerror}); "
                      "bytes go through memory", flush=True)  # fmt: skip
                self._in_kernel = False
        return os.pwrite(self._output, os.pread(source, min(left, _BUFFER_BYTES), start), position)
