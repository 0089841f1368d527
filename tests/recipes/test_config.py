"""One complete configuration out of files and overrides; every mistake is named with its place."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError

from data_prep.errors import UsageError
from recipes.config import NEMO_CONFIGS, as_yaml, config_hash, load, schema_of

TINY = NEMO_CONFIGS / "cpt" / "tiny_base.yaml"
GIVEN = ["model.tokenizer.model=t.model", "exp_manager.explicit_log_dir=run", "model.data.data_prefix=[1.0,p]"]


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def refused(configs: list[Path], overrides: list[str], schema: str = "pretrain") -> UsageError:
    with pytest.raises(UsageError) as raised:
        load(configs, overrides, schema)
    return raised.value


def test_values_of_files_fragments_and_overrides_in_that_order(tmp_path):
    fragment = written(
        tmp_path / "blend.yaml",
        "model:\n  data:\n    data_prefix: {train: [1.0, a], validation: [b], test: [b]}\n    splits_string: null\n"
        "trainer:\n  max_steps: 7\n  log_every_n_steps: 3\n",
    )
    cfg = load([TINY, fragment], [*GIVEN[:2], "trainer.max_steps=9"], "pretrain")
    assert cfg.model.hidden_size == 192  # model/tiny.yaml
    assert cfg.model.data.data_prefix == {"train": [1.0, "a"], "validation": ["b"], "test": ["b"]}
    assert (cfg.trainer.max_steps, cfg.trainer.log_every_n_steps) == (9, 3)


def test_a_fragment_may_bring_our_own_section(tmp_path):
    fragment = written(tmp_path / "fragment.yaml", "langadapt:\n  monitor:\n    sets: [a]\n")
    assert load([TINY, fragment], GIVEN, "pretrain").langadapt.monitor.sets == ["a"]


def test_interpolations_are_resolved_with_upstreams_functions():
    cfg = load(
        [TINY], [*GIVEN, "model.tensor_model_parallel_size=2", "model.pipeline_model_parallel_size=2"], "pretrain"
    )
    assert cfg.exp_manager.checkpoint_callback_params.model_parallel_size == 4
    assert cfg.model.cpu_offloading_num_layers == 3
    assert "${" not in as_yaml(cfg)


def test_configuration_is_closed_to_new_keys_as_hydra_leaves_it():
    cfg = load([TINY], GIVEN, "pretrain")
    with pytest.raises(ConfigAttributeError):
        cfg.model.num_layer = 3


def test_hash_follows_values_and_not_their_order(tmp_path):
    cfg = load([TINY], GIVEN, "pretrain")
    backwards = OmegaConf.create(dict(reversed(list(OmegaConf.to_container(cfg).items()))))
    assert config_hash(backwards) == config_hash(cfg)
    assert config_hash(load([TINY], [*GIVEN, "model.seed=1"], "pretrain")) != config_hash(cfg)


def test_a_users_file_anywhere_may_pull_ours(tmp_path):
    folder = tmp_path / "मेरा run"
    folder.mkdir()
    mine = written(folder / "mine.yaml", "defaults:\n  - /cpt/tiny_base\n  - _self_\ntrainer:\n  max_steps: 11\n")
    cfg = load([mine], GIVEN, "pretrain")
    assert (cfg.trainer.max_steps, cfg.model.num_layers) == (11, 4)


@pytest.mark.parametrize("override", ["model.rotary_base=5000", "+model.rotary_base=5000", "++model.rotary_base=5000"])
def test_a_key_upstream_reads_needs_no_plus(override):
    assert load([TINY], [*GIVEN, "~model.rotary_base", override], "pretrain").model.rotary_base == 5000


def test_a_mapping_is_merged_and_a_list_replaced():
    cfg = load([TINY], [*GIVEN, "model.optim.sched={min_lr:1e-5}", "model.optim.betas=[0.8,0.9]"], "pretrain")
    assert (cfg.model.optim.sched.min_lr, cfg.model.optim.sched.name) == (1e-5, "CosineAnnealing")
    assert cfg.model.optim.betas == [0.8, 0.9]
    prefix = "model.data.data_prefix={train:[a],validation:[b],test:[c]}"
    assert load([TINY], [*GIVEN, prefix], "pretrain").model.data.data_prefix.train == ["a"]


def test_path_in_devanagari():
    cfg = load([TINY], [*GIVEN, "exp_manager.explicit_log_dir=/होम/डेटा"], "pretrain")
    assert cfg.exp_manager.explicit_log_dir == "/होम/डेटा"


def test_no_configuration_file():
    assert "name one, such as nemo_configs/cpt/tiny.yaml" in str(refused([], []))


@pytest.mark.parametrize("name", ["missing.yaml", "config.txt"])
def test_file_that_is_not_there_or_not_yaml(tmp_path, name):
    written(tmp_path / "config.txt", "a: 1")
    error = refused([tmp_path / name], [])
    assert f"no configuration file {tmp_path / name}" in str(error)
    assert error.exit_code == 2


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"trainer:\n  devices: [1\n", "is not YAML in UTF-8"),
        (b"# \xff\xfe\n", "is not YAML in UTF-8"),
        (b"", "holds no `key: value` lines"),
        (b"- a\n- b\n", "holds no `key: value` lines"),
    ],
)
def test_file_that_is_no_yaml_mapping(tmp_path, content, found):
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    error = refused([path], [])
    assert f"{path} {found}" in str(error)
    assert error.fix


def test_duplicate_key_is_not_silently_the_last_one(tmp_path):
    path = written(tmp_path / "twice.yaml", "trainer:\n  devices: 1\n  devices: 2\n")
    assert "duplicate key devices" in str(refused([path], []))


def test_defaults_that_do_not_exist(tmp_path):
    path = written(tmp_path / "mine.yaml", "defaults:\n  - /model/tinny@model\n")
    error = refused([path], [])
    assert f"Hydra cannot compose {path}" in str(error)
    assert "tinny" in error.where
    assert str(NEMO_CONFIGS) in error.fix


def test_unknown_key_of_the_first_file_is_shown_with_its_line(tmp_path):
    path = written(tmp_path / "mine.yaml", "defaults:\n  - /cpt/tiny_base\n  - _self_\nmodel:\n  num_layer: 3\n")
    error = refused([path], [*GIVEN])
    assert f"model.num_layer  ({path}:5)  did you mean model.num_layers" in error.where
    assert "also_read_pretrain.txt" in error.fix
    assert error.exit_code == 2


def test_unknown_key_of_a_file_that_is_pulled_in_is_shown_there(tmp_path):
    (tmp_path / "part").mkdir()
    part = written(tmp_path / "part" / "wide.yaml", "hidden_size: 8\nhiden_dropout: 0.1\n")
    mine = written(tmp_path / "mine.yaml", "defaults:\n  - /cpt/tiny_base\n  - part/wide@model\n  - _self_\n")
    assert f"model.hiden_dropout  ({part}:2)  did you mean model.hidden_dropout" in refused([mine], GIVEN).where


def test_unknown_keys_of_a_fragment_are_shown_together(tmp_path):
    fragment = written(tmp_path / "blend.yaml", "model:\n  data:\n    data_prefixes: [a]\nseed: 1\n")
    error = refused([TINY, fragment], GIVEN)
    assert "unknown configuration keys for pretrain: model.data.data_prefixes, seed" in str(error)
    assert f"({fragment}:3)  did you mean model.data.data_prefix" in error.where


def test_unknown_keys_of_overrides_are_shown_together():
    error = refused([TINY], [*GIVEN, "++trainer.device=2", "model.optim={nam:adam}", "~model.foo"])
    assert "trainer.device, model.optim.nam, model.foo" in str(error)
    assert "(override ++trainer.device=2)  did you mean trainer.devices" in error.where


def test_dotted_key_in_yaml_is_unknown_because_nobody_reads_it(tmp_path):
    fragment = written(tmp_path / "dots.yaml", "trainer.max_steps: 5\n")
    assert "'trainer.max_steps'" in str(refused([TINY, fragment], GIVEN))


def test_keys_of_another_schema_are_unknown():
    assert "unknown configuration key for pretrain: trainer.sft" in str(refused([TINY], ["trainer.sft.max_steps=1"]))


def test_value_where_a_section_belongs(tmp_path):
    assert "`trainer` is a section of keys" in str(refused([TINY], [*GIVEN, "trainer=1"]))
    fragment = written(tmp_path / "flat.yaml", "model:\n  optim: adam\n")
    error = refused([TINY, fragment], GIVEN)
    assert f"{fragment}:2" in error.where
    assert "model.optim.KEY=VALUE" in error.fix


def test_fragment_may_not_have_a_defaults_list(tmp_path):
    fragment = written(tmp_path / "second.yaml", "defaults:\n  - /cpt/tiny\n")
    error = refused([TINY, fragment], GIVEN)
    assert "`defaults` in a file that is laid over another" in str(error)
    assert "name this file first" in error.fix


def test_override_below_a_list():
    error = refused([TINY], [*GIVEN, "model.data.data_prefix.train=[a]"])
    assert "cannot set `model.data.data_prefix.train`" in str(error)
    assert "set the whole of model.data.data_prefix" in error.fix


def test_removing_what_is_not_set():
    assert "nothing to remove: `model.optim.sched.warmup_ratio`" in str(
        refused([TINY], [*GIVEN, "~model.optim.sched.warmup_ratio"])
    )


def test_removed_key_is_gone():
    assert "sched" not in load([TINY], [*GIVEN, "~model.optim.sched"], "pretrain").model.optim


def test_all_missing_values_are_listed_with_an_example():
    error = refused([NEMO_CONFIGS / "dpo" / "tiny.yaml"], [], "dpo")
    assert "4 mandatory values not set" in str(error)
    for example in (
        "exp_manager.explicit_log_dir=runs/",
        "pretrained_checkpoint.restore_from_path=",
        "data_prefix.train=[",
    ):
        assert example in error.fix


def test_interpolation_that_leads_nowhere(tmp_path):
    fragment = written(tmp_path / "loose.yaml", "trainer:\n  max_steps: ${model.steps}\n")
    error = refused([TINY, fragment], GIVEN)
    assert "the value of `trainer.max_steps` cannot be worked out" in str(error)
    assert "trainer.max_steps=VALUE" in error.fix


def test_file_of_another_stage_or_a_fragment_alone_lacks_what_every_run_needs(tmp_path):
    fragment = written(tmp_path / "blend.yaml", "model:\n  data:\n    data_prefix: [1.0, a]\n")
    error = refused([fragment], [])
    assert "trainer.devices" in str(error)
    assert "model.tokenizer.model=data/tokenizer/tokenizer.model" in error.fix


@pytest.mark.parametrize("text", ["trainer: {devices: '${'}\n", "trainer: {devices: !!python/tuple [1]}\n"])
def test_fragment_that_cannot_be_read(tmp_path, text):
    fragment = written(tmp_path / "odd.yaml", text)
    error = refused([TINY, fragment], GIVEN)
    assert f"{fragment} cannot be laid over the configuration" in str(error)
    assert "correct the file" in error.fix


@pytest.mark.parametrize("text", ["defaults: 5\n", "trainer: {devices: '${'}\n", "null: 1\n"])
def test_first_file_that_hydra_cannot_read(tmp_path, text):
    assert "Hydra cannot compose" in str(refused([written(tmp_path / "odd.yaml", text)], []))


def test_null_where_every_run_needs_a_value():
    assert "1 mandatory value not set: exp_manager.explicit_log_dir" in str(
        refused([TINY], [*GIVEN, "exp_manager.explicit_log_dir=null"])
    )


def test_values_that_may_be_open_become_null_and_others_may_not():
    cfg = load([TINY], [], "pretrain", may_be_open=[*(word.partition("=")[0] for word in GIVEN), "no.such.key"])
    assert cfg.model.tokenizer.model is cfg.exp_manager.explicit_log_dir is cfg.model.data.data_prefix is None
    with pytest.raises(UsageError, match=r"1 mandatory value not set: exp_manager\.explicit_log_dir"):
        load([TINY], [], "pretrain", may_be_open=["model.tokenizer.model", "model.data.data_prefix"])


@pytest.mark.parametrize(("folder", "schema"), [("cpt", "pretrain"), ("sft", "sft"), ("dpo", "dpo")])
def test_a_file_tells_which_of_upstreams_mains_it_is_for(folder, schema, tmp_path):
    assert schema_of(NEMO_CONFIGS / folder / "tiny.yaml") == schema
    own = written(tmp_path / "own.yaml", f"defaults:\n  - /{folder}/tiny\n  - _self_\ntrainer:\n  num_nodes: 2\n")
    assert schema_of(own) == schema


def test_a_file_that_is_not_there_is_for_nothing():
    with pytest.raises(UsageError, match=r"no configuration file nowhere\.yaml"):
        schema_of(Path("nowhere.yaml"))
