"""Runs the code of a card as its reader would."""

import os
import re
import subprocess
import sys
from pathlib import Path

OFFLINE = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


def run_snippet(readme: Path, cache: Path) -> str:
    """Runs a card's code in the card's folder, as a reader would."""
    (code,) = re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=readme.parent,
        env={**os.environ, **OFFLINE, "HF_DATASETS_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
