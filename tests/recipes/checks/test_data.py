"""Tokenizer, token datasets and examples are looked at before anything is loaded."""

from pathlib import Path

import pytest
import sentencepiece

from data_prep.blend.output import tokenizer_keys
from data_prep.layout import append_suffix, receipt_path
from data_prep.vocabulary import load
from recipes.checks.data import (
    check_token_datasets,
    check_tokenizer,
    count_chat_examples,
    count_preferences,
    count_prompt_examples,
    parse_blend,
)
from tests.data_prep import hf_tokenizers
from tests.recipes.checks.conftest import refused
from tests.training_inputs import CHAT, PAIR, make_dataset, make_jsonl, make_nemo, make_tokenizer, model_part

PREFIX = "model.data.data_prefix"
KEY = "model.data.train_ds.file_path"


def blend_of(prefix: Path | str) -> dict[str, object]:
    return {split: [1.0, str(prefix)] for split in ("train", "validation", "test")}


@pytest.mark.parametrize(
    ("value", "blend"),
    [
        ([0.7, "a", 0.3, "b"], [(0.7, "a"), (0.3, "b")]),
        (["30", "a", "70", "b"], [(30.0, "a"), (70.0, "b")]),
        (["a"], [(1.0, "a")]),
        (["a", "b"], [(1.0, "a"), (1.0, "b")]),
    ],
)
def test_blend_is_read_as_megatron_reads_it(value, blend):
    assert parse_blend(value, PREFIX) == blend


@pytest.mark.parametrize("value", ["a", [], [0.5, "a", 0.5], ["a", 0.5], [0.5, 0.5], None])
def test_blend_that_is_no_list_of_weights_and_paths(value):
    error = refused(parse_blend, value, PREFIX)
    assert str(error).startswith(f"{PREFIX} is {value}")
    assert "weights and paths in turn" in error.fix


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf")])
def test_weights_are_positive(weight):
    error = refused(parse_blend, [1.0, "a", weight, "b"], PREFIX)
    assert f"the weight of b is {weight}" in str(error)
    assert "leave the dataset out" in error.fix


def test_tokenizer_that_does_not_exist(tiny, tmp_path):
    error = refused(check_tokenizer, tiny("cpt", {"model.tokenizer.model": str(tmp_path / "none.model")}))
    assert "does not exist" in str(error)
    assert "model.tokenizer.model=" in error.fix
    assert error.exit_code == 2


def test_tokenizer_that_is_no_sentencepiece_model(tiny, tmp_path):
    path = tmp_path / "tokenizer.model"
    path.write_text("{}")
    error = refused(check_tokenizer, tiny("cpt", {"model.tokenizer.model": str(path)}))
    assert "not a SentencePiece model" in str(error)
    assert str(path) in error.where


def test_tokenizer_without_an_end_of_document_token(tiny, tmp_path):
    (tmp_path / "text").write_text("a few words to learn from\n" * 50)
    sentencepiece.SentencePieceTrainer.train(
        input=tmp_path / "text", model_prefix=tmp_path / "no_eod", vocab_size=40, hard_vocab_limit=False,
        eos_id=-1, minloglevel=2,
    )  # fmt: skip
    error = refused(check_tokenizer, tiny("cpt", {"model.tokenizer.model": str(tmp_path / "no_eod.model")}))
    assert "no end-of-document token" in str(error)
    assert "the one the tokens were made with" in error.fix


def test_tokenizer_is_the_checkpoints(tiny, tmp_path):
    other = make_tokenizer(tmp_path / "other.model", vocab_size=330)
    nemo = make_nemo(tmp_path / "base.nemo", model_part("tiny"), other)
    error = refused(check_tokenizer, tiny("cpt", {"model.restore_from_path": str(nemo)}))
    assert f"is not the one of the checkpoint {nemo}" in str(error)
    assert f"tar -xf {nemo}" in error.fix
    check_tokenizer(
        tiny("cpt", {"model.restore_from_path": str(make_nemo(tmp_path / "bare.nemo", model_part("tiny")))})
    )


