"""A Hugging Face tokenizer from the YAML to the fragment NeMo reads."""

from pathlib import Path

import pytest
import yaml
from megatron.core.datasets.indexed_dataset import IndexedDataset

from data_prep import blend, pipeline
from data_prep.errors import UsageError
from data_prep.files import read_shard, sha256_file
from data_prep.layout import REPOSITORY_ROOT, Layout, receipt_path
from data_prep.receipts import Receipt
from data_prep.tokenizer import require_chat_tokens
from data_prep.vocabulary import load
from recipes.config import NEMO_CONFIGS
from recipes.config import load as load_recipe

from . import hf_tokenizers

DATASET = "small.hi-Deva.real"


@pytest.fixture
def prepared(corpus: Path, tmp_path: Path) -> Layout:
    """The small corpus with a tokenizer folder, its chats included: the turn markers are special tokens there."""
    folder = hf_tokenizers.save(hf_tokenizers.byte_level(), tmp_path / "hub")
    assert pipeline.main([corpus], [f"tokenizer.model={folder}"], dry_run=False) == 0
    return Layout(tmp_path / "data")


def test_documents_chats_and_the_fragment_use_it(prepared: Layout, corpus: Path, tmp_path: Path) -> None:
    copied = prepared.tokenizer.with_suffix(".json")
    loaded, prefix = load(copied), prepared.prefix(DATASET, "train")
    tokens = IndexedDataset(str(prefix))
    texts = [each.text for each in read_shard(prepared.document_shard(DATASET, "train", "00000"))]
    assert [loaded.decode(tokens[n].tolist()) for n in range(len(tokens))] == [
        f"{text}{hf_tokenizers.EOD}" for text in texts
    ]
    details = Receipt.load(receipt_path(prefix)).details
    assert details["tokenizer_sha256"] == sha256_file(copied) == sha256_file(tmp_path / "hub" / "tokenizer.json")
    assert (details["vocab_size"], details["eod_id"]) == (loaded.size, loaded.eod_id)
    assert prepared.instruct("sft", "train").is_file()

    output = tmp_path / "blend.yaml"
    config = REPOSITORY_ROOT / "nemo_configs" / "data" / "blend_tiny.yaml"
    words = [f"tokens_dir={prepared.tokens}", f"output={output}", "budget_tokens=2000"]
    assert blend.main([config], words, dry_run=False) == 0
    assert yaml.safe_load(output.read_text())["model"]["tokenizer"] == {
        "library": "huggingface",
        "model": str(copied),
        "type": str(copied.parent),
        "use_fast": True,
    }
    given = [f"exp_manager.explicit_log_dir={tmp_path}/run"]
    cfg = load_recipe([NEMO_CONFIGS / "cpt" / "tiny_base.yaml", output], given, "pretrain")
    assert cfg.model.tokenizer.library == "huggingface"


def test_the_tokenizer_of_an_earlier_run_is_taken_away(prepared: Layout, corpus: Path) -> None:
    assert pipeline.main([corpus], [], dry_run=False) == 0
    assert [path.name for path in sorted(prepared.tokenizer.parent.iterdir())] == [
        "tokenizer.model",
        "tokenizer.model.receipt.json",
    ]


def test_an_edited_settings_file_is_noticed(prepared: Layout, corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = prepared.root.parent / "hub" / "tokenizer_config.json"
    settings.write_text(settings.read_text().replace("{", '{"model_max_length": 5, ', 1))
    capsys.readouterr()
    assert pipeline.main([corpus], [f"tokenizer.model={settings.parent}"], dry_run=False) == 0
    assert "tokenize datasets: " not in capsys.readouterr().out


def test_one_without_turn_markers_cannot_serve_chats_and_one_without_bos_no_bos(corpus: Path, tmp_path: Path) -> None:
    folder = hf_tokenizers.save(hf_tokenizers.unigram(), tmp_path / "hub", {"eos_token": hf_tokenizers.EOD})
    with pytest.raises(UsageError, match=r"cuts <extra_id_0>, <extra_id_1> into pieces"):
        require_chat_tokens(load(folder))
    words = [f"tokenizer.model={folder}", "instruct.chat=null", "instruct.preferences=null", "tokenize.add_bos=true"]
    with pytest.raises(UsageError, match=r"no begin-of-document token(.|\n)*add_bos=true(.|\n)*add_bos=false"):
        pipeline.main([corpus], words, dry_run=True)
