"""The verb on a real .nemo. What NeMo makes of the result is in test_extend_trains_on.py."""

import errno
import json
import shutil
from collections import Counter

import numpy as np
import pytest
import torch

from data_prep.errors import DataError, UsageError
from data_prep.receipts import Receipt
from data_prep.vocabulary_extension import merge, mixtures
from data_prep.vocabulary_extension.merge import Extension
from recipes import cli, extend
from recipes.convert.architectures.tensors import EMBEDDING
from recipes.convert.reading.checkpoint import open_checkpoint
from recipes.convert.writing.tokenizers import sentencepiece_model
from recipes.runtime import vocabulary
from tests.conftest import CONFIGS, run_langadapt
from tests.recipes.convert.whole_tensor import read_tensor
from tests.training_inputs import make_nemo, make_tokenizer, model_part

CONFIG = CONFIGS / "data" / "extend.yaml"
OUTPUT_LAYER = "output_layer.weight"


@pytest.fixture(scope="module")
def words(prepared, small_base, tmp_path_factory):
    """The command line of one extension."""
    output = tmp_path_factory.mktemp("extended")
    return [
        "extend",
        str(CONFIG),
        f"model={small_base}",
        f"documents={prepared.data.root / 'documents'}",
        f"output={output}",
        "initialise=mean",
        "new_pieces=300",
    ]


@pytest.fixture(scope="module")
def extended(words, tmp_path_factory):
    """What it leaves."""
    run_langadapt(*words)
    return tmp_path_factory.getbasetemp() / words[4].removeprefix("output=")


@pytest.fixture(scope="module")
def model(extended):
    return extended / "megatron_gpt_extended.nemo"


def tables(path):
    checkpoint = open_checkpoint(path)
    return checkpoint, {name: read_tensor(checkpoint, name) for name in (EMBEDDING, OUTPUT_LAYER)}


def test_every_old_weight_is_kept_and_new_rows_are_the_mixture(small_base, model) -> None:
    (base, old), (after, new) = tables(small_base), tables(model)
    for name in base.tensors.keys() - old.keys():
        assert torch.equal(read_tensor(base, name), read_tensor(after, name)), name
    before, vocabulary = sentencepiece_model(base), merge.processor(sentencepiece_model(base)).get_piece_size()
    tokenizer = merge.processor(sentencepiece_model(after))
    pieces = tuple(tokenizer.id_to_piece(index) for index in range(vocabulary, tokenizer.get_piece_size()))
    mixture = mixtures.mean(Extension(base=before, model=sentencepiece_model(after), pieces=pieces, left_out=Counter()))
    for name, table in new.items():
        kept = old[name][:vocabulary]
        assert torch.equal(table[:vocabulary], kept)
        expected = mixture @ kept.numpy()
        assert np.allclose(table[vocabulary : vocabulary + len(pieces)].numpy(), expected, atol=1e-7)
        assert torch.allclose(table[vocabulary + len(pieces) :], kept.mean(dim=0))
        assert len(table) % base.config["make_vocab_size_divisible_by"] == 0


def test_the_settings_of_the_saved_run_are_kept(small_base, model) -> None:
    before, after = (dict(open_checkpoint(path).config) for path in (small_base, model))
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert changed == {"tokenizer"}
    assert before["tokenizer"] | {"model": None} == after["tokenizer"] | {"model": None}


def test_the_tokenizer_lies_beside_the_model_and_in_it(extended, model) -> None:
    assert (extended / "tokenizer.model").read_bytes() == sentencepiece_model(open_checkpoint(model))
    assert sorted(path.name for path in extended.iterdir()) == [
        "extend.receipt.json",
        "megatron_gpt_extended.nemo",
        "tokenizer.model",
    ]


