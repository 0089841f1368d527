"""`langadapt plan` on the shipped configurations and on files of every state of completeness."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from recipes import cli
from recipes.config import NEMO_CONFIGS
from tests.conftest import REPOSITORY
from tests.recipes.plan.conftest import LLAMA_1B
from tests.training_inputs import Inputs, make_dataset, make_inputs

SHIPPED = sorted(
    f"{folder}/{path.stem}"
    for folder in ("cpt", "sft", "dpo")
    for path in (NEMO_CONFIGS / folder).glob("*.yaml")
    if path.name[0] != "_"
)


@pytest.fixture
def plan(tmp_path, capsys):
    """Runs the verb; its exit code, what it printed, and the document it wrote."""

    def run(config: str | Path, *words: object) -> tuple[int, str, dict]:
        path = config if isinstance(config, Path) else NEMO_CONFIGS / f"{config}.yaml"
        output = tmp_path / "plan.json"
        code = cli.main(["plan", str(path), *map(str, words), f"output={output}"])
        captured = capsys.readouterr()
        return code, captured.out + captured.err, json.loads(output.read_text()) if output.exists() else {}

    return run


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Inputs:
    return make_inputs(tmp_path_factory.mktemp("tiny"), "tiny", tensor=1, tokens=16 * 256 + 1, examples=24)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_configuration_is_planned_as_it_is(name, plan):
    code, printed, document = plan(name)
    assert code == 0, printed
    assert document["memory"]["fits"]
    assert document["best_layouts"]
    assert "note: " in printed


def test_the_papers_run(plan):
    code, printed, document = plan("cpt/nemotron_mini_4b_hindi", "cluster=a100-80gb", "nodes=16")
    assert code == 0
    assert document["parameters"] == 4_190_509_056
    assert document["parameters_per_rank"] == [2_095_454_208]
    assert (document["gpus"], document["layout"]) == (128, {"tensor": 2, "pipeline": 1, "data": 64})
    assert document["schedule"]["flops"] == pytest.approx(1.0e22, rel=0.02)
    assert document["schedule"]["days"] == pytest.approx(7.3, abs=0.05)
    parts = [document["memory"][name] for name in ("weights", "gradients", "optimizer", "activations", "logits")]
    assert sum(parts) + document["memory"]["workspace"] == document["memory"]["total"]
    assert "24 = tensor 2 x 12" in printed
    assert "fits: 31.5 of 79.1 GiB on the fullest card" in printed


def test_a_plan_needs_no_torch_and_two_seconds_at_most():
    code = (
        "import sys, time; from recipes import cli; code = cli.main(sys.argv[1:]);"
        "print('torch' in sys.modules, code, time.process_time())"
    )
    words = ["plan", "nemo_configs/cpt/nemotron_mini_4b_hindi.yaml", "nodes=16"]
    out = subprocess.check_output([sys.executable, "-c", code, *words], text=True, cwd=REPOSITORY)
    has_torch, exit_code, seconds = out.splitlines()[-1].split()
    assert (has_torch, exit_code) == ("False", "0")
    assert float(seconds) < 2


def test_what_does_not_fit_is_1_with_the_two_cheapest_changes(plan):
    code, printed, document = plan("cpt/nemotron_mini_4b_hindi", "cluster=a100-40gb", "model.micro_batch_size=6")
    assert code == 1
    assert not document["memory"]["fits"]
    assert "does not fit: " in printed
    changes = [change["overrides"] for change in document["changes_that_fit"]]
    assert len(changes) == 2
    for overrides in changes:
        assert f"  add: {' '.join(overrides)}" in printed
        assert plan("cpt/nemotron_mini_4b_hindi", "cluster=a100-40gb", "model.micro_batch_size=6", *overrides)[0] == 0


def test_where_nothing_fits_it_says_what_else_to_change(plan, tmp_path):
    small = tmp_path / "small.yaml"
    small.write_text((NEMO_CONFIGS / "cluster" / "a100-40gb.yaml").read_text().replace("39.4", "5.0"))
    code, printed, _ = plan("cpt/nemotron_mini_4b_hindi", f"cluster={small}")
    assert code == 1
    assert "no layout on these cards fits: more nodes (nodes=N), larger cards, or shorter sequences" in printed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model.tensor_model_parallel_size=16"], "tensor parallel size 16 does not divide num_attention_heads 24"),
        (["model.pipeline_model_parallel_size=64"], "32 layers cannot be cut into 64 equal pipeline stages"),
        (["nodes=5"], "a global batch of 1152 is no multiple of 2 (micro batch) x 20 (data parallel)"),
        (
            ["model.tensor_model_parallel_size=1", "model.micro_batch_size=1"],
            "model.sequence_parallel without tensor parallelism",
        ),
        (["model.optim.sched.warmup_steps=90000"], "leave nothing of 84772 steps to decay in"),
        (["trainer.devices=16"], "16 devices a node; those of NVIDIA A100 80GB SXM have 8"),
        (["nodes=16", "trainer.devices=4"], "nodes=16 means all 8 cards of each"),
        (["model.activations_checkpoint_granularity=most"], "activations_checkpoint_granularity is most"),
        (["model.activations_checkpoint_granularity=full"], "full recomputation needs a method and a number of layers"),
        (["model.virtual_pipeline_model_parallel_size=2"], "2 virtual stages on 1 pipeline rank"),
        (
            [
                "model.virtual_pipeline_model_parallel_size=2",
                "model.pipeline_model_parallel_size=4",
                "model.micro_batch_size=24",
            ],
            "3 micro batches a rank are no multiple of 4 pipeline ranks",
        ),
        (["cluster=b200"], "no cluster b200"),
        (["nodes=0"], "nodes is 0, the least is 1"),
        (["mfu=40"], "mfu is 40.0: a share of the cards' peak"),
        (["cluster=a100-80gb", "model.num_layer=3"], "unknown configuration key for pretrain: model.num_layer"),
        (["langadapt.plan.vocabulary=0"], "vocabulary is 0"),
        (["langadapt.plan.vocabulary=null"], "nothing tells the size of the vocabulary"),
    ],
)
def test_a_broken_rule_is_2_and_says_so(words, said, plan):
    code, printed, document = plan("cpt/nemotron_mini_4b_hindi", *words)
    assert said in printed
    assert (code, document) == (2, {})


def test_dpo_knows_no_virtual_stages(plan):
    code, printed, _ = plan(
        "dpo/nemotron_mini_4b_hindi",
        "model.virtual_pipeline_model_parallel_size=2",
        "model.pipeline_model_parallel_size=2",
    )
    assert code == 2
    assert "NeMo-Aligner's DPO knows no virtual pipeline stages" in printed


def test_a_cluster_of_ones_own_is_read_strictly(plan, tmp_path):
    broken = tmp_path / "mine.yaml"
    broken.write_text((NEMO_CONFIGS / "cluster" / "a100-40gb.yaml").read_text().replace("39.4", "0"))
    code, printed, _ = plan("cpt/nemotron_mini_4b_hindi", f"cluster={broken}")
    assert code == 2
    assert "memory_gib is 0.0" in printed


def test_no_configuration_is_wrong_usage(capsys):
    assert cli.main(["plan"]) == 2
    assert "no configuration to plan" in capsys.readouterr().err


def test_an_architecture_without_a_size_is_named(plan, tmp_path):
    OmegaConf.save(OmegaConf.create({"num_layers": 4, "hidden_size": 64}), tmp_path / "half.yaml")
    code, printed, _ = plan("sft/tiny", f"langadapt.plan.architecture={tmp_path / 'half.yaml'}")
    assert code == 2
    assert "model.ffn_hidden_size is None" in printed


def test_full_recomputation_says_what_the_stated_mfu_then_means(plan):
    words = [f"model.activations_checkpoint_{word}" for word in ("granularity=full", "method=uniform", "num_layers=1")]
    _, printed, document = plan("cpt/nemotron_mini_4b_hindi", *words)
    assert "40% of model FLOPs are 51% of the cards' peak with the 27% that are computed again" in " ".join(
        printed.split()
    )
    assert document["schedule"]["days"] == pytest.approx(7.3, abs=0.05)


def test_the_folder_of_a_hugging_face_tokenizer_may_be_open(plan):
    code, printed, _ = plan("cpt/tiny_base", "model.tokenizer.library=huggingface", "model.tokenizer.type='???'")
    assert code == 0, printed


def test_keys_that_are_absent_altogether_are_open_like_the_others(plan):
    code, printed, _ = plan("cpt/tiny_base", "~model.tokenizer")
    assert code == 0, printed
    assert "tokenizer: no file yet; 4,096 entries (langadapt.plan.vocabulary)" in printed


def test_a_dry_run_writes_nothing(tmp_path, capsys):
    config = str(NEMO_CONFIGS / "cpt" / "nemotron_mini_4b_hindi.yaml")
    assert cli.main(["plan", config, f"output={tmp_path / 'plan.json'}", "--dry-run"]) == 0
    assert "fits: " in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_sft_and_dpo_without_a_checkpoint_or_an_assumption_name_the_key(plan):
    for stage in ("sft", "dpo"):
        code, printed, _ = plan(f"{stage}/tiny", "langadapt.plan.architecture=null")
        assert code == 2
        assert "langadapt.plan.architecture=nemotron_mini_4b" in printed
    code, printed, _ = plan("sft/tiny", "langadapt.plan.architecture=tinny")
    assert code == 2
    assert "no architecture tinny" in printed


def test_a_checkpoint_that_is_there_is_looked_at(plan, tiny):
    for stage in ("sft", "dpo"):
        code, printed, document = plan(f"{stage}/tiny", *tiny.overrides(stage), "langadapt.plan.architecture=null")
        assert code == 0, printed
        assert "no file yet" not in printed
        assert document["vocabulary_rows"] == 512  # of the 320 entries of the tokenizer inside
        assert document["schedule"]["examples"] == 24
    code, printed, _ = plan("sft/tiny", *tiny.overrides("sft"), "model.num_layers=2")
    assert code == 2
    assert "the checkpoint is another model than the configuration: num_layers 4 (here 2)" in printed


def test_epochs_of_examples_follow_from_steps(plan, tiny):
    """40 steps of 8 of 24 conversations; unknown data give no epochs, and steps only where `max_steps` does."""
    _, _, document = plan("sft/tiny", *tiny.overrides("sft"), "trainer.sft.max_epochs=100")
    (source,) = document["sources"]
    assert (source["drawn"], source["epochs"]) == (320, pytest.approx(320 / 24))
    code, printed, document = plan("sft/tiny", "trainer.sft.max_steps=-1")
    assert code == 0
    assert document["schedule"]["steps"] is None
    assert "steps           │ not known: see the notes" in printed


def test_epochs_of_token_datasets_follow_from_their_weights(plan, tiny, tmp_path):
    """200 steps x 8 x 256 tokens, a quarter and three quarters, of 4,097 and 1,000 tokens."""
    other = make_dataset(tmp_path / "more_text_document", tiny.tokenizer, 1000)
    train, held_out = f"[1.0,{tiny.prefix},3.0,{other}]", f"[1.0,{tiny.prefix}]"
    _, _, document = plan(
        "cpt/tiny_base",
        f"model.tokenizer.model={tiny.tokenizer}",
        f"model.data.data_prefix={{train:{train},validation:{held_out},test:{held_out}}}",
    )
    first, second = document["sources"]
    assert (first["name"], first["weight"], first["available"], first["drawn"]) == (str(other), 0.75, 1000, 307_200)
    assert first["epochs"] == pytest.approx(307.2)
    assert second["epochs"] == pytest.approx(102_400 / 4097)


def test_a_list_of_datasets_is_cut_by_the_splits_string(plan, tiny):
    words = [f"model.tokenizer.model={tiny.tokenizer}", f"model.data.data_prefix=[1.0,{tiny.prefix}]"]
    _, _, document = plan("cpt/tiny_base", *words, "model.data.splits_string='50,50,0'")
    assert document["sources"][0]["available"] == 2048


def test_the_plan_of_a_blend_tells_epochs_before_the_data_are_here(plan, tmp_path):
    entry = {
        "prefix": "/data/web_text_document", "source": "web", "lang": "hi-Deva", "kind": "real", "weight": 1.0,
        "tokens_available": 204_800, "tokens_drawn": 409_600, "epochs": 2.0, "max_epochs": 1.5, "why": "",
    }  # fmt: skip
    fragment = tmp_path / "base.yaml"
    blend = ["1.0", entry["prefix"]]
    fragment.write_text(
        OmegaConf.to_yaml(
            OmegaConf.create(
                {"model": {"data": {"data_prefix": dict.fromkeys(("train", "validation", "test"), blend)}}}
            )
        )
    )
    fragment.with_suffix(".json").write_text(json.dumps({"budget_tokens": 409_600, "train": [entry]}))
    code, printed, document = plan("cpt/tiny_base", fragment)
    assert code == 0
    (source,) = document["sources"]
    assert (source["name"], source["epochs"], source["most"]) == ("web.hi-Deva.real", 2.0, 1.5)
    assert "2.00 OVER" in printed
    assert "the blend was planned for" not in printed
    _, printed, _ = plan("cpt/tiny_base", fragment, "trainer.max_steps=100")
    assert "the blend was planned for 409,600 tokens, this run draws 204,800" in printed


def test_datasets_that_are_not_there_are_named(plan):
    code, printed, document = plan(
        "cpt/tiny_base", "model.data.data_prefix={train:[1.0,/no/web],validation:[/no/web],test:[/no/web]}"
    )
    assert code == 0
    assert "token datasets: 1 not there yet (/no/web, ...); their epochs are open" in printed
    assert document["sources"][0]["epochs"] is None


def test_a_tied_gated_llama_on_one_node(plan, tmp_path):
    shape = tmp_path / "llama_1b.yaml"
    own = {**LLAMA_1B, "encoder_seq_length": 4096, "rotary_base": 500_000}
    OmegaConf.save(OmegaConf.create(own), shape)
    words = ["nodes=1", f"langadapt.plan.architecture={shape}", "langadapt.plan.vocabulary=128256"]
    _, _, document = plan("sft/nemotron_mini_4b_hindi", *words)
    assert document["parameters"] == 1_235_814_400  # as published
    assert document["vocabulary_rows"] == 128_256


def test_what_the_formulas_do_not_hold_is_said(plan):
    _, printed, _ = plan("sft/nemotron_mini_4b_hindi", "model.fsdp=true", "model.peft.peft_scheme=lora")
    assert "not modelled: model.fsdp, weights cut over the data-parallel ranks" in printed
    assert "not modelled: model.peft.peft_scheme" in printed
