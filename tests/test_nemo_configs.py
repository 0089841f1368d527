"""Every shipped training configuration composes, is complete, passes its checks and says where values come from."""

import re

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from recipes import checks
from recipes.config import NEMO_CONFIGS, load
from recipes.known_keys import LISTS, known_keys
from recipes.model_shape import padded_vocab_size, parameter_count
from tests.training_inputs import Inputs, make_inputs

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
    return make_inputs(
        tmp_path_factory.mktemp("full"), "nemotron_mini_4b", tensor=2, tokens=1152 * 4096 + 1, examples=65_000
    )


@pytest.fixture
def composed(request, tiny_inputs, full_inputs):
    """A shipped configuration with inputs made for it."""
    path = request.param
    inputs = tiny_inputs if path.stem.startswith("tiny") else full_inputs
    schema = SCHEMA_OF_FOLDER[path.parent.name]
    return path, load([path], inputs.overrides(schema, continued=path.stem != "tiny_base"), schema)


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


@each_config
def test_config_passes_its_checks_where_it_is_meant_to_run(composed):
    path, cfg = composed
    CHECKS[path.parent.name](cfg, has_gpu=not path.stem.startswith("tiny"))


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


@pytest.mark.parametrize(
    "path", sorted(NEMO_CONFIGS.glob("*/nemotron_mini_4b*.yaml")), ids=lambda path: path.parent.name
)
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


def test_tiny_model_has_the_number_of_weights_its_header_says():
    path = NEMO_CONFIGS / "model" / "tiny.yaml"
    count = parameter_count(OmegaConf.load(path), padded_vocab_size(4096, 128, 1))
    assert f"{count:,} weights" in path.read_text(encoding="utf-8")


def test_steps_of_the_hindi_run_are_400_billion_tokens(full_inputs):
    path = NEMO_CONFIGS / "cpt" / "nemotron_mini_4b_hindi.yaml"
    cfg = load([path], full_inputs.overrides("pretrain"), "pretrain")
    tokens_a_step = cfg.model.global_batch_size * cfg.model.encoder_seq_length
    assert cfg.trainer.max_steps == -(-400_000_000_000 // tokens_a_step)
    assert checks.layout(cfg).as_dict() == {"tensor": 2, "pipeline": 1, "data": 64}
