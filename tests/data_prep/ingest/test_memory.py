"""Memory is flat in the size of the input; `python -m benchmarks.ingest` shows all formats at 1x, 4x and 16x."""

from pathlib import Path

import pytest

from benchmarks.ingest import WRITERS, measure, sized

TEXTS = [f"वाक्य {number}: " + "नदी पहाड़ों से निकलती है। " * 20 for number in range(500)]


@pytest.mark.parametrize("name", WRITERS)
def test_sixteen_times_the_text_needs_no_more_memory(tmp_path: Path, name: str) -> None:
    peaks = []
    for size in (500_000, 8_000_000):
        path = tmp_path / str(size) / name
        path.parent.mkdir()
        WRITERS[name](path, sized(TEXTS, size))
        peak, _, documents = measure(path, tmp_path / f"out{size}")
        assert documents == len(sized(TEXTS, size))
        peaks.append(peak)
    assert peaks[1] < peaks[0] + 8
