"""Every shipped training configuration composes, is complete, passes its checks and says where values come from."""

import re
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from data_prep.errors import UsageError
from recipes import checks, cli
from recipes.config import NEMO_CONFIGS, load
from recipes.known_keys import LISTS, known_keys
from recipes.model_shape import padded_vocab_size, parameter_count
from tests.data_prep import hf_tokenizers
from tests.recipes.tiny_tokenizer import train_tokenizer
from tests.training_inputs import CHAT, PAIR, Inputs, make_inputs, make_jsonl

SCHEMA_OF_FOLDER = {"cpt": "pretrain", "sft": "sft", "dpo": "dpo"}
CHECKS = {"cpt": checks.check_pretrain, "sft": checks.check_sft, "dpo": checks.check_dpo}
RUNNABLE = [
    path
    for folder in SCHEMA_OF_FOLDER
    for path in sorted((NEMO_CONFIGS / folder).glob("*.yaml"))
    if path.name[0] != "_"
]
PARTS = [path for folder in ("model", "ground") for path in sorted((NEMO_CONFIGS / folder).glob("*.yaml"))]
NAMES = [f"{path.parent.name}/{path.stem}" for path in RUNNABLE]

# fused_adam takes no arguments of the distributed optimizer.
LEFT_OUT_ON_CPU = {
    f"model.optim.{name}"
    for name in ("bucket_cap_mb", "overlap_grad_sync", "overlap_param_sync", "contiguous_grad_buffer")
}


@pytest.fixture(scope="module")
def tiny_inputs(tmp_path_factory) -> Inputs:
    return make_inputs(tmp_path_factory.mktemp("tiny"), "tiny", tensor=1, tokens=16 * 256 + 1, examples=8)


@pytest.fixture(scope="module")
def full_inputs(tmp_path_factory) -> Inputs:
    """1,000 entries are padded to the same rows at tensor size 1, 2 and 4, as Nemotron's 256,000 are."""
    folder = tmp_path_factory.mktemp("full")
    tokenizer = folder / "tokenizer.model"
    tokenizer.write_bytes(train_tokenizer())
    return make_inputs(
        folder, "nemotron_mini_4b", tensor=2, tokens=1152 * 4096 + 1, examples=65_000, tokenizer=tokenizer
    )


@pytest.fixture(scope="module")
def llama_inputs(tmp_path_factory) -> Inputs:
    folder = tmp_path_factory.mktemp("llama")
    tokenizer = hf_tokenizers.save(hf_tokenizers.byte_level(), folder) / "tokenizer.json"
    return make_inputs(folder, "llama_3_2_1b", tensor=1, tokens=256 * 4096 + 1, examples=64_000, tokenizer=tokenizer)


FROM_RANDOM_WEIGHTS = ("tiny_base", "tiny_llama")


@pytest.fixture
def overrides(request, tiny_inputs, full_inputs, llama_inputs):
    """Inputs for a shipped configuration, as overrides."""

    def of(path: Path) -> list[str]:
        inputs = {"tiny": tiny_inputs, "nemotron": full_inputs, "llama": llama_inputs}[path.stem.split("_")[0]]
        schema = SCHEMA_OF_FOLDER[path.parent.name]
        return inputs.overrides(schema, continued=path.stem not in FROM_RANDOM_WEIGHTS)

    return of


@pytest.fixture
def composed(request, overrides):
    """A shipped configuration with inputs made for it."""
    path = request.param
    return path, load([path], overrides(path), SCHEMA_OF_FOLDER[path.parent.name])


each_config = pytest.mark.parametrize("composed", RUNNABLE, ids=NAMES, indirect=True)


def flat_keys(node: DictConfig, prefix: str = "") -> set[str]:
    keys = set()
    for name in node:
        value = node._get_node(name)
        inside = isinstance(value, DictConfig) and not value._is_none()
        keys |= flat_keys(value, f"{prefix}{name}.") if inside else {f"{prefix}{name}"}
    return keys


def upstream_keys(schema: str) -> set[str]:
    lines = (LISTS / f"{schema}.txt").read_text(encoding="utf-8").splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def test_every_folder_has_a_tiny_and_a_full_config():
    for folder in SCHEMA_OF_FOLDER:
        assert {f"{folder}/tiny", f"{folder}/nemotron_mini_4b_hindi"} <= set(NAMES)


