"""An extended model in NeMo: it computes what the base did on old tokens, and trains on with new ones."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from data_prep.files import read_shards
from data_prep.layout import REPOSITORY_ROOT, Layout
from data_prep.tokenizer import train
from data_prep.vocabulary_extension import merge
from recipes.convert.architectures.tensors import EMBEDDING
from recipes.convert.reading.checkpoint import open_checkpoint
from recipes.convert.writing.tokenizers import sentencepiece_model
from recipes.evaluate.bits_per_byte import per_byte, score
from recipes.evaluate.held_out import find_shards, token_ids
from recipes.evaluate.models import open_models
from tests.conftest import CONFIGS, SMALL_MODEL, run_langadapt
from tests.recipes.tiny_tokenizer import sample_texts

TRACE = """
import sys, torch
from pathlib import Path
from recipes.runtime import ground, inference
ground.prepare()
sequences = torch.load(sys.argv[1])
logits = [inference.nemo_trace(Path(model), sequences)["logits"] for model in sys.argv[3:]]
torch.save(logits, sys.argv[2])
"""


def nemo_logits(models: list[Path], sequences: list[list[int]], folder: Path) -> list[torch.Tensor]:
    """Of each model, by NeMo in a process of its own."""
    torch.save(sequences, folder / "ids.pt")
    command = [sys.executable, "-c", TRACE, str(folder / "ids.pt"), str(folder / "logits.pt"), *map(str, models)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=REPOSITORY_ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(folder / "logits.pt")


def extend(model: Path, data: Layout, output: Path, *settings: str) -> Path:
    run_langadapt(
        "extend",
        CONFIGS / "data" / "extend.yaml",
        f"model={model}",
        f"documents={data.root / 'documents'}",
        f"output={output}",
        "new_pieces=400",
        *settings,
    )
    return output / f"{model.stem}_extended.nemo"


def test_old_tokens_have_the_logits_they_had(small_base, prepared, tmp_path) -> None:
    model = extend(small_base, prepared.data, tmp_path / "extended")
    tokenizer = merge.processor(sentencepiece_model(open_checkpoint(small_base)))
    vocabulary = tokenizer.get_piece_size()
    sequences = [tokenizer.encode(text)[:64] for text in sample_texts()[::40]]
    before, after = nemo_logits([small_base, model], sequences, tmp_path)
    assert after.shape[1] >= vocabulary + 300
    assert torch.allclose(after[:, :vocabulary], before[:, :vocabulary], atol=1e-6)


@dataclass(frozen=True)
class Trained:
    """A base that learnt on a tokenizer poor in Hindi, and its extensions."""

    base: Path
    data: Layout
    folder: Path
    extended: dict[str, Path]


SIZES = ("model.encoder_seq_length=128", "model.global_batch_size=8", "model.micro_batch_size=8")
STEPS = 160
FINAL = Path("checkpoints", "megatron_gpt.nemo")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    texts = sample_texts()
    hindi = [text for text in texts if "\u0915" in text]
    (folder / "base.model").write_bytes(train([*(set(texts) - set(hindi)), *hindi[:3]], 1500))
    data = prepare(folder, "base", folder / "base.model")
    run_langadapt(
        "pretrain",
        CONFIGS / "cpt" / "tiny_base.yaml",
        folder / "base.yaml",
        *SMALL_MODEL,
        *SIZES,
        f"trainer.max_steps={STEPS}",
        f"trainer.val_check_interval={STEPS}",
        f"exp_manager.explicit_log_dir={folder / 'run'}",
    )
    base = folder / "run" / FINAL
    extended = {way: extend(base, data, folder / way, f"initialise={way}") for way in ("mean", "aligned")}
    return Trained(base=base, data=data, folder=folder, extended=extended)


def prepare(folder: Path, name: str, tokenizer: Path) -> Layout:
    """The sample corpus by a ready tokenizer, and its blend."""
    data = Layout(folder / f"{name}.data")
    run_langadapt("prep", CONFIGS / "data" / "sample.yaml", f"output_dir={data.root}", f"tokenizer.model={tokenizer}")
    run_langadapt(
        "blend",
        CONFIGS / "data" / "blend_tiny.yaml",
        f"tokens_dir={data.tokens}",
        f"output={folder / name}.yaml",
        "budget_tokens=163840",
    )
    return data


def to_hf(model: Path, folder: Path) -> Path:
    run_langadapt("convert", "to-hf", f"model={model}", f"output={folder}", "parity=false")
    return folder


def hindi_bits_per_byte(trained: Trained, folder: Path, change=lambda model: None) -> float:
    """Of held-out Hindi, by a converted model."""
    texts = [each.text for each in read_shards(find_shards(trained.data.root / "documents")) if each.lang == "hi-Deva"]
    ((_, model, tokenizer),) = open_models({"model": folder})
    change(model)
    sequences = [token_ids(tokenizer, text) for text in texts]
    bits = score(model, sequences, size=128, tokens_per_batch=2048, label="")
    return per_byte(bits, [len(text.encode()) for text in texts])


@pytest.mark.slow
@pytest.mark.long
def test_new_rows_from_old_ones_predict_held_out_hindi_better_than_random_ones(trained) -> None:
    """Before any training on; the order of `mean` and `aligned` is not asserted: it depends on the base."""
    folders = {way: to_hf(model, trained.folder / way / "hf") for way, model in trained.extended.items()}
    bits = {way: hindi_bits_per_byte(trained, folder) for way, folder in folders.items()}

    def randomise(model) -> None:
        old = merge.processor(sentencepiece_model(open_checkpoint(trained.base))).get_piece_size()
        torch.manual_seed(0)
        for table in (model.model.embed_tokens.weight, model.lm_head.weight):
            table.data[old:].normal_(std=0.02)  # as nemo_configs/model/tiny.yaml initialises

    bits["random"] = hindi_bits_per_byte(trained, folders["mean"], randomise)
    print(bits)
    assert max(bits["mean"], bits["aligned"]) < bits["random"] - 0.01, bits


@pytest.mark.slow
@pytest.mark.long
def test_an_extended_model_trains_on_alike_at_tensor_parallel_1_and_2_and_gets_better(trained) -> None:
    folder = trained.folder / "aligned"
    prepare(trained.folder, "extended", folder / "tokenizer.model")
    losses = {}
    for tensor in (1, 2):
        done = run_langadapt(
            "cpt",
            CONFIGS / "cpt" / "tiny.yaml",
            trained.folder / "extended.yaml",
            *SMALL_MODEL,
            *SIZES,
            f"trainer.devices={tensor}",
            f"model.tensor_model_parallel_size={tensor}",
            f"model.make_vocab_size_divisible_by={256 // tensor}",
            "trainer.max_steps=30",
            "trainer.val_check_interval=30",
            "model.optim.sched.warmup_steps=3",
            f"model.restore_from_path={trained.extended['aligned']}",
            f"exp_manager.explicit_log_dir={trained.folder / f'cpt-{tensor}'}",
        )
        losses[tensor] = [float(loss) for loss in re.findall(r"iteration .*lm loss: ([\d.]+)", done.stdout)]
    assert len(losses[1]) > 3, losses
    assert np.allclose(losses[1], losses[2], atol=5e-3), losses
    bits = {
        name: hindi_bits_per_byte(trained, to_hf(model, trained.folder / f"hf-{name}"))
        for name, model in (("before", trained.extended["aligned"]), ("after", trained.folder / "cpt-1" / FINAL))
    }
    print(bits, losses)
    assert bits["after"] < bits["before"] - 0.05, bits
    again = extend(trained.folder / "cpt-2" / FINAL, trained.data, trained.folder / "two")
    stored = open_checkpoint(again)
    pieces = merge.processor(sentencepiece_model(stored)).get_piece_size()
    assert stored.tensors[EMBEDDING].shape[0] == -(-pieces // 256) * 256
