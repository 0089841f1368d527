"""The verb: a whole folder or none, nothing done twice, nothing overwritten."""

import errno
import io
import json
import resource
import shutil
import tarfile
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from data_prep.errors import DataError, LangadaptError, UsageError
from data_prep.files import sha256_file
from recipes import cli, convert
from recipes.convert.architectures import tensors
from recipes.convert.proof.parity import ParityFailed
from recipes.convert.writing import safetensors_file
from recipes.runtime import ground, reference


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out" / "hf"


def run(model, output, *overrides, dry_run=False):
    return convert.main([], ["action=to-hf", f"model={model}", f"output={output}", *overrides], dry_run=dry_run)


def rewrite(source, target, change):
    """A copy of a .nemo whose members went through `change(name, content)`; None leaves one out."""
    with tarfile.open(source) as old, tarfile.open(target, "w:") as new:
        for member in old:
            content = old.extractfile(member).read() if member.isfile() else b""
            if not member.isfile() or (content := change(member.name.removeprefix("./"), content)) is None:
                continue
            member.size = len(content)
            new.addfile(member, io.BytesIO(content))
    return target


def with_config(source, target, **changes):
    def change(name, content):
        if name != "model_config.yaml":
            return content
        return yaml.safe_dump({**yaml.safe_load(content), **changes}).encode()

    return rewrite(source, target, change)


def left_behind(output):
    return sorted(path.name for path in output.parent.iterdir()) if output.parent.exists() else []


def test_the_command_leaves_a_folder_with_its_proof(tiny):
    certificate = json.loads((tiny.hf / "parity.json").read_text())
    assert certificate["max_abs_logit_diff"] < certificate["tolerance"] / 10
    assert (certificate["argmax_agreement"], certificate["dtype"]) == (1.0, "float32")
    assert certificate["positions"] == tiny.reference["logits"].shape[0]
    assert certificate["source_sha256"] == sha256_file(tiny.nemo)
    assert certificate["versions"]["megatron-core"] == "0.10.0"
    files = {path.name for path in tiny.hf.iterdir()} - {"parity.json"}
    assert set(certificate["files"]) == files
    for name, facts in certificate["files"].items():
        assert facts == {"bytes": (tiny.hf / name).stat().st_size, "sha256": sha256_file(tiny.hf / name)}
    assert "24 rows of padding left out" in tiny.output