def hugging_face(file: Path) -> dict[str, object]:
    return {f"model.tokenizer.{name}": value for name, value in tokenizer_keys(file).items()}


def test_a_hugging_face_tokenizer_is_read_and_compared_too(tiny, tmp_path):
    ours = hf_tokenizers.save(hf_tokenizers.byte_level(), tmp_path / "ours") / "tokenizer.json"
    other = hf_tokenizers.save(hf_tokenizers.qwen(), tmp_path / "other") / "tokenizer.json"
    nemo = make_nemo(tmp_path / "base.nemo", model_part("tiny"), other)
    error = refused(check_tokenizer, tiny("cpt", {**hugging_face(ours), "model.restore_from_path": str(nemo)}))
    assert f"is not the one of the checkpoint {nemo}" in str(error)
    assert "--wildcards '*tokenizer.json'" in error.fix
    check_tokenizer(tiny("cpt", {**hugging_face(other), "model.restore_from_path": str(nemo)}))


def test_the_tokenizer_is_the_one_nemo_reads(tiny, inputs, tmp_path):
    ours = hf_tokenizers.save(hf_tokenizers.byte_level(), tmp_path / "ours") / "tokenizer.json"
    other = hf_tokenizers.save(hf_tokenizers.qwen(), tmp_path / "other")
    error = refused(check_tokenizer, tiny("cpt", {"model.tokenizer.model": str(ours)}))
    assert f"NeMo would not read {ours}: its library is sentencepiece, its type None" in str(error)
    assert f'model.tokenizer.library="huggingface" model.tokenizer.model="{ours}"' in error.fix
    error = refused(check_tokenizer, tiny("cpt", {**hugging_face(ours), "model.tokenizer.type": str(other)}))
    assert f"its type {other}" in str(error)
    error = refused(check_tokenizer, tiny("cpt", {"model.tokenizer.library": "huggingface"}))
    assert f"NeMo would not read {inputs.tokenizer}: its library is huggingface" in str(error)


def test_embeddings_have_a_row_for_every_entry(tiny):
    error = refused(check_tokenizer, tiny("cpt", {"model.override_vocab_size": 300}))
    assert "the tokenizer has 320 entries, model.override_vocab_size makes embeddings for 300" in str(error)
    assert error.fix == "~model.override_vocab_size"
    check_tokenizer(tiny("cpt", {"model.override_vocab_size": 512, "model.restore_from_path": None}))


def test_prefix_that_does_not_exist(tiny, tmp_path):
    error = refused(check_token_datasets, tiny("cpt", {PREFIX: blend_of(tmp_path / "none")}))
    assert f"no token dataset {tmp_path / 'none'}: none.bin and none.idx missing" in str(error)
    assert "without .bin or .idx" in error.fix
    assert error.where == f"{PREFIX}.train"


def test_index_without_its_tokens(tiny, inputs, tmp_path):
    prefix = make_dataset(tmp_path / "half", inputs.tokenizer, 5000)
    append_suffix(prefix, ".bin").unlink()
    assert "half.bin missing" in str(refused(check_token_datasets, tiny("cpt", {PREFIX: blend_of(prefix)})))


def test_foreign_index(tiny, inputs, tmp_path):
    prefix = make_dataset(tmp_path / "foreign", inputs.tokenizer, 5000, receipt=False)
    append_suffix(prefix, ".idx").write_bytes(b"TNTIDX\x00\x00" * 8)
    error = refused(check_token_datasets, tiny("cpt", {PREFIX: blend_of(prefix)}))
    assert "not a whole Megatron token dataset" in str(error)
    assert error.exit_code == 1


