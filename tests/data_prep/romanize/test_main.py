import io
import subprocess
import sys

from data_prep.romanize.__main__ import copy

COMMAND = [sys.executable, "-m", "data_prep.romanize"]


def run(given: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(COMMAND, input=given, capture_output=True, check=False, timeout=60)


def test_a_filter_from_standard_input_to_standard_output() -> None:
    done = run("भारत\r\nx\n\nदेश".encode())
    assert (done.returncode, done.stdout.decode(), done.stderr) == (0, "bharat\r\nx\n\ndesh", b"")


def test_bytes_that_are_not_utf8_pass_and_are_counted() -> None:
    done = run("भारत\n".encode() + b"\xff\xe0 " + "देश\n".encode() + b"\xc3\n")
    assert done.stdout == b"bharat\n\xff\xe0 desh\n\xc3\n"
    assert done.stderr.decode() == "romanize: 2 lines are not UTF-8, the first is line 2; their bytes passed\n"


def test_every_line_is_written_as_it_comes() -> None:
    """A reader at the other end of a pipe need not wait for the end of the input."""
    out = io.BytesIO()
    seen = []

    def lines():
        for word in ("भारत\n", "देश\n"):
            yield word.encode()
            seen.append(out.getvalue())

    copy(lines(), out)
    assert seen == [b"bharat\n", b"bharat\ndesh\n"]


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    try:
        process.stdin.write("भारत\n".encode() * 10_000)
        process.stdin.close()
    except BrokenPipeError:
        pass
    assert process.stderr.read() == b""
    assert process.wait(60) == 0
