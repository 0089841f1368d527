"""Hugging Face to .nemo: what NeMo restores at every layout, byte for byte what the folder held, or nothing at all."""

import errno
import json
import os
import shutil
import tarfile
from types import SimpleNamespace

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from data_prep import sentencepiece_model
from data_prep.errors import DataError, LangadaptError, UsageError
from data_prep.files import sha256_file
from recipes import convert
from recipes.checks.checkpoint import check_checkpoint
from recipes.convert import to_hf
from recipes.convert.proof import hf_model
from recipes.convert.proof.parity import ParityFailed
from recipes.convert.reading.checkpoint import open_checkpoint
from recipes.convert.writing import nemo_archive
from recipes.nemo_file import read_model_config, read_tokenizer
from recipes.runtime import ground, inference
from tests.recipes.convert.whole_tensor import read_tensor

LAYOUTS = ("-tp2", "-tp2-by-layer", "-pp2")


@pytest.fixture
def source(tiny, tmp_path):
    """A folder of one's own to damage."""
    shutil.copytree(tiny.hf, tmp_path / "source")
    shutil.copy(tiny.folder / "tokenizer.model", tmp_path / "source")
    return tmp_path / "source"


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out" / "base.nemo"


def run(model, output, *overrides, dry_run=False):
    words = ["action=to-nemo", f"model={model}", f"output={output}", "parity=false", *overrides]
    return convert.main([], words, dry_run=dry_run)


def left_behind(output):
    return sorted(path.name for path in output.parent.iterdir()) if output.parent.exists() else []


def edit_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def edit_weights(folder, change):
    tensors = load_file(folder / "model.safetensors")
    save_file(change(tensors), folder / "model.safetensors", {"format": "pt"})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tiny", "llama"])
def test_nemo_restores_the_file_and_computes_what_transformers_does(back, name):
    certificate = json.loads((back.folder / f"back-{name}.parity.json").read_text())
    assert certificate["max_abs_logit_diff"] < certificate["tolerance"] / 5
    assert (certificate["argmax_agreement"], certificate["gate"]) == (1.0, "whole")
    path = back.folder / f"back-{name}.nemo"
    assert certificate["files"] == {path.name: {"bytes": path.stat().st_size, "sha256": sha256_file(path)}}
    for file, digest in certificate["source_files"].items():
        places = (back.folder / f"hf-{name}" / file, back.folder / file, back.folder / "words" / file)
        assert digest in [sha256_file(place) for place in places if place.is_file()]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tiny", "llama"])
@pytest.mark.parametrize("layout", [".nemo", *LAYOUTS])
def test_the_way_back_gives_the_same_bytes_from_the_file_and_from_what_two_ranks_loaded(back, name, layout, tmp_path):
    """megatron-core refuses a missing key, so the ranks found all; what they hold is what the folder held."""
    words = [f"model={back.folder / f'back-{name}{layout}'}", f"output={tmp_path / 'hf'}", "parity=false"]
    convert.main([], words, dry_run=False)
    first, again = back.folder / f"hf-{name}", tmp_path / "hf"
    assert sha256_file(again / "model.safetensors") == sha256_file(first / "model.safetensors")
    if layout == ".nemo":
        assert (again / "config.json").read_bytes() == (first / "config.json").read_bytes()


@pytest.mark.slow
def test_the_settings_pass_the_checks_of_a_training_run(back):
    ours = read_model_config(back.folder / "back-tiny.nemo", "model")
    theirs = read_model_config(back.folder / "tiny.nemo", "model")
    check_checkpoint(theirs, back.folder / "back-tiny.nemo", "model.restore_from_path")
    assert {key: ours[key] for key in ("target", "nemo_version")} == {
        key: theirs[key] for key in ("target", "nemo_version")
    }


def test_the_tokenizer_lies_inside_and_a_hugging_face_one_is_named_too(tiny, llama, output, capsys):
    run(tiny.hf, output, f"tokenizer={tiny.folder / 'tokenizer.model'}")
    assert read_tokenizer(output, "model") == (tiny.folder / "tokenizer.model").read_bytes()
    run(llama.hf, output.with_stem("llama"))
    section = read_model_config(output.with_stem("llama"), "model").tokenizer
    assert (section.library, section.type, section.use_fast) == ("huggingface", str(llama.hf), True)
    assert (
        f"NeMo reads the tokenizer from {llama.hf}; where that moves: model.tokenizer.type" in capsys.readouterr().out
    )
    with tarfile.open(output.with_stem("llama")) as tar:
        names = {member.name for member in tar}
    assert {"./tokenizer/tokenizer.json", "./tokenizer/tokenizer_config.json"} <= names