def test_dataset_that_was_cut_short_after_its_receipt(tiny, inputs, tmp_path):
    prefix = make_dataset(tmp_path / "cut", inputs.tokenizer, 5000)
    tokens = append_suffix(prefix, ".bin")
    tokens.write_bytes(tokens.read_bytes()[:-10])
    error = refused(check_token_datasets, tiny("cpt", {PREFIX: blend_of(prefix)}))
    assert "not what its receipt describes" in str(error)
    assert "cut.receipt.json" in error.where


def test_dataset_of_another_tokenizer(tiny, tmp_path):
    other = make_tokenizer(tmp_path / "other.model", vocab_size=330)
    prefix = make_dataset(tmp_path / "web", other, 5000)
    error = refused(check_token_datasets, tiny("cpt", {PREFIX: blend_of(prefix)}))
    assert "was made with another tokenizer (vocabulary 330, here 320)" in str(error)
    assert "model.tokenizer.model=PATH" in error.fix


def test_tokens_added_beside_a_tokenizer_json_are_another_vocabulary(tiny, tmp_path):
    """Its own hash is the same; transformers gives the added tokens new ids."""
    file = hf_tokenizers.save(hf_tokenizers.byte_level(), tmp_path) / "tokenizer.json"
    prefix = make_dataset(tmp_path / "web", file, 5000)
    receipt = receipt_path(prefix)
    size = load(file).size
    receipt.write_text(receipt.read_text().replace(f'"vocab_size": {size}', f'"vocab_size": {size - 1}'))
    error = refused(check_token_datasets, tiny("cpt", {**hugging_face(file), PREFIX: blend_of(prefix)}))
    assert f"was made with another tokenizer (vocabulary {size - 1}, here {size})" in str(error)


@pytest.mark.parametrize("receipt", [True, False])
def test_ids_are_as_wide_as_the_vocabulary_asks(tiny, inputs, tmp_path, monkeypatch, receipt):
    monkeypatch.setattr("tests.training_inputs.token_dtype", lambda _: "int32")
    wide = make_dataset(tmp_path / "wide", inputs.tokenizer, 5000, receipt=receipt)
    error = refused(check_token_datasets, tiny("cpt", {PREFIX: blend_of(wide)}))
    assert "holds int32 ids; a vocabulary of 320 is stored as uint16" in str(error)
    assert error.where == f"{wide}.idx"


def test_dataset_without_a_receipt_is_taken_at_its_width(tiny, inputs, tmp_path):
    prefix = make_dataset(tmp_path / "web", inputs.tokenizer, 5000, receipt=False)
    check_token_datasets(tiny("cpt", {PREFIX: blend_of(prefix)}))


def test_sequence_longer_than_a_dataset_names_both_numbers(tiny, inputs, tmp_path):
    prefix = make_dataset(tmp_path / "short", inputs.tokenizer, 256)
    changes = {PREFIX: {**blend_of(inputs.prefix), "train": [0.9, str(inputs.prefix), 0.1, str(prefix)]}}
    error = refused(check_token_datasets, tiny("cpt", changes))
    assert f"{prefix} has 256 tokens to train on, one sequence of 256 needs 257" in str(error)
    assert error.fix.startswith("model.encoder_seq_length=255 or less")
    assert error.exit_code == 1


def test_global_batch_larger_than_the_data_names_both_numbers(tiny, inputs):
    error = refused(check_token_datasets, tiny("cpt", {PREFIX: blend_of(inputs.prefix), "model.global_batch_size": 24}))
    assert "the blend has 4097 tokens to train on, one global batch of 24 sequences of 256 needs 6145" in str(error)
    assert error.fix.startswith("model.global_batch_size=15 or less")


def test_held_out_data_may_be_short(tiny, inputs, tmp_path):
    held_out = [1.0, str(make_dataset(tmp_path / "held", inputs.tokenizer, 100))]
    blend = {**blend_of(inputs.prefix), "validation": held_out, "test": held_out}
    check_token_datasets(tiny("cpt", {PREFIX: blend}))


