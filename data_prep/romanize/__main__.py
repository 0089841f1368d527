"""Hindi from standard input to standard output in Latin letters, line by line.

    python -m data_prep.romanize < hindi.txt > roman.txt

Bytes that are not UTF-8 pass unchanged and are counted on standard error.
"""

import os
import sys
from collections.abc import Iterable
from typing import BinaryIO

from data_prep.romanize.hindi import romanize


def copy(lines: Iterable[bytes], out: BinaryIO) -> list[int]:
    """Romanise each line as it comes; return the numbers of those that are not UTF-8."""
    bad = []
    for number, line in enumerate(lines, 1):
        try:
            text = line.decode()
        except UnicodeDecodeError:
            bad.append(number)
            text = line.decode(errors="surrogateescape")
        out.write(romanize(text).encode(errors="surrogateescape"))
        out.flush()
    return bad


def main() -> int:
    """The filter; a reader that goes away, like `head`, ends it quietly."""
    try:
        bad = copy(sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if bad:
        print(
            f"romanize: {len(bad)} lines are not UTF-8, the first is line {bad[0]}; their bytes passed", file=sys.stderr
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
