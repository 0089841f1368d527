"""The blend planner at 400B tokens, and what Megatron then needs for its own index of the samples.

    python -m benchmarks.blend [--document-tokens 20000] [--sources 500]

The paper's corpus by size (200B English; 40B real, 60B translated and 120B romanised Hindi tokens), planned with the
shipped preset: 400B tokens are 97,656,250 samples of 4,096. The indices are whole and real, documents of one length;
the .bin files are holes. The same is planned once more with each dataset cut into many sources.

`langadapt blend` is the whole verb: receipts found and checked, solved, fragment, plan and page written. Beside it
megatron-core's own code on the fragment: `build_blending_indices` alone, which every run with a new blend waits for on
rank 0, and BlendedMegatronDatasetBuilder, which also orders and cuts the documents of each dataset. With many sources
only the first, on a hundredth of the samples, times a hundred: its time is samples x sources. `langadapt audit` counts
in the index `build_blending_indices` made what a finished run has read. Each row is a process of its own; CPU seconds
and the peak of its memory, imports included in the memory alone.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import yaml

from benchmarks.common import CONFIGS, table
from data_prep.files import sha256_file
from data_prep.layout import REPOSITORY_ROOT, Layout, append_suffix, receipt_path
from data_prep.receipts import Receipt

BILLION = 10**9
PAPER = {"en-Latn.real": 200, "hi-Deva.real": 40, "hi-Deva.translated": 60, "hi-Latn.romanized": 120}
SAMPLES, LENGTH, PART = 97_656_250, 4096, 100


def write_corpus(folder: Path, document_tokens: int, sources: int) -> None:
    """Training datasets of the paper's sizes, each cut into `sources`, and a held-out one a language."""
    layout = Layout(folder / "data")
    layout.tokenizer.parent.mkdir(parents=True)
    layout.tokenizer.write_bytes(b"any")
    for name, billions in PAPER.items():
        documents = billions * BILLION // document_tokens // sources
        for number in range(sources):
            write_dataset(layout, f"s{number}.{name}", "train", documents, document_tokens)
    for name in ("en-Latn.real", "hi-Deva.real"):
        write_dataset(layout, f"s0.{name}", "heldout", 1000, document_tokens)


def write_dataset(layout: Layout, name: str, split: Any, documents: int, document_tokens: int) -> None:
    """An index of documents of one length, a .bin that is a hole, and their receipt."""
    prefix = layout.prefix(name, split)
    prefix.parent.mkdir(parents=True, exist_ok=True)
    index, tokens = append_suffix(prefix, ".idx"), append_suffix(prefix, ".bin")
    with index.open("wb") as file:
        file.write(b"MMIDIDX\x00\x00" + b"\x01" + bytes(7) + b"\x04")  # version 1, int32
        np.array([documents, documents + 1], np.int64).tofile(file)
        np.full(documents, document_tokens, np.int32).tofile(file)
        (np.arange(documents, dtype=np.int64) * 4 * document_tokens).tofile(file)
        np.arange(documents + 1, dtype=np.int64).tofile(file)
    with tokens.open("wb") as file:
        file.truncate(4 * documents * document_tokens)
    source, lang, kind = name.split(".")
    receipt = Receipt(
        stage="tokenize",
        config_hash="",
        code_version="",
        inputs={},
        outputs={path.name: {"bytes": path.stat().st_size, "sha256": ""} for path in (tokens, index)},
        counts={},
        documents=documents,
        characters=0,
        tokens=documents * document_tokens,
        by={},
        details={"tokenizer_sha256": sha256_file(layout.tokenizer), "source": source, "lang": lang, "kind": kind},
        seconds=0.0,
        created="",
    )
    receipt_path(prefix).write_text(json.dumps(asdict(receipt)))


def run_plan(folder: Path) -> Callable[[], None]:
    """The verb."""
    from data_prep import blend
    from data_prep.blend import output, plan  # noqa: F401  imported before the clock starts

    words = [f"tokens_dir={folder / 'data' / 'tokens'}", f"output={folder / 'blend' / 'cpt.yaml'}"]

    def plan_all() -> None:
        blend.main([CONFIGS / "data" / "blend_paper.yaml"], words, dry_run=False)

    return plan_all


def run_blending(folder: Path, samples: int = SAMPLES) -> Callable[[], Any]:
    """Upstream's C++ loop over the samples; it returns the number of the dataset of each."""
    from megatron.core.datasets import helpers
    from megatron.core.datasets.blended_megatron_dataset_builder import _get_size_per_split_per_dataset
    from megatron.core.datasets.utils import normalize

    weights = normalize(train_list(folder)[::2])

    def build() -> Any:
        size = sum(sizes[0] for sizes in _get_size_per_split_per_dataset(weights, [samples]))
        index, inner = np.zeros(size, np.int16), np.zeros(size, np.int64)
        helpers.build_blending_indices(index, inner, weights, len(weights), size, False)
        return index

    return build