def test_rows_of_padding_are_zeros_and_said(source, output, capsys):
    run(source, output)
    assert "1024 rows of embeddings for 1000 tokens (24 rows of zeros added)" in capsys.readouterr().out
    opened = open_checkpoint(output)
    table = read_tensor(opened, "embedding.word_embeddings.weight")
    assert table.shape == (1024, 48)
    assert not table[1000:].any()
    assert torch.equal(table[:1000], load_file(source / "model.safetensors")["model.embed_tokens.weight"])


def test_a_table_is_padded_for_the_tensor_parallel_size_to_come(source, output):
    run(source, output, "make_vocab_size_divisible_by=384")
    assert open_checkpoint(output).tensors["output_layer.weight"].shape[0] == 1152
    assert read_model_config(output, "model").make_vocab_size_divisible_by == 384


def test_large_tensors_are_cut_into_rows_that_read_back(source, output, monkeypatch):
    whole = output.with_stem("whole")
    run(source, whole)
    monkeypatch.setattr(nemo_archive, "CHUNK_BYTES", 5000)
    run(source, output)
    one, many = open_checkpoint(whole), open_checkpoint(output)
    for name, tensor in one.tensors.items():
        assert torch.equal(read_tensor(one, name), read_tensor(many, name))
        assert len(many.tensors[name].chunks) >= len(tensor.chunks)
    assert len(many.tensors["embedding.word_embeddings.weight"].chunks) > 32


def test_a_bin_file_and_a_folder_of_shards_give_the_same_archive(source, output):
    run(source, output)
    tensors = load_file(source / "model.safetensors")
    (source / "model.safetensors").unlink()
    torch.save({name: torch.nn.Parameter(tensor) for name, tensor in tensors.items()}, source / "pytorch_model.bin")
    run(source, output.with_stem("bin"))
    assert sha256_file(output.with_stem("bin")) == sha256_file(output)
    (source / "pytorch_model.bin").unlink()
    names = sorted(tensors)
    for number, part in enumerate((names[::2], names[1::2])):
        save_file({name: tensors[name] for name in part}, source / f"{number}.safetensors")
    index = {name: f"{number}.safetensors" for number, part in enumerate((names[::2], names[1::2])) for name in part}
    (source / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    run(source, output.with_stem("shards"))
    assert sha256_file(output.with_stem("shards")) == sha256_file(output)


def test_a_cast_is_explicit_and_rounds_as_torch_does(source, output):
    run(source, output, "dtype=bf16")
    stored = open_checkpoint(output)
    expected = load_file(source / "model.safetensors")["model.layers.2.mlp.up_proj.weight"].bfloat16()
    assert torch.equal(read_tensor(stored, "decoder.layers.2.mlp.linear_fc1.weight"), expected)
    assert read_model_config(output, "model").precision == "bf16"
    assert json.loads(output.with_suffix(".parity.json").read_text())["source_dtype"] == "float32"


def test_a_value_too_large_for_the_cast_stops_it(source, output):
    edit_weights(source, lambda tensors: {**tensors, "model.norm.bias": torch.full((48,), 1e6)})
    with pytest.raises(DataError, match=r"model\.norm\.bias does not fit: 1e\+06 is too large for float16") as raised:
        run(source, output, "dtype=fp16")
    assert raised.value.fix == "dtype=bf16"
    assert left_behind(output) == []


def test_weights_of_several_types_are_refused_until_one_is_named(source, output):
    edit_weights(source, lambda tensors: {**tensors, "model.norm.bias": tensors["model.norm.bias"].half()})
    with pytest.raises(UsageError, match=r"several types: \d+ float32, 1 float16"):
        run(source, output)
    assert run(source, output, "dtype=fp32") == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: {k: v for k, v in tensors.items() if k != "model.norm.bias"}, "model.norm.bias is missing"),
        (lambda tensors: {**tensors, "lora.weight": torch.zeros(1)}, "this config.json: lora.weight is no part of it"),
        (lambda tensors: {**tensors, "model.norm.bias": torch.zeros(7)}, r"model.norm.bias has shape \[7\], expected"),
    ],
)
def test_folders_with_other_tensors_are_refused_before_anything_is_written(source, output, change, message):
    edit_weights(source, change)
    with pytest.raises(DataError, match=message):
        run(source, output)
    assert left_behind(output) == []


