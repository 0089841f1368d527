"""A converted folder says the same in transformers 4.48 and 5.23: logits, tokens, chat, stops, what is generated."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from data_prep.layout import REPOSITORY_ROOT
from recipes.convert.proof.parity import TEXTS, TOLERANCE
from tests.recipes.convert.conftest import read

FOLDER = Path(os.environ.get("LANGADAPT_TRANSFORMERS5", Path(sys.prefix) / "transformers5"))
MESSAGES = [{"role": "system", "content": "संक्षेप में"}, {"role": "user", "content": "नमस्ते"}]
SCRIPT = Path(__file__).with_name("read_with.py")


@pytest.fixture(scope="module")
def replies(made, tmp_path_factory) -> dict[str, dict]:
    """What each version says of both models."""
    if not (FOLDER / "transformers").is_dir():
        pytest.skip(f"transformers 5 is not in {FOLDER}: run `make setup`")
    folder = tmp_path_factory.mktemp("versions")
    request = {
        str(model.hf): {"sequences": model.sequences, "texts": [*TEXTS, "a</s>b"], "messages": MESSAGES}
        for model in (read(made, "tiny"), read(made, "llama"))
    }
    torch.save(request, folder / "request.pt")
    found = {}
    for path in ("", str(FOLDER)):
        reply = folder / f"reply{len(found)}.pt"
        done = subprocess.run(
            [sys.executable, SCRIPT, folder / "request.pt", reply],
            cwd=REPOSITORY_ROOT,
            env={**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        said = torch.load(reply, weights_only=True)
        found[said["version"]] = said["folders"]
    return found


@pytest.mark.parametrize("name", ["tiny", "llama"])
def test_both_versions_say_the_same_and_compute_what_nemo_computes(made, replies, name):
    model = read(made, name)
    assert set(replies) == {"4.48.3", "5.23.0"}
    old, new = (replies[version][str(model.hf)] for version in ("4.48.3", "5.23.0"))
    for said in (old, new):
        logits = said.pop("logits")
        expected = model.reference["logits"][:, : logits.shape[1]]
        assert (logits - expected).abs().max() < TOLERANCE
        assert said["left over"] == 0
    assert old == new
    assert old["dtype"] == "torch.float32"