@pytest.mark.parametrize("path", RUNNABLE, ids=NAMES)
def test_config_passes_its_verbs_dry_run_on_a_machine_without_a_gpu(path, overrides, tmp_path, monkeypatch, capsys):
    """Steps by the thousand draw the stand-in text by the thousand epochs: the limit is lifted."""
    monkeypatch.chdir(tmp_path)
    verb = "pretrain" if path.stem in FROM_RANDOM_WEIGHTS else path.parent.name
    lifted = ["langadapt.draw.max_epochs=1e6"] if verb in {"pretrain", "cpt"} else []
    assert cli.main([verb, str(path), *overrides(path), *lifted, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "config is sound, nothing was started" in said
    assert ("this machine has no GPU; the config is checked for one that has" in said) == (
        not path.stem.startswith("tiny")
    )
    assert not list(tmp_path.iterdir())


@each_config
def test_config_is_complete_for_upstreams_own_main(composed):
    """A key that upstream's YAML has and ours lacks would be an error, or another default, in upstream's code."""
    path, cfg = composed
    keys = flat_keys(cfg)
    sections = {key.rpartition(".")[0] for key in keys}
    missing = upstream_keys(SCHEMA_OF_FOLDER[path.parent.name]) - keys - sections
    assert missing <= (LEFT_OUT_ON_CPU if path.stem.startswith("tiny") else set())


@each_config
def test_every_key_is_one_upstream_reads(composed):
    path, cfg = composed
    known = known_keys(SCHEMA_OF_FOLDER[path.parent.name])
    assert [key for key in flat_keys(cfg) if not known.has(key)] == []


@pytest.mark.parametrize("name", NAMES)
def test_upstreams_hydra_gets_top_level_sections(name):
    """`--config-path nemo_configs --config-name cpt/tiny` composes without a `cpt:` section around it."""
    with initialize_config_dir(config_dir=str(NEMO_CONFIGS), version_base=None):
        cfg = compose(name)
    assert {"trainer", "exp_manager", "model"} <= set(cfg) <= {
        "name", "trainer", "exp_manager", "model", "s3_checkpointing", "pretrained_checkpoint", "precision",
        "langadapt",
    }  # fmt: skip


def test_upstreams_hydra_and_ours_agree(tiny_inputs):
    overrides = tiny_inputs.overrides("pretrain")
    with initialize_config_dir(config_dir=str(NEMO_CONFIGS), version_base=None):
        theirs = compose("cpt/tiny", overrides)
    ours = load([NEMO_CONFIGS / "cpt" / "tiny.yaml"], overrides, "pretrain")
    assert OmegaConf.to_container(theirs, resolve=True) == OmegaConf.to_container(ours)


@pytest.mark.parametrize("path", [*RUNNABLE, *PARTS], ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_config_opens_with_what_it_assumes_how_to_launch_it_and_an_override(path):
    opening = path.read_text(encoding="utf-8").split("\n\n")[0]
    assert all(f"# {word}" in opening for word in ("Assumes:", "Launch", "Override:")), opening
    if path in RUNNABLE:
        assert f"nemo_configs/{path.parent.name}/{path.name}" in opening


FULL = [path for path in sorted(NEMO_CONFIGS.glob("*/*.yaml")) if path.stem.startswith(("nemotron_", "llama_"))]


@pytest.mark.parametrize("path", FULL, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_value_of_a_full_config_says_where_it_comes_from(path):
    """A default must never look like the paper's value."""
    body = path.read_text(encoding="utf-8").rpartition("  - _self_\n")[2]
    values = [line for line in body.splitlines() if re.match(r" *\w+: *[^#\s]", line)]
    unmarked = [line for line in values if not re.search(r"# (paper|card|config|default \(|ours|arithmetic)", line)]
    assert [line.strip() for line in unmarked if not re.search(r"\?\?\?|: null$", line)] == []


def test_nemotron_mini_4b_has_the_published_number_of_weights():
    """4.19 billion (paper); the sum is written out in facts and in docs."""
    model = OmegaConf.load(NEMO_CONFIGS / "model" / "nemotron_mini_4b.yaml")
    assert parameter_count(model, padded_vocab_size(256_000, 128, 2)) == 4_190_509_056


@pytest.mark.parametrize(("name", "vocabulary"), [("tiny", 4096), ("tiny_llama", 4096), ("llama_3_2_1b", 128_256)])
def test_a_model_has_the_number_of_weights_its_header_says(name, vocabulary):
    path = NEMO_CONFIGS / "model" / f"{name}.yaml"
    count = parameter_count(OmegaConf.load(path), padded_vocab_size(vocabulary, 128, 1))
    assert f"{count:,} weights" in path.read_text(encoding="utf-8")


def test_steps_of_the_hindi_run_are_400_billion_tokens(full_inputs):
    path = NEMO_CONFIGS / "cpt" / "nemotron_mini_4b_hindi.yaml"
    cfg = load([path], full_inputs.overrides("pretrain"), "pretrain")
    tokens_a_step = cfg.model.global_batch_size * cfg.model.encoder_seq_length
    assert cfg.trainer.max_steps == -(-400_000_000_000 // tokens_a_step)
    assert checks.layout(cfg).as_dict() == {"tensor": 2, "pipeline": 1, "data": 64}


EXAMPLES = {"sft": {"EN": 2048, "EN_HI": 3072}, "dpo": {"EN": 6400, "EN_HI": 12_800}}
"""Stand-ins for the paper's 200,000 and 260,000, in whole global batches."""


@pytest.fixture(scope="module")
def preparations(tmp_path_factory) -> Path:
    """Folders EN and EN_HI as two runs of `langadapt prep` leave them."""
    root = tmp_path_factory.mktemp("ablation")
    for stage, row in (("sft", CHAT), ("dpo", PAIR)):
        for name, count in EXAMPLES[stage].items():
            (root / name / "instruct").mkdir(parents=True, exist_ok=True)
            make_jsonl(root / name / "instruct" / f"{stage}.train.jsonl", row, count)
    return root


def cells() -> list[list[str]]:
    """The overrides of each row of the README's table of the ablation: SFT's and DPO's."""
    text = (NEMO_CONFIGS / "README.md").read_text(encoding="utf-8").partition("## The paper's ablation")[2]
    rows = [re.findall(r"`(model[.]data[^`]*=[^`]*)`", line) for line in text.partition("\n## ")[0].splitlines()]
    return [row for row in rows if row]


def test_the_ablation_crosses_both_stages():
    assert len({tuple(row) for row in cells()}) == 4
    assert [len({row[stage] for row in cells()}) for stage in (0, 1)] == [2, 2]


@pytest.mark.parametrize("cell", range(4))
@pytest.mark.parametrize("stage", ["sft", "dpo"])
def test_each_run_of_the_ablation_is_one_override_and_as_long_as_its_file(stage, cell, preparations, overrides):
    override = cells()[cell][stage == "dpo"]
    path = NEMO_CONFIGS / stage / "nemotron_mini_4b_hindi.yaml"
    batch = {"sft": 1024, "dpo": 64}[stage]
    steps = EXAMPLES[stage]["EN_HI" if "EN_HI" in override else "EN"] // batch
    found = re.sub(r"\b(EN|EN_HI)/", rf"{preparations}/\1/", override)

    def check(warmup: int) -> None:
        schedule = [f"model.optim.sched.warmup_steps={warmup}", "model.optim.sched.constant_steps=0"]
        CHECKS[stage](load([path], [*overrides(path), found, *schedule], stage), has_gpu=True)

    check(steps - 1)
    with pytest.raises(UsageError, match=f"leave nothing of {steps} steps"):
        check(steps)


@pytest.mark.parametrize(
    ("name", "tokens", "layout"),
    [
        ("nemotron_mini_4b_hindi_8gpu", 20e9, {"tensor": 1, "pipeline": 1, "data": 8}),
        ("nemotron_mini_4b_hindi_40gb", 400e9, {"tensor": 4, "pipeline": 1, "data": 32}),
        ("llama_3_2_1b_bengali", 10e9, {"tensor": 1, "pipeline": 1, "data": 8}),
    ],
)
def test_steps_of_the_other_runs_are_the_budget_their_headers_name(name, tokens, layout, overrides):
    path = NEMO_CONFIGS / "cpt" / f"{name}.yaml"
    cfg = load([path], overrides(path), "pretrain")
    a_step = cfg.model.global_batch_size * cfg.model.encoder_seq_length
    assert cfg.trainer.max_steps == -(-int(tokens) // a_step)
    assert checks.layout(cfg).as_dict() == layout