def test_buffers_and_a_tied_head_are_left_out_as_transformers_does_and_said(llama, tmp_path, output, capsys):
    folder = tmp_path / "copy"
    shutil.copytree(llama.hf, folder)
    extra = {"lm_head.weight": torch.ones(1, 1), "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}
    edit_weights(folder, lambda tensors: {**tensors, **extra})
    assert run(folder, output) == 0
    assert "no weights of the model, left out: " in capsys.readouterr().out
    assert "output_layer.weight" not in open_checkpoint(output).tensors


def test_other_architectures_are_refused(source, output):
    edit_config(source, model_type="mamba")
    with pytest.raises(UsageError, match="a model of type 'mamba' cannot be converted"):
        run(source, output)
    edit_config(source, model_type="nemotron", hidden_act="gelu")
    with pytest.raises(UsageError, match="cannot express this Nemotron model: hidden_act=gelu"):
        run(source, output)


def test_a_config_without_a_size_is_refused(source, output):
    path = source / "config.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "hidden_size"}))
    with pytest.raises(DataError, match=r"config\.json says nothing about 'hidden_size'"):
        run(source, output)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_truncated_file_is_refused_before_anything_is_written(source, output, name):
    if name.endswith(".bin"):
        torch.save(load_file(source / "model.safetensors"), source / name)
        (source / "model.safetensors").unlink()
    with (source / name).open("r+b") as file:
        file.truncate(100_000)
    with pytest.raises(DataError, match=r"ends too early: it has 100,000 bytes|weights cannot be read: File is not a"):
        run(source, output)
    assert left_behind(output) == []


def test_a_bin_file_that_would_run_code_is_refused(source, output):
    torch.save({"model.norm.bias": os.system}, source / "pytorch_model.bin")
    (source / "model.safetensors").unlink()
    with pytest.raises(DataError, match=r"it would call posix\.system"):
        run(source, output)


def test_a_full_disk_leaves_nothing(source, output, monkeypatch):
    def fail(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", fail)
    with pytest.raises(LangadaptError, match=r"cannot write the \.nemo: .*No space left on device"):
        run(source, output)
    assert left_behind(output) == []


def test_a_disk_without_room_is_named_before_anything_is_written(source, output, monkeypatch):
    monkeypatch.setattr(to_hf.shutil, "disk_usage", lambda _path: SimpleNamespace(free=1000))
    with pytest.raises(LangadaptError, match=r"takes 0\.0 GB, 0\.0 GB are free"):
        run(source, output)
    assert left_behind(output) == []


def test_the_gate_by_layer_asks_for_room_to_unpack_the_file(source, output, monkeypatch):
    monkeypatch.setattr(ground, "prepare", lambda: None)
    monkeypatch.setattr(ground, "quiet_nemo", lambda: None)
    monkeypatch.setattr(to_hf.shutil, "disk_usage", lambda _path: SimpleNamespace(free=1_500_000))
    assert run(source, output) == 0
    assert 750_000 < output.stat().st_size < 1_500_000
    with pytest.raises(LangadaptError, match=r"0\.0 GB are free"):
        run(source, output.with_stem("other"), "parity=true", "gate=layers")
    assert left_behind(output) == ["base.nemo", "base.parity.json"]


def test_a_killed_conversion_is_started_again_over_what_it_left(source, output):
    output.parent.mkdir()
    (output.parent / ".base.nemo.unfinished").write_bytes(b"half" * 1_000_000)
    assert run(source, output) == 0
    assert left_behind(output) == ["base.nemo", "base.parity.json"]
    assert output.stat().st_size == open_size(output)


def open_size(path):
    return json.loads(path.with_suffix(".parity.json").read_text())["files"][path.name]["bytes"]


def test_the_same_conversion_is_not_done_twice_and_another_one_not_overwritten(source, output, capsys):
    run(source, output)
    before = output.stat().st_mtime_ns
    assert run(source, output) == 0
    assert "done already" in capsys.readouterr().out
    assert output.stat().st_mtime_ns == before
    edit_weights(source, lambda tensors: {**tensors, "model.norm.bias": torch.ones(48)})
    with pytest.raises(UsageError, match="the output file exists and holds a conversion of") as raised:
        run(source, output)
    assert f"output={output.with_stem('base-2')}" in raised.value.fix
    output.with_suffix(".parity.json").unlink()
    with pytest.raises(UsageError, match="holds something that is no conversion"):
        run(source, output)


def test_a_failed_gate_leaves_nothing(source, output, tiny, monkeypatch):
    """The real gate against the trace NeMo left, transformers' model with one norm changed."""
    monkeypatch.setattr(ground, "prepare", lambda: None)
    monkeypatch.setattr(ground, "quiet_nemo", lambda: None)
    monkeypatch.setattr(inference, "nemo_trace", lambda _path, _sequences: tiny.reference)
    assert run(source, output, "parity=true") == 0
    load = hf_model.load_hf

    def changed(folder, rounded):
        model = load(folder, rounded)
        model.model.layers[1].input_layernorm.bias.data += 1
        return model

    monkeypatch.setattr(hf_model, "load_hf", changed)
    with pytest.raises(ParityFailed, match="first in: layer 1"):
        run(source, output.with_stem("other"), "parity=true")
    assert left_behind(output) == ["base.nemo", "base.parity.json"]


def test_the_tokenizer_of_another_model_fails_before_any_model_is_loaded(source, output, monkeypatch):
    """It has as many entries; its pieces stand in another order."""
    monkeypatch.setattr(ground, "prepare", lambda: None)
    monkeypatch.setattr(ground, "quiet_nemo", lambda: None)
    monkeypatch.setattr(hf_model, "load_hf", pytest.fail)
    proto = sentencepiece_model.read_proto((source / "tokenizer.model").read_bytes())
    pieces = [piece for piece in proto.pieces if piece.type == sentencepiece_model.NORMAL]
    words = [piece.piece for piece in pieces]
    for piece, word in zip(pieces, reversed(words), strict=True):
        piece.piece = word
    (source / "tokenizer.model").write_bytes(proto.SerializeToString())
    with pytest.raises(ParityFailed, match=r"tokenizer\.model cuts all 8 texts otherwise than .*tokenizer\.json"):
        run(source, output, "parity=true")
    assert left_behind(output) == []


def test_texts_that_two_tokenizers_of_one_model_cut_otherwise_are_counted(source, output, tiny, monkeypatch, capsys):
    monkeypatch.setattr(ground, "prepare", lambda: None)
    monkeypatch.setattr(ground, "quiet_nemo", lambda: None)
    monkeypatch.setattr(inference, "nemo_trace", lambda _path, _sequences: tiny.reference)
    tokenizer = json.loads((source / "tokenizer.json").read_text())
    rule = {"type": "Replace", "pattern": {"String": "गाँव"}, "content": "गाव"}
    tokenizer["normalizer"] = {"type": "Sequence", "normalizers": [rule, *filter(None, [tokenizer["normalizer"]])]}
    (source / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert run(source, output, "parity=true") == 0
    assert "tokenizer.model cuts 1 of 8 texts otherwise than" in capsys.readouterr().out


def test_dry_run_checks_and_writes_nothing(source, output, capsys):
    assert run(source, output, dry_run=True) == 0
    assert "Nemotron, 4 layers of 48, float32" in capsys.readouterr().out
    assert left_behind(output) == []


def test_what_is_no_model_folder_is_refused(source, output, tmp_path):
    for folder, message in ((tmp_path / "none", "no such folder"), (tmp_path, "it holds no config.json")):
        with pytest.raises(UsageError, match=message):
            run(folder, output)
    with pytest.raises(UsageError, match=r"base\.tar is no \.nemo file"):
        run(source, output.with_suffix(".tar"))
    (source / "model.safetensors").unlink()
    with pytest.raises(UsageError, match="holds no weights"):
        run(source, output)
    (source / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": {"a": "1.bin", "b": "2.bin"}}))
    with pytest.raises(DataError, match=r"2 of 2 files of weights are missing: 1\.bin, 2\.bin"):
        run(source, output)


def test_tokenizers_that_do_not_fit_are_refused(source, output):
    with pytest.raises(UsageError, match="this folder holds no tokenizer that NeMo can read"):
        run_without(source, output, "tokenizer.model", "tokenizer.json")


def run_without(source, output, *names):
    for name in names:
        (source / name).unlink()
    return run(source, output)


def test_the_settings_name_every_key_of_nemos_own_yaml(source, output):
    run(source, output)
    with tarfile.open(output) as tar:
        section = yaml.safe_load(tar.extractfile("./model_config.yaml").read())
    assert {"mcore_gpt", "dist_ckpt_format", "data", "optim", "seq_len_interpolation_factor", "fp8"} <= set(section)
    assert section["tokenizer"]["model"].startswith("nemo:")