def test_the_folder_is_what_transformers_loads_offline(tiny):
    """Every tensor is there, and none is left over; generation stops at the ends of documents and of turns."""
    model, info = AutoModelForCausalLM.from_pretrained(tiny.hf, output_loading_info=True)
    assert not any(info.values())
    assert (model.config.model_type, model.config.vocab_size, model.dtype) == ("nemotron", 1000, torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(tiny.hf)
    assert tokenizer.model_max_length == 96
    stops = GenerationConfig.from_pretrained(tiny.hf).eos_token_id
    assert tokenizer.convert_ids_to_tokens(stops) == ["</s>", "<extra_id_1>"]
    ids = tokenizer.apply_chat_template([{"role": "user", "content": "नमस्ते"}], add_generation_prompt=True)
    generated = model.generate(torch.tensor([ids]), max_new_tokens=4, do_sample=False)
    assert len(generated[0]) > len(ids)


def test_without_the_gate_the_certificate_says_so(tiny, output, capsys):
    assert run(tiny.nemo, output, "parity=false") == 0
    assert "parity not checked (parity=false)" in capsys.readouterr().out
    certificate = json.loads((output / "parity.json").read_text())
    assert (certificate["max_abs_logit_diff"], certificate["positions"]) == (None, 0)
    names = [path.name for path in tiny.hf.iterdir() if path.name != "parity.json"]
    assert all(sha256_file(output / name) == sha256_file(tiny.hf / name) for name in names)
    assert left_behind(output) == ["hf"]


def test_the_same_conversion_is_not_done_twice(tiny, output, capsys):
    run(tiny.nemo, output, "parity=false")
    before = (output / "parity.json").read_bytes()
    assert run(tiny.nemo, output, "parity=false") == 0
    assert "done already" in capsys.readouterr().out
    assert (output / "parity.json").read_bytes() == before


def test_a_proven_conversion_counts_where_no_proof_is_asked_for(tiny, capsys):
    assert run(tiny.nemo, tiny.hf, "parity=false") == 0
    assert "done already" in capsys.readouterr().out


def test_an_incomplete_folder_of_the_same_checkpoint_is_made_again(tiny, output, capsys):
    run(tiny.nemo, output, "parity=false")
    (output / "model.safetensors").write_bytes(b"")
    (output.parent / ".hf.unfinished").mkdir()
    assert run(tiny.nemo, output, "parity=false") == 0
    assert "done already" not in capsys.readouterr().out
    assert sha256_file(output / "model.safetensors") == sha256_file(tiny.hf / "model.safetensors")
    assert left_behind(output) == ["hf"]


def test_a_conversion_of_another_checkpoint_is_not_overwritten(tiny, output, tmp_path):
    run(tiny.nemo, output, "parity=false")
    other = with_config(tiny.nemo, tmp_path / "other.nemo", seed=8)
    with pytest.raises(UsageError, match=r"holds a conversion of .*tiny\.nemo") as raised:
        run(other, output, "parity=false")
    assert f"output={output}-2" in raised.value.fix


def test_a_folder_of_something_else_is_not_overwritten(tiny, output):
    output.mkdir(parents=True)
    (output / "thesis.txt").write_text("chapter 1")
    with pytest.raises(UsageError, match="something that is no conversion"):
        run(tiny.nemo, output)
    assert (output / "thesis.txt").exists()


def cut_in_three(monkeypatch):
    """All query rows of the fused weight first, then keys, then values: right only for a single group."""
    plan_rows = tensors._query_key_value
    rows = {"q": (0, 96), "k": (96, 32), "v": (128, 32)}

    def wrong(shape, ours, source):
        for tensor in plan_rows(shape, ours, source):
            yield replace(tensor, rows=(rows[tensor.name.removeprefix(ours)[0]],))

    monkeypatch.setattr(tensors, "_query_key_value", wrong)


def test_a_failed_gate_leaves_nothing(tiny, output, monkeypatch):
    """The real gate against the trace NeMo left, with the query-key-value weight cut in three."""
    monkeypatch.setattr(ground, "prepare", lambda: None)
    monkeypatch.setattr(ground, "quiet_nemo", lambda: None)
    monkeypatch.setattr(reference, "trace", lambda _weights, _sequences: tiny.reference)
    assert run(tiny.nemo, output) == 0
    shutil.rmtree(output)
    cut_in_three(monkeypatch)
    with pytest.raises(ParityFailed, match="first in: layer 0") as raised:
        run(tiny.nemo, output)
    assert raised.value.exit_code == 1
    assert left_behind(output) == []


def test_the_environment_is_checked_before_anything_is_written(tiny, output, monkeypatch):
    def refuse():
        raise ground.EnvironmentMismatch("The NeMo set is not the pinned one")

    monkeypatch.setattr(ground, "prepare", refuse)
    monkeypatch.setattr(safetensors_file, "write_shard", pytest.fail)
    with pytest.raises(LangadaptError, match="not the pinned one"):
        run(tiny.nemo, output)
    assert left_behind(output) == []


@pytest.fixture
def limited():
    """Lets no file grow beyond some bytes, as a quota does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_nothing(tiny, output, limited):
    limited(300_000)
    with pytest.raises(LangadaptError, match="cannot write any more: File too large"):
        run(tiny.nemo, output, "parity=false")
    assert left_behind(output) == []


def test_a_disk_too_small_is_seen_before_anything_is_written(tiny, output, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=700_000))
    monkeypatch.setattr(safetensors_file, "write_shard", pytest.fail)
    with pytest.raises(LangadaptError, match=r"takes 0\.0 GB"):
        run(tiny.nemo, output, "parity=false")
    assert left_behind(output) == []


def test_a_folder_that_cannot_be_written_is_named(tiny, output, monkeypatch):
    def fail(*_arguments):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(safetensors_file, "write_shard", fail)
    with pytest.raises(LangadaptError, match=r"cannot write the converted model: .*Input/output error"):
        run(tiny.nemo, output, "parity=false")
    assert left_behind(output) == []


def test_damaged_weights_leave_nothing(tiny, output, tmp_path):
    """The archive is whole and its list of tensors is right, so it shows only when they are read."""
    damaged = rewrite(
        tiny.nemo,
        tmp_path / "damaged.nemo",
        lambda name, content: bytes(len(content)) if name.endswith(".distcp") else content,
    )
    with pytest.raises(DataError, match="damaged"):
        run(damaged, output, "parity=false")
    assert left_behind(output) == []


def test_dry_run_checks_and_writes_nothing(tiny, output, capsys):
    assert run(tiny.nemo, output, dry_run=True) == 0
    assert "4 layers of 48, 1000 tokens" in capsys.readouterr().out
    assert left_behind(output) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activation": "gelu"}, "not a Nemotron model: activation=gelu"),
        ({"num_layers": 5}, r"decoder\.layers\.4\..* is missing"),
        ({"ffn_hidden_size": 96}, r"linear_fc1.weight has shape \[144, 48\], expected \[96, 48\]"),
    ],
)
def test_checkpoints_that_are_no_nemotron_are_refused_before_anything_is_written(
    tiny, output, tmp_path, changes, message
):
    wrong = with_config(tiny.nemo, tmp_path / "wrong.nemo", **changes)
    with pytest.raises(LangadaptError, match=message):
        run(wrong, output)
    assert left_behind(output) == []


def test_a_checkpoint_without_its_tokenizer_is_refused(tiny, output, tmp_path):
    bare = rewrite(
        tiny.nemo,
        tmp_path / "bare.nemo",
        lambda name, content: None if name.endswith("tokenizer.model") else content,
    )
    with pytest.raises(UsageError, match="the tokenizer is neither in the checkpoint nor"):
        run(bare, output)


def test_usage_errors_have_exit_code_2_and_no_stack_trace(tmp_path, capsys):
    assert cli.main(["convert", "to-hf", f"model={tmp_path / 'no.nemo'}", "output=x"]) == 2
    assert "there is no such checkpoint" in capsys.readouterr().err
    assert cli.main(["convert", "to-hf", "modle=a.nemo", "output=x"]) == 2
    assert "did you mean 'model'?" in capsys.readouterr().err