def run_part(folder: Path) -> Callable[[], Any]:
    return run_blending(folder, SAMPLES // PART)


def run_builder(folder: Path) -> Callable[[], Any]:
    """All of upstream's index building; it returns the number of the dataset of each sample."""
    from megatron.core.datasets.blended_megatron_dataset_builder import BlendedMegatronDatasetBuilder
    from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig
    from megatron.core.datasets.utils import get_blend_from_list

    config = GPTDatasetConfig(
        random_seed=1,
        sequence_length=LENGTH,
        blend_per_split=[get_blend_from_list(train_list(folder)), None, None],
        reset_position_ids=False,
        reset_attention_mask=False,
        eod_mask_loss=False,
        tokenizer=SimpleNamespace(unique_identifiers={}, eod=0, pad=1),
    )

    builder = BlendedMegatronDatasetBuilder(GPTDataset, [SAMPLES, 0, 0], lambda: True, config)
    return lambda: builder.build()[0].dataset_index


def run_audit(folder: Path) -> Callable[[], None]:
    """Counting what a run has read, from the blending index that the side before has left."""
    from recipes import audit

    entries = json.loads((folder / "blend" / "cpt.json").read_text())["train"]
    sources = tuple(
        audit.Source(prefix=entry["prefix"], weight=entry["weight"], tokens=entry["tokens_available"])
        for entry in entries
    )
    kept = str(folder / INDEX)
    index = audit.BlendIndex(
        sequence_length=LENGTH, samples=SAMPLES, order="single", dataset_index=kept, sources=sources
    )

    def count() -> None:
        seen = audit.compare(index, audit.count(index, SAMPLES, folder), {"train": entries})
        apart = max(abs(row.tokens_seen / row.tokens_planned - 1) for row in seen if row.tokens_planned)
        if apart > 1e-6:
            sys.exit(f"the audit is {apart:.2e} off the plan")

    return count


def train_list(folder: Path) -> list[Any]:
    """Weights and prefixes of the fragment."""
    fragment = yaml.load((folder / "blend" / "cpt.yaml").read_text(), yaml.CSafeLoader)
    listed: list[Any] = fragment["model"]["data"]["data_prefix"]["train"]
    return listed


def deviation(index: Any, folder: Path, samples: int) -> float:
    """Largest relative difference between the samples a run of so many reads of a dataset and the plan."""
    entries = json.loads((folder / "blend" / "cpt.json").read_text())["train"]
    planned = np.array([entry["weight"] for entry in entries]) * samples
    counts = np.bincount(index[:samples], minlength=len(entries))
    return float(np.max(np.abs(counts / planned - 1)))


SIDES: dict[str, Callable[[Path], Callable[[], Any]]] = {
    "plan": run_plan,
    "blending": run_blending,
    "part": run_part,
    "builder": run_builder,
    "audit": run_audit,
}
INDEX = "dataset_index.npy"


def measure(side: str, folder: Path) -> dict[str, float]:
    """One side in a process of its own: CPU and wall seconds, peak megabytes, deviation."""
    words = [sys.executable, "-m", "benchmarks.blend", "--side", side, "--folder", str(folder)]
    done = subprocess.run(words, cwd=REPOSITORY_ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def run_side(side: str, folder: Path) -> None:
    """The child of `measure`."""
    work = SIDES[side](folder)
    cpu, wall = time.process_time(), time.monotonic()
    index = work()
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if side == "blending":
        np.save(folder / INDEX, index)
    samples = SAMPLES // PART if side == "part" else SAMPLES
    apart = 0.0 if index is None else deviation(index, folder, samples)
    print(json.dumps({"cpu": cpu, "wall": wall, "peak": peak, "deviation": apart}))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--document-tokens", type=int, default=20_000, help="tokens of a document (default 20000)")
    parser.add_argument("--sources", type=int, default=500, help="sources each of the four is cut into (default 500)")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        run_side(given.side, given.folder)
        return
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for sources, sides in ((1, ("plan", "blending", "audit", "builder")), (given.sources, ("plan", "part"))):
            folder = Path(name) / str(sources)
            write_corpus(folder, given.document_tokens, sources)
            rows += [row(side, len(PAPER) * sources, measure(side, folder)) for side in sides]
    documents = sum(PAPER.values()) * BILLION // given.document_tokens
    print(f"400B tokens, {SAMPLES:,} samples, {documents:,} documents of {given.document_tokens:,} tokens")
    print(table(["", "datasets", "CPU s", "wall s", "peak MB", "drawn against plan"], rows))


def row(side: str, datasets: int, found: dict[str, float]) -> list[str]:
    names = {
        "plan": "langadapt blend",
        "blending": "Megatron, blending index",
        "part": f"Megatron, blending index, x {PART}",
        "builder": "Megatron, all indices",
        "audit": "langadapt audit",
    }
    times = PART if side == "part" else 1
    return [
        names[side],
        f"{datasets:,}",
        f"{found['cpu'] * times:.2f}",
        f"{found['wall'] * times:.2f}",
        f"{found['peak']:,.0f}",
        "" if side in ("plan", "audit") else f"{found['deviation']:.4%}",
    ]


if __name__ == "__main__":
    main()