def test_splits_cut_out_of_the_same_dataset_leave_less_to_train_on(tiny, inputs):
    changes = {PREFIX: [1.0, str(inputs.prefix)], "model.data.splits_string": "50,25,25", "model.global_batch_size": 8}
    error = refused(check_token_datasets, tiny("cpt", changes))
    assert "the blend has 2048 tokens to train on" in str(error)
    check_token_datasets(tiny("cpt", {**changes, "model.data.splits_string": "900,50,50"}))


@pytest.mark.parametrize("splits", ["ninety,5,5", "0,0,0", None, "1,1,1,1"])
def test_splits_that_are_no_parts(tiny, inputs, splits):
    changes = {PREFIX: [1.0, str(inputs.prefix)], "model.data.splits_string": splits}
    error = refused(check_token_datasets, tiny("cpt", changes))
    assert f"model.data.splits_string is {splits}" in str(error)
    assert "'900,50,50'" in error.fix


def test_blend_names_all_splits(tiny, inputs):
    error = refused(check_token_datasets, tiny("cpt", {PREFIX: {"train": [1.0, str(inputs.prefix)]}}))
    assert "names no validation and no test data" in str(error)
    assert f"{PREFIX}.validation=[" in error.fix


def test_examples_are_counted(inputs, tmp_path):
    assert count_chat_examples(str(inputs.chat), KEY) == 8
    assert count_preferences([str(inputs.pairs)], PREFIX) == 8
    assert count_preferences([0.5, str(inputs.pairs), 0.5, str(inputs.pairs)], PREFIX) == 16
    assert (
        count_prompt_examples(
            str(make_jsonl(tmp_path / "plain.jsonl", {"input": "a", "output": "b"}, 3)), KEY, "output"
        )
        == 3
    )


def test_examples_that_do_not_exist(tmp_path):
    error = refused(count_chat_examples, str(tmp_path / "none.jsonl"), KEY)
    assert f"no file {tmp_path / 'none.jsonl'}" in str(error)
    assert (error.where, error.exit_code) == (KEY, 2)


@pytest.mark.parametrize(
    ("content", "found"),
    [(b"", "this file is empty"), (b"{oops\n", "not valid JSON"), (b'{"prompt": "\xff"}\n', "not UTF-8")],
)
def test_example_lines_that_cannot_be_read(tmp_path, content, found):
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    error = refused(count_preferences, [str(path)], PREFIX)
    assert found in str(error)
    assert str(path) in error.where


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"system": None}, '"system" (may be "") and "conversations"'),
        ({"conversations": "hello"}, '"system" (may be "") and "conversations"'),
        ({"conversations": [{"from": "User"}]}, 'every turn needs "from" and "value"'),
        ({"mask": "Human"}, 'turns of "Human" (mask)'),
        ({"conversations": [{"from": "User", "value": "alone"}]}, "someone who answers"),
    ],
)
def test_conversations_that_upstream_cannot_use(tmp_path, change, found):
    path = make_jsonl(tmp_path / "chat.jsonl", {**CHAT, **change}, 1)
    error = refused(count_chat_examples, str(path), KEY)
    assert found in str(error)
    assert error.exit_code == 1


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"prompt": ""}, "no prompt"),
        ({"chosen_response": None, "rejected_response": None}, "no chosen_response and no rejected_response"),
        ({"chosen_response": "bad"}, "chosen and rejected response are the same"),
    ],
)
def test_preferences_that_teach_nothing(tmp_path, change, found):
    path = make_jsonl(tmp_path / "pairs.jsonl", {**PAIR, **change}, 1)
    assert found in str(refused(count_preferences, [str(path)], PREFIX))


def test_prompt_examples_need_their_label(tmp_path):
    path = make_jsonl(tmp_path / "plain.jsonl", {"input": "a"}, 1)
    assert 'no key "output" (label_key)' in str(refused(count_prompt_examples, str(path), KEY, "output"))
