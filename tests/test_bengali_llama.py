"""Another language on another base: Bengali, a Hugging Face tokenizer and Llama, through prep, blend and training.

The text is made here: sentences of a few subjects, places and verbs. What is protected is that no stage, check or
driver takes Hindi, SentencePiece or Nemotron for granted.
"""

import itertools
import json
from pathlib import Path

import pytest
import yaml

from recipes import cli, run_record
from tests.conftest import CONFIGS, SMALL_RUN
from tests.data_prep import hf_tokenizers

SUBJECTS = ("নদীটি", "আমার বন্ধু", "গ্রামের শিক্ষক", "ছোট মেয়েটি", "বুড়ো মাঝি", "পাশের বাড়ির লোক")
PLACES = ("পাহাড়ের কাছে", "শহরের বাজারে", "সবুজ মাঠের ধারে", "স্কুলের সামনে", "পুরোনো সেতুর নিচে")
VERBS = ("ধীরে ধীরে বয়ে যায়।", "প্রতিদিন সকালে কাজ করে।", "বর্ষার গান শোনায়।", "ধানের খেত দেখে খুশি হয়।")
WHO, WHERE = ("The river", "My friend", "The old teacher", "A small girl"), ("near the hills", "in the town market")
STEPS = 12
SCHEDULE = (
    f"trainer.max_steps={STEPS}",
    f"trainer.val_check_interval={STEPS}",
    "model.optim.sched.warmup_steps=2",
    "model.num_layers=2",
)
ACROSS_LAYOUTS = 5e-5  # tests/recipes/runtime/test_parallel_truth.py


def bengali() -> list[str]:
    """92 documents of four sentences each."""
    sentences = [" ".join(words) for words in itertools.product(SUBJECTS, PLACES, VERBS)]
    return [" ".join(sentences[start::7][:4]) for start in range(len(sentences) - 28)]


def english() -> list[str]:
    """56 documents of two sentences each."""
    sentences = [f"{who} {where} works every morning before the rain." for who, where in itertools.product(WHO, WHERE)]
    return [" ".join(pair) for pair in itertools.permutations(sentences, 2)]


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def blend(tmp_path_factory) -> Path:
    """The fragment of the shipped Bengali preparation and blend, run on text made here."""
    root = tmp_path_factory.mktemp("bengali")
    texts, replayed = bengali(), english()
    tokenizer = hf_tokenizers.save(hf_tokenizers.byte_level(), root / "llama")
    sources = {
        "fineweb2": ("id", texts[:40]),
        "sangraha": ("doc_id", texts[40:70]),
        "wikipedia": ("id", texts[70:]),
        "edu": ("id", replayed),
    }
    paths = [
        write(root / f"{name}.jsonl", [{field: f"{name}-{n}", "text": text} for n, text in enumerate(documents)])
        for name, (field, documents) in sources.items()
    ]
    pairs = zip({sentence for text in replayed for sentence in text.split(". ")}, itertools.cycle(texts), strict=False)
    memory = write(
        root / "memory.jsonl", [{"source": f"{a.rstrip('.')}.", "target": b.split("।")[0] + "।"} for a, b in pairs]
    )
    data, fragment = root / "data", root / "blend.yaml"
    prep = [
        f"output_dir={data}",
        f"tokenizer.model={tokenizer}",
        "workers=1",
        "heldout_fraction=0.2",
        *(f"sources.{place}.path={path}" for place, path in enumerate(paths)),
        f"translate.engine={{use: memory, memory: {{path: {memory}}}}}",
        "perplexity.order=3",
        "perplexity.vocab_size=100",
        "perplexity.heldout_fraction=0.2",
    ]
    assert cli.main(["prep", str(CONFIGS / "data" / "bengali.yaml"), *prep]) == 0
    plan = [
        f"tokens_dir={data / 'tokens'}",
        f"output={fragment}",
        f"budget_tokens={STEPS * 4 * 64}",
        "sequence_length=64",
    ]
    assert cli.main(["blend", str(CONFIGS / "data" / "blend_bengali.yaml"), *plan]) == 0
    return fragment


def test_the_blend_holds_every_kind_of_bengali_and_names_the_hugging_face_tokenizer(blend) -> None:
    plan = json.loads(blend.with_suffix(".json").read_text(encoding="utf-8"))
    kinds = {(entry["lang"], entry["kind"]) for entry in plan["train"]}
    assert kinds == {("en-Latn", "real"), ("bn-Beng", "real"), ("bn-Beng", "translated"), ("bn-Latn", "romanized")}
    assert yaml.safe_load(blend.read_text(encoding="utf-8"))["model"]["tokenizer"]["library"] == "huggingface"


def test_the_full_bengali_config_takes_this_blend_in_a_dry_run(blend, tmp_path, capsys) -> None:
    words = ["pretrain", str(CONFIGS / "cpt" / "llama_3_2_1b_bengali.yaml"), str(blend), "model.restore_from_path=null"]
    sizes = [
        "model.encoder_seq_length=64",
        "model.global_batch_size=16",
        "trainer.max_steps=3",
        "model.optim.sched.warmup_steps=1",
    ]
    assert cli.main([*words, *sizes, f"exp_manager.explicit_log_dir={tmp_path / 'run'}", "--dry-run"]) == 0
    assert "tensor 1 x pipeline 1 x data 8" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.long
def test_a_tiny_llama_learns_and_its_losses_at_tp_2_are_those_of_one_process(blend, langadapt, tmp_path) -> None:
    def train(verb: str, name: str, *overrides: str) -> list[float]:
        folder = tmp_path / name
        overrides += (f"exp_manager.explicit_log_dir={folder}", *SMALL_RUN, *SCHEDULE)
        langadapt(verb, CONFIGS / "cpt" / "tiny_llama.yaml", blend, *overrides)
        return [loss for _, loss in run_record.losses(run_record.read_metrics(folder))]

    base = train("pretrain", "base")
    assert len(base) == STEPS
    assert base[-1] < base[0] - 0.5
    start = f"model.restore_from_path={tmp_path / 'base' / 'checkpoints' / 'megatron_gpt.nemo'}"
    one = train("cpt", "one", start)
    two = train("cpt", "two", start, "trainer.devices=2", "model.tensor_model_parallel_size=2",
                "model.make_vocab_size_divisible_by=128", "model.sequence_parallel=true")  # fmt: skip
    assert one[0] == pytest.approx(base[-1], abs=0.5)
    assert two == pytest.approx(one, abs=ACROSS_LAYOUTS, rel=0)