def test_the_receipt_counts_pieces_and_measures_held_out_text(extended, small_base) -> None:
    receipt = Receipt.load(extended / "extend.receipt.json")
    assert receipt.counts["asked"] == 300
    assert receipt.counts["added"] == 300 - sum(receipt.counts["left_out"].values()) > 100
    before, after = (receipt.details["vocabulary"][when] for when in ("before", "after"))
    assert after - before == receipt.counts["added"]
    hindi, english = (receipt.details["heldout"][lang] for lang in ("hi-Deva", "en-Latn"))
    assert hindi["tokens_per_word"]["after"] < hindi["tokens_per_word"]["before"]
    assert english["replaced_share"] < 0.01
    assert receipt.broken_output(extended) is None
    assert any(name.endswith(small_base.name) for name in receipt.inputs)


def test_what_is_done_is_not_done_again_and_other_settings_are(words, extended, capsys) -> None:
    assert cli.main(words) == 0
    assert f"extend: done already, {extended}" in capsys.readouterr().out
    assert cli.main([*words, "new_pieces=301", "--dry-run"]) == 0
    assert "at most 301 pieces for hi-Deva, learnt on" in capsys.readouterr().out


def test_the_shipped_config_passes_a_dry_run_and_writes_nothing(words, tmp_path) -> None:
    assert cli.main([*words[:4], f"output={tmp_path / 'new'}", "--dry-run"]) == 0
    assert not list(tmp_path.iterdir())


def refusal(words, *overrides):
    settings = extend.load(extend.ExtendSettings, [CONFIG], [*words[2:], *overrides])
    return extend.Plan.prepare(settings)


@pytest.mark.parametrize("name", ["new_pieces", "max_characters"])
def test_a_number_below_one_is_refused(words, name) -> None:
    with pytest.raises(UsageError, match=f"{name} is 0, the least is 1"):
        refusal(words, f"{name}=0")


def test_a_language_without_train_documents_is_refused_by_those_that_are_there(words) -> None:
    with pytest.raises(UsageError, match="there are no train documents in mr-Deva") as refused:
        refusal(words, "lang=mr-Deva")
    assert refused.value.why == "the languages there: en-Latn, hi-Deva, hi-Latn"
    assert refused.value.fix == "lang=en-Latn"


def test_a_folder_without_train_documents_is_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match="there are no train documents in hi-Deva") as refused:
        extend.find_train_shards(tmp_path, "hi-Deva")
    assert refused.value.fix == "documents=DIR/documents of `langadapt prep`"


def test_a_base_whose_tokenizer_is_another_library_is_refused(words, tmp_path, small_base) -> None:
    nemo = make_nemo(tmp_path / "base.nemo", model_part("tiny"), make_tokenizer(tmp_path / "tokenizer.model"))
    with pytest.raises(UsageError, match=r"no model_weights/\.metadata"):
        refusal(words, f"model={nemo}")


def test_a_text_without_a_new_piece_is_an_error_and_leaves_nothing(words, tmp_path, prepared) -> None:
    """English in the place of Hindi has no word of the script."""
    documents = tmp_path / "documents"
    shutil.copytree(prepared.data.root / "documents" / "sample.en-Latn.real", documents / "sample.hi-Deva.real")
    plan = refusal(words, f"documents={documents}", f"output={tmp_path / 'new'}")
    with pytest.raises(DataError, match="no new piece occurs 2 times in") as refused:
        plan.extension()
    assert "lang=hi-Deva" in refused.value.where
    assert not (tmp_path / "new").exists()


def test_a_model_that_cannot_be_written_leaves_nothing_behind(words, tmp_path, monkeypatch) -> None:
    def fail(_source, output, **_settings) -> None:
        output.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device", str(output))

    monkeypatch.setattr(vocabulary, "extend", fail)
    with pytest.raises(OSError, match="No space left"):
        refusal(words, f"output={tmp_path}").write_model(np.ones((1, 2)))
    assert not list(tmp_path.iterdir())


def test_what_was_asked_is_what_was_added_and_left_out() -> None:
    extension = Extension(base=b"", model=b"", pieces=("a", "b"), left_out=Counter(unreachable=3))
    counts = extend.count_pieces(9, extension)
    assert counts == {"asked": 9, "added": 2, "left_out": {"too_rare": 4, "unreachable": 3}}


def test_a_receipt_is_json_a_person_reads(extended) -> None:
    assert json.loads((extended / "extend.receipt.json").read_text())["details"]["initialise"] == "mean"
