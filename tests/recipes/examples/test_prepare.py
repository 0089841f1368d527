"""A run reads the given file, or a whole one in its run folder; what it cannot learn is refused or kept aside."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from omegaconf import DictConfig, OmegaConf

from data_prep.errors import DataError, UsageError
from data_prep.vocabulary import load as load_tokenizer
from recipes.checks.checkpoint import merged_model
from recipes.config import NEMO_CONFIGS, load
from recipes.examples.jobs import SOURCE_KEYS
from recipes.examples.prepare import SUMMARY, prepare, reads, samples_of
from tests.training_inputs import CHAT, PAIR, Inputs, make_inputs, make_jsonl, make_nemo, model_part

QUESTION, ANSWER = {"role": "user", "content": "नमस्ते"}, {"role": "assistant", "content": "Hello"}
MESSAGES = {"id": "m1", "messages": [QUESTION, ANSWER]}
LONG = {"id": "long", "messages": [QUESTION, {"role": "assistant", "content": "few words " * 200}]}
SFT_FILES = ("model.data.train_ds.file_path", "model.data.validation_ds.file_path")
DPO_FILES = tuple(f"model.data.data_prefix.{split}" for split in ("train", "validation", "test"))


@pytest.fixture(scope="session")
def inputs(tmp_path_factory) -> Inputs:
    return make_inputs(tmp_path_factory.mktemp("inputs"), "tiny", tensor=1, tokens=600, examples=8)


@pytest.fixture
def configured(inputs, tmp_path) -> Callable[..., DictConfig]:
    """The tiny configuration of a stage with changes, its run folder below tmp_path."""

    def make(schema: str, changes: dict[str, object] | None = None) -> DictConfig:
        cfg = load([NEMO_CONFIGS / schema / "tiny.yaml"], inputs.overrides(schema), schema)
        cfg = OmegaConf.create(OmegaConf.to_container(cfg))
        for key, value in ({"exp_manager.explicit_log_dir": str(tmp_path / "run")} | (changes or {})).items():
            OmegaConf.update(cfg, key, value, merge=False, force_add=True)
        return cfg

    return make


def looked_at(cfg: DictConfig, schema: str) -> dict[str, int]:
    return samples_of(cfg, schema, merged_model(cfg, SOURCE_KEYS[schema]))


def rows_file(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def read_rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_aligners_own_files_are_read_where_they_lie(configured, inputs, tmp_path) -> None:
    for schema, file in (("sft", inputs.chat), ("dpo", inputs.pairs)):
        cfg = configured(schema, {"exp_manager.explicit_log_dir": str(tmp_path / schema)})
        assert set(looked_at(cfg, schema).values()) == {8}
        summary = prepare(cfg)
        assert set(reads(tmp_path / schema).values()) == {str(file), str(inputs.heldout[schema])}
        assert summary["outputs"] == {}
        assert [path.name for path in (tmp_path / schema).rglob("*") if path.is_file()] == ["summary.json"]


def test_messages_are_converted_once_and_again_only_if_something_changed(configured, tmp_path) -> None:
    given = rows_file(tmp_path / "chat.jsonl", [MESSAGES] * 3)
    cfg = configured("sft", {SFT_FILES[0]: str(given)})
    assert looked_at(cfg, "sft")["train"] == 3
    prepare(cfg)
    made = tmp_path / "run" / "examples" / "train.jsonl"
    assert reads(tmp_path / "run")["train"] == str(made)
    assert [row["conversations"][1] for row in read_rows(made)] == [{"from": "Assistant", "value": "Hello"}] * 3
    before = made.stat().st_mtime_ns
    assert looked_at(cfg, "sft")["train"] == 3
    prepare(cfg)
    assert made.stat().st_mtime_ns == before
    rows_file(given, [MESSAGES] * 4)
    assert looked_at(cfg, "sft")["train"] == 4
    prepare(cfg)
    assert len(read_rows(made)) == 4


def test_what_a_kill_left_half_done_is_done_again(configured, tmp_path) -> None:
    cfg = configured("sft", {SFT_FILES[0]: str(rows_file(tmp_path / "chat.jsonl", [MESSAGES] * 3))})
    looked_at(cfg, "sft")
    prepare(cfg)
    made = tmp_path / "run" / "examples" / "train.jsonl"
    made.write_text("cut")
    assert looked_at(cfg, "sft")["train"] == 3
    prepare(cfg)
    assert len(read_rows(made)) == 3
    (tmp_path / "run" / SUMMARY).unlink()
    assert looked_at(cfg, "sft")["train"] == 3


def test_compressed_and_several_files_are_joined(configured, tmp_path) -> None:
    plain, packed = rows_file(tmp_path / "a.jsonl", [PAIR] * 2), tmp_path / "b.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    cfg = configured("dpo", {DPO_FILES[0]: [str(plain), str(packed)], DPO_FILES[1]: [1.0, str(plain)]})
    assert looked_at(cfg, "dpo") == {"train": 4, "validation": 2, "test": 8}
    prepare(cfg)
    assert read_rows(tmp_path / "run" / "examples" / "train.jsonl") == [PAIR] * 4
    assert reads(tmp_path / "run")["validation"] == str(plain)


FAULTY = [
    ("sft", "bad_line", {"text": "no conversation"}),
    ("sft", "too_long", LONG),
    ("sft", "nothing_to_learn", {"messages": [{**QUESTION, "content": "few words " * 200}, ANSWER]}),
    ("dpo", "too_long", PAIR | {"rejected_response": "few words " * 200}),
    ("dpo", "nothing_to_learn", PAIR | {"chosen_response": " "}),
    ("dpo", "chosen_equals_rejected", PAIR | {"chosen_response": "bad"}),
]


@pytest.mark.parametrize(
    ("schema", "reason", "row"), FAULTY, ids=[f"{schema} {reason}" for schema, reason, _ in FAULTY]
)
def test_an_example_that_cannot_be_learnt_stops_the_run_or_is_dropped_on_request(
    schema, reason, row, configured, tmp_path
) -> None:
    good, files = (CHAT, SFT_FILES) if schema == "sft" else (PAIR, DPO_FILES)
    given = rows_file(tmp_path / "given.jsonl", [good, row | {"id": "x7"}, good])
    value = str(given) if schema == "sft" else [str(given)]
    with pytest.raises(DataError) as raised:
        looked_at(configured(schema, {files[0]: value}), schema)
    error = raised.value
    assert error.what.startswith("1 of ")
    assert f"cannot be learnt as they are: {reason} 1" in error.what
    assert f"{reason}: {given}:2 (id x7): " in error.where
    assert f"langadapt.examples.{reason}=drop" in error.fix
    assert error.exit_code == 1
    assert not (tmp_path / "run").exists()

    cfg = configured(schema, {files[0]: value, f"langadapt.examples.{reason}": "drop"})
    assert looked_at(cfg, schema)["train"] == 2
    part = prepare(cfg)["splits"]["train"]
    assert (part["read"], part["kept"], part["dropped"]) == (3, 2, {reason: 1})
    assert read_rows(Path(part["reads"])) == [good, good]
    (reject,) = read_rows(tmp_path / "run" / "examples" / "train.rejects.jsonl")
    assert (reject["reason"], reject["action"]) == (reason, "dropped")
    assert reject["where"] == f"{given}:2 (id x7)"
    assert reject["row"] == row | {"id": "x7"}


def test_a_line_that_is_not_json_is_a_bad_line(configured, tmp_path) -> None:
    given = rows_file(tmp_path / "chat.jsonl", [CHAT])
    given.write_bytes(given.read_bytes() + b'{"cut": \xff\n')
    with pytest.raises(DataError, match=r"bad_line 1(.|\n)*chat\.jsonl:2: not UTF-8"):
        looked_at(configured("sft", {SFT_FILES[0]: str(given)}), "sft")


def test_only_the_first_places_are_shown_and_all_are_counted(configured, tmp_path) -> None:
    given = rows_file(tmp_path / "chat.jsonl", [LONG] * 7)
    with pytest.raises(DataError, match=r"7 of 15 examples(.|\n)*too_long: and 2 more") as raised:
        looked_at(configured("sft", {SFT_FILES[0]: str(given)}), "sft")
    assert "langadapt.examples.too_long=truncate cuts them at the end\nmodel.encoder_seq_length=" in raised.value.fix


def test_a_truncated_conversation_is_left_to_upstream_and_listed(configured, tmp_path) -> None:
    row = {**CHAT, "conversations": [CHAT["conversations"][0], {"from": "Assistant", "value": "few words " * 200}]}
    given = rows_file(tmp_path / "chat.jsonl", [CHAT, row])
    cfg = configured("sft", {SFT_FILES[0]: str(given), "langadapt.examples.too_long": "truncate"})
    assert looked_at(cfg, "sft")["train"] == 2
    part = prepare(cfg)["splits"]["train"]
    assert (part["reads"], part["kept"], part["dropped"], part["truncated"]) == (str(given), 2, {}, 1)
    (listed,) = read_rows(tmp_path / "run" / "examples" / "train.rejects.jsonl")
    assert (listed["action"], listed["where"]) == ("truncated", f"{given}:2")


def test_a_truncated_pair_is_one_upstream_learns_from(configured, inputs, tmp_path) -> None:
    from nemo.collections.common.tokenizers.sentencepiece_tokenizer import SentencePieceTokenizer
    from nemo_aligner.data.nlp.datasets import DPOModelDataset

    row = PAIR | {"chosen_response": "नमस्ते दुनिया " * 90, "rejected_response": "few words " * 200}
    hopeless = PAIR | {"prompt": "few words " * 200}
    given = rows_file(tmp_path / "pairs.jsonl", [PAIR, row, hopeless])
    cfg = configured(
        "dpo",
        {
            DPO_FILES[0]: [str(given)],
            "langadapt.examples.too_long": "truncate",
            "langadapt.examples.nothing_to_learn": "drop",
        },
    )
    assert looked_at(cfg, "dpo")["train"] == 2
    part = prepare(cfg)["splits"]["train"]
    assert (part["truncated"], part["dropped"]) == (1, {"nothing_to_learn": 1})
    lines = read_rows(Path(part["reads"]))
    tokenizer, limit = SentencePieceTokenizer(str(inputs.tokenizer)), cfg.model.data.seq_length
    arguments = (OmegaConf.create({"data": {}}), tokenizer, "train", "", np.arange(2), lines, limit, 1)
    cut = DPOModelDataset(*arguments)[1]
    assert not cut["ignore_example"]
    assert limit - 20 < max(cut["chosen_length"], cut["rejected_length"]) <= limit
    assert all(row[name].startswith(lines[1][name]) for name in ("chosen_response", "rejected_response"))


def test_packed_examples_are_counted_in_packs(configured, inputs, tmp_path) -> None:
    changes = {"packed_sequence": True, "micro_batch_size": 1}
    cfg = configured("sft", {f"model.data.train_ds.{key}": value for key, value in changes.items()})
    assert looked_at(cfg, "sft") == {"train": 2, "validation": 8}
    part = prepare(cfg)["splits"]["train"]
    assert (part["kept"], part["samples"]) == (8, 2)
    packs = np.load(part["reads"], allow_pickle=True)
    assert sum(len(pack["seq_start_id"]) for pack in packs) == 8
    assert sum(len(pack["input_ids"]) for pack in packs) == part["tokens"]
    pack = packs[0]
    text = load_tokenizer(inputs.tokenizer).decode(pack["input_ids"][: pack["seq_start_id"][1]])
    assert text.endswith("<extra_id_1>Assistant\nHello\n<extra_id_1>")


def test_a_long_example_is_cut_before_it_is_packed(configured, tmp_path) -> None:
    given = rows_file(tmp_path / "chat.jsonl", [LONG, MESSAGES])
    changes = {"model.data.train_ds.packed_sequence": True, "model.data.train_ds.micro_batch_size": 1}
    cfg = configured("sft", {SFT_FILES[0]: str(given), "langadapt.examples.too_long": "truncate"} | changes)
    assert looked_at(cfg, "sft")["train"] == 2
    packs = np.load(prepare(cfg)["splits"]["train"]["reads"], allow_pickle=True)
    assert max(len(pack["input_ids"]) for pack in packs) == cfg.model.data.train_ds.max_seq_length + 1


@pytest.mark.parametrize(
    ("schema", "changes", "found", "fix"),
    [
        ("sft", {SFT_FILES[0]: "none.jsonl"}, "no file none.jsonl", f"{SFT_FILES[0]}=PATH"),
        ("sft", {"model.data.train_ds.packed_sequence": True}, "one pack at a time", "micro_batch_size=1"),
        ("sft", {"model.data.train_ds.packed_sequence": True, "model.data.train_ds.micro_batch_size": 1,
                 "model.data.train_ds.packed_sequence_return_cu_seqlen": False},
         "would attend to each other", "packed_sequence_return_cu_seqlen=true"),
        ("sft", {"langadapt.examples.template": "none.jinja"}, "chat template none.jinja does not exist", "path"),
        ("sft", {"langadapt.examples.template": "README.md"}, "needs packed examples", "packed_sequence=true"),
        ("sft", {"model.data.chat": False, "langadapt.examples.too_long": "truncate"},
         "cannot be truncated by this rule", "too_long=drop"),
        ("sft", {"model.data.chat": False, "model.data.train_ds.prompt_template": "{output} {input}"},
         "does not end in {output}", "prompt_template='{input} {output}'"),
        ("dpo", {DPO_FILES[2]: ["none.jsonl"]}, "no file none.jsonl", f"{DPO_FILES[2]}=PATH"),
        ("dpo", {DPO_FILES[0]: [0.5, "a.jsonl", 0.5, "b.jsonl"]}, "cannot be weighted", f"{DPO_FILES[0]}=[a.jsonl,b"),
        ("dpo", {"model.data.data_impl": "packed_jsonl"}, "read from JSON lines", "data_impl=jsonl"),
        ("dpo", {"model.data.apply_ftfy": True}, "read from JSON lines", "apply_ftfy=false"),
    ],
)  # fmt: skip
def test_settings_under_which_upstream_would_read_something_else(schema, changes, found, fix, configured) -> None:
    with pytest.raises(UsageError) as raised:
        looked_at(configured(schema, changes), schema)
    assert found in raised.value.what + raised.value.why
    assert fix in raised.value.fix


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("{% for", "is no Jinja template"),
        ("{{ bos_token }}{{ messages[0].content }}", "'bos_token' is undefined"),
        ("{{ messages|length }}{{ add_generation_prompt }}", "is not an addition to its prompt"),
    ],
)
def test_templates_that_cannot_be_used(template, found, configured, tmp_path) -> None:
    (tmp_path / "chat.jinja").write_text(template)
    given = rows_file(tmp_path / "pairs.jsonl", [{"messages": [QUESTION], "chosen": "a", "rejected": "b"}])
    changes = {DPO_FILES[0]: [str(given)], "langadapt.examples.template": str(tmp_path / "chat.jinja")}
    with pytest.raises(UsageError, match=found) as raised:
        looked_at(configured("dpo", changes), "dpo")
    assert "langadapt.examples.template" in raised.value.where


def test_a_checkpoint_without_a_tokenizer_that_can_be_read(configured, inputs, tmp_path) -> None:
    bare = make_nemo(tmp_path / "bare.nemo", model_part("tiny"))
    legacy = model_part("tiny")
    legacy.tokenizer.sentencepiece_legacy = True
    for path in (bare, make_nemo(tmp_path / "legacy.nemo", legacy, inputs.tokenizer)):
        with pytest.raises(UsageError, match="the examples cannot be checked") as raised:
            looked_at(configured("sft", {SOURCE_KEYS["sft"]: str(path)}), "sft")
        assert str(path) in raised.value.where
        assert "sentencepiece_legacy: false" in raised.value.fix


def test_prompts_and_responses_are_counted(configured, tmp_path) -> None:
    plain = make_jsonl(tmp_path / "plain.jsonl", {"input": "a", "output": "b"}, 3)
    cfg = configured("sft", {"model.data.chat": False, **dict.fromkeys(SFT_FILES, str(plain))})
    assert looked_at(cfg, "sft") == {"train": 3, "validation": 3}
