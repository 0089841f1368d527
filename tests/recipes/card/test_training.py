"""What a model read, in tokens and epochs by language and kind, and how it was trained."""

from dataclasses import replace

from recipes.card import facts, training


def test_what_was_read_is_summed_by_language_and_kind_with_epochs_of_what_there_is(records) -> None:
    lines = training.seen_table(records["cpt"].seen).splitlines()
    assert lines[2:] == [
        "| en-Latn | real | 500 | 50 % | 0.50 |",
        "| hi-Deva | real | 400 | 40 % | 2.00 |",
        "| hi-Deva | translated | 100 | 10 % | 0.25 |",
        "| all | real | 900 | 90 % | 0.75 |",
        "| all | translated | 100 | 10 % | 0.25 |",
        "| all | all | 1,000 | 100 % | 0.62 |",
    ]


def test_the_audit_of_a_real_run_adds_up_to_its_batches(real) -> None:
    cells = training.read_of(real.seen["base"])
    assert sum(cell["seen"] for cell in cells.values()) == 4 * 4 * 64  # steps, sequences a batch, tokens


def test_runs_are_followed_back_to_a_base_from_elsewhere(records) -> None:
    runs, base = facts.lineage("dpo", records)
    assert (list(runs), base) == (["cpt", "sft", "dpo"], "nemotron_mini_4b.nemo")


def test_a_run_from_another_checkpoint_is_no_part_of_the_line(records) -> None:
    apart = {**records, "sft": replace(records["sft"], model="/elsewhere/sft.nemo")}
    assert facts.lineage("dpo", apart) == ({"dpo": records["dpo"]}, "m.nemo")


def test_a_run_from_random_weights_has_no_base(real) -> None:
    assert (list(real.runs), real.base) == (["base"], None)


def test_the_weights_are_counted_from_their_headers(real) -> None:
    config = real.config
    heads, groups, width = (config[key] for key in ("num_attention_heads", "num_key_value_heads", "head_dim"))
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    layer = hidden * width * (2 * heads + 2 * groups) + 2 * hidden * inner + 4 * hidden
    expected = 2 * config["vocab_size"] * hidden + config["num_hidden_layers"] * layer + 2 * hidden
    assert real.weights.parameters == expected


def test_hyper_parameters_are_those_of_the_config_the_run_was_given(real) -> None:
    found = training.hyper_parameters_of(real.runs["base"])
    assert (found["optimizer steps"], found["global batch"], found["sequence length"]) == ("4", "4", "64")
    assert (found["peak learning rate"], found["schedule"], found["betas"]) == ("0.002", "CosineAnnealing", "0.9, 0.95")
    assert "KL penalty (beta)" not in found


def test_examples_are_named_by_language_only_where_the_run_read_the_receipts_file(tiny_run, records) -> None:
    receipt = facts.Receipt.load(tiny_run / "data" / "instruct" / "sft.receipt.json")
    read = {"/x/sft.train.jsonl": receipt.outputs["sft.train.jsonl"]["sha256"]}
    same = replace(records["sft"], inputs=read)
    assert facts.examples("sft", same, tiny_run / "data")["hi-Deva"] == {"real": 52, "translated": 6}
    assert facts.examples("sft", records["sft"], tiny_run / "data") is None


def test_dropped_examples_and_epochs_are_counted(adapted) -> None:
    train = {"kept": 90, "samples": 90, "dropped": {"too_long": 8}, "learnt_tokens": 7349}
    runs = {**adapted.runs, "sft": replace(adapted.runs["sft"], examples={"splits": {"train": train}})}
    line = training.examples_table(replace(adapted, runs=runs)).splitlines()[2]
    assert line == "| sft | 90 | too_long 8 | 7,349 | 0.18 |"  # 4 steps of 4


def test_the_share_of_machine_made_text_is_that_of_the_run_that_was_counted(adapted, unmeasured) -> None:
    assert training.synthetic_share(adapted) == 0.1
    assert training.synthetic_share(unmeasured) is None
