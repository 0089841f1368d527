"""Every kind of source: layouts of one model, run folders, where config and tokenizer come from."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from data_prep.errors import DataError, UsageError
from data_prep.files import sha256_file
from recipes import convert, run_record
from recipes.convert import to_hf
from recipes.convert.reading.checkpoint import open_checkpoint
from recipes.convert.writing import safetensors_file, tokenizers
from recipes.run_record import RunRecord
from tests.recipes.convert.conftest import read

LAYOUTS = ("tp2", "tp2-by-layer", "pp2")


def run(model: Path, output: Path, *overrides: object) -> int:
    return convert.main([], [f"model={model}", f"output={output}", "parity=false", *map(str, overrides)], dry_run=False)


@pytest.mark.parametrize("name", ["tiny", "llama"])
def test_every_layout_of_the_same_weights_gives_the_same_bytes_and_passed_the_gate(made, name):
    folder, _ = made
    one = folder / f"hf-{name}"
    for layout in LAYOUTS:
        other = folder / f"hf-{name}-{layout}"
        assert all(sha256_file(other / path.name) == sha256_file(path)
                   for path in one.iterdir() if path.name != "parity.json")  # fmt: skip
        certificate = json.loads((other / "parity.json").read_text())
        assert certificate["max_abs_logit_diff"] < certificate["tolerance"] / 5
        assert certificate["gate"] in ("whole", "layers")


@pytest.mark.parametrize("name", ["tiny", "llama"])
def test_the_certificate_counts_what_was_converted(made, name):
    model = read(made, name)
    certificate = json.loads((model.hf / "parity.json").read_text())
    weights = load_file(model.hf / "model.safetensors")
    assert certificate["tensors"] == len(weights)
    assert certificate["elements"] == sum(tensor.numel() for tensor in weights.values())
    source = open_checkpoint(model.nemo)
    assert certificate["source_tensors"] == len(source.tensors)
    stored = sum(torch.Size(tensor.shape).numel() for tensor in source.tensors.values())
    tables = 1 if name == "llama" else 2
    assert stored - certificate["elements"] == tables * certificate["padding_rows"] * 48
    assert certificate["architecture"] == {"tiny": "Nemotron", "llama": "Llama"}[name]


def test_a_llama_keeps_its_tied_table_and_its_tokenizer(llama):
    model, info = AutoModelForCausalLM.from_pretrained(llama.hf, output_loading_info=True)
    assert not any(info.values())
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()
    ours, theirs = (AutoTokenizer.from_pretrained(folder) for folder in (llama.hf, llama.folder / "words"))
    assert ours("नमस्ते <|endoftext|>")["input_ids"] == theirs("नमस्ते <|endoftext|>")["input_ids"]
    assert (llama.hf / "tokenizer.json").read_bytes() == (llama.folder / "words" / "tokenizer.json").read_bytes()


@pytest.mark.parametrize(("word", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16), ("fp32", None)])
def test_a_cast_is_what_torch_makes_of_the_weights(tiny, tmp_path, word, dtype):
    run(tiny.folder / "tiny-tp2", tmp_path / "hf", f"dtype={word}")
    whole, cast = load_file(tiny.hf / "model.safetensors"), load_file(tmp_path / "hf" / "model.safetensors")
    assert all(torch.equal(cast[name], tensor.to(dtype or tensor.dtype)) for name, tensor in whole.items())
    certificate = json.loads((tmp_path / "hf" / "parity.json").read_text())
    assert certificate["source_dtype"] == "float32"
    assert json.loads((tmp_path / "hf" / "config.json").read_text())["torch_dtype"] == certificate["dtype"]


def test_finished_files_of_a_killed_conversion_are_taken_over(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(safetensors_file, "SHARD_BYTES", 200_000)
    assert run(tiny.nemo, tmp_path / "whole") == 0
    write, written = safetensors_file.write_shard, []

    def killed(path, *rest):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path.name)
        return write(path, *rest)

    monkeypatch.setattr(safetensors_file, "write_shard", killed)
    with pytest.raises(KeyboardInterrupt):
        run(tiny.nemo, tmp_path / "hf")
    assert not (tmp_path / "hf").exists()
    assert (tmp_path / ".hf.unfinished" / written[1]).exists()
    again = []

    def counted(path, *rest):
        again.append(path.name)
        return write(path, *rest)

    monkeypatch.setattr(safetensors_file, "write_shard", counted)
    capsys.readouterr()
    assert run(tiny.nemo, tmp_path / "hf") == 0
    assert capsys.readouterr().out.count("is there already, from an earlier start") == 2
    assert len(again) > 2
    assert not set(again) & set(written)
    names = {path.name for path in (tmp_path / "whole").iterdir()} - {"parity.json"}
    assert {path.name for path in tmp_path.iterdir()} == {"whole", "hf"}
    assert all(sha256_file(tmp_path / "hf" / name) == sha256_file(tmp_path / "whole" / name) for name in names)


@pytest.fixture
def weights(tiny, tmp_path) -> Path:
    """A checkpoint folder of a run, without anything that says what model it is of."""
    folder = tmp_path / "run" / "checkpoints" / "megatron_gpt--step=4-last"
    shutil.copytree(tiny.folder / "tiny-pp2", folder)
    (folder / "model_config.yaml").unlink()
    next(folder.glob("*_tokenizer.model")).unlink()
    return folder


def config_of(tiny) -> dict:
    section = yaml.safe_load((tiny.folder / "tiny" / "model_config.yaml").read_text())
    return {**section, "tokenizer": {**section["tokenizer"], "model": str(tiny.folder / "tokenizer.model")}}


def test_a_folder_that_nothing_describes_asks_for_its_model_config(tiny, weights, tmp_path):
    with pytest.raises(UsageError, match="nothing says what model") as raised:
        run(weights, tmp_path / "hf")
    assert "model_config=YAML" in raised.value.fix
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"model": config_of(tiny)}))
    assert run(weights, tmp_path / "hf", f"model_config={tmp_path / 'own.yaml'}") == 0
    assert sha256_file(tmp_path / "hf" / "model.safetensors") == sha256_file(tiny.hf / "model.safetensors")


def test_a_final_nemo_beside_it_describes_a_folder(tiny, weights, tmp_path):
    shutil.copy(tiny.nemo, weights.parent)
    assert run(weights, tmp_path / "hf") == 0
    assert sha256_file(tmp_path / "hf" / "tokenizer.json") == sha256_file(tiny.hf / "tokenizer.json")


@pytest.mark.parametrize("stage", ["cpt", "sft", "dpo"])
def test_the_runs_record_describes_a_folder(tiny, weights, tmp_path, stage):
    """Pretraining's config is whole; fine-tuning's names the .nemo it started from."""
    start = {"restore_from_path": str(tiny.nemo)}
    config = {
        "cpt": {"model": config_of(tiny)},
        "sft": {"model": start},
        "dpo": {"model": {}, "pretrained_checkpoint": start},
    }[stage]
    nothing = {"identity": "", "inputs": {}, "layout": {}, "ground": {}, "git": {}}
    record = RunRecord(stage=stage, status="running", config=config, **nothing)
    (tmp_path / "run" / run_record.FILE_NAME).parent.mkdir()
    record.write(tmp_path / "run")
    assert run(weights, tmp_path / "hf") == 0
    assert sha256_file(tmp_path / "hf" / "model.safetensors") == sha256_file(tiny.hf / "model.safetensors")


def test_a_tokenizer_that_has_moved_is_asked_for(tiny, weights, tmp_path):
    section = config_of(tiny)
    section["tokenizer"]["model"] = "/gone/tokenizer.model"
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(section))
    own = f"model_config={tmp_path / 'own.yaml'}"
    with pytest.raises(UsageError, match=r"nor where its config says: /gone/tokenizer\.model") as raised:
        run(weights, tmp_path / "hf", own)
    assert "tokenizer=PATH" in raised.value.fix
    assert run(weights, tmp_path / "hf", own, f"tokenizer={tiny.folder / 'tokenizer.model'}") == 0


def test_a_hugging_face_tokenizer_that_has_moved_is_asked_for_and_must_be_the_same(llama, tmp_path, monkeypatch):
    moved = shutil.copytree(llama.folder / "words", tmp_path / "moved")
    source = open_checkpoint(llama.nemo)
    named = {**source.config["tokenizer"], "type": "/gone"}
    gone = type(source)(**{**vars(source), "config": {**source.config, "tokenizer": named}})
    with pytest.raises(UsageError, match=r"/gone: no tokenizer\.json") as raised:
        tokenizers.find(gone, None)
    assert "tokenizer=FOLDER" in raised.value.fix
    assert tokenizers.find(gone, moved).files["tokenizer.json"] == (moved / "tokenizer.json").read_bytes()
    (moved / "tokenizer.json").write_bytes((moved / "tokenizer.json").read_bytes() + b"\n")
    with pytest.raises(UsageError, match="not the one the model was trained with"):
        tokenizers.find(source, moved)


def test_a_template_beside_is_put_where_transformers_4_reads_it(llama):
    source = tokenizers.find(open_checkpoint(llama.nemo), None)
    files = {**source.files, "chat_template.jinja": b"{{ messages[0].content }}"}
    written = tokenizers.Writing(tokenizers.SourceTokenizer(**{**vars(source), "files": files})).result()
    assert json.loads(written.files["tokenizer_config.json"])["chat_template"] == "{{ messages[0].content }}"
    assert written.stops == [0]


def test_the_tokenizer_is_made_the_same_in_a_process_of_its_own(tiny, monkeypatch):
    """As it is wherever transformers is not loaded yet; what cannot be converted is refused before that."""
    source = tokenizers.find(open_checkpoint(tiny.nemo), None)
    here = tokenizers.Writing(source).result()
    monkeypatch.setattr(tokenizers, "sys", SimpleNamespace(modules={}))
    assert tokenizers.Writing(source).result() == here
    broken = tokenizers.SourceTokenizer(**{**vars(source), "files": {"tokenizer.model": b"no"}, "where": "here"})
    with pytest.raises(UsageError, match="not a SentencePiece model") as raised:
        tokenizers.Writing(broken)
    assert raised.value.where == "here"


@pytest.mark.parametrize(
    ("prepare", "error", "message"),
    [
        (lambda folder: folder.mkdir(), UsageError, r"it has no \.metadata\n"),
        (lambda folder: ((folder / "w").mkdir(parents=True), (folder / "w" / ".zarray").touch()), UsageError, "zarr"),
    ],
    ids=["empty", "zarr"],
)
def test_folders_that_are_no_checkpoint_are_refused(tmp_path, prepare, error, message):
    prepare(tmp_path / "x")
    with pytest.raises(error, match=message):
        open_checkpoint(tmp_path / "x")


def test_a_run_folder_is_answered_with_its_newest_checkpoint(weights):
    with pytest.raises(UsageError) as raised:
        open_checkpoint(weights.parents[1])
    assert raised.value.fix == f"model={weights}"


def test_an_unfinished_checkpoint_is_refused(weights):
    weights.with_name(f"{weights.name}-unfinished").touch()
    with pytest.raises(DataError, match="was not finished when its run stopped"):
        open_checkpoint(weights)


@pytest.mark.parametrize("content", ["[]", "learning_rate: 1", "a: [", None])
def test_what_is_no_model_config_is_refused(weights, tmp_path, content):
    path = tmp_path / "own.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match="not a YAML file with NeMo's model section"):
        open_checkpoint(weights, model_config=path)


def test_files_with_fewer_weights_than_the_checkpoint_are_noticed(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(to_hf.plan, "count_source", lambda *_: 1)
    with pytest.raises(DataError, match="44 tensors with 201,312 weights were written"):
        run(tiny.nemo, tmp_path / "hf")
    assert list(tmp_path.iterdir()) == []
