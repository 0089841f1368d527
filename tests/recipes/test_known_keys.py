"""The committed key lists are upstream's, line for line, at the pinned versions."""

import importlib.util
from pathlib import Path

import pytest

from recipes.known_keys import LISTS, known_keys

READ_ELSEWHERE = [
    tuple(line.split())
    for path in sorted(LISTS.glob("also_read_*.txt"))
    for line in path.read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]


@pytest.mark.parametrize(("key", "place"), READ_ELSEWHERE, ids=[key for key, _ in READ_ELSEWHERE])
def test_upstreams_code_reads_the_key_where_the_list_says(key, place):
    """Fails when an upstream version moves: then the key may have gone, or have another meaning."""
    file, _, line = place.rpartition(":")
    package, _, inside = file.partition("/")
    root = Path(importlib.util.find_spec(package).submodule_search_locations[0])
    text = (root / inside).read_text(encoding="utf-8").splitlines()[int(line) - 1]
    assert key.removesuffix(".*").rsplit(".", 1)[-1] in text


def test_lists_say_which_upstream_they_are():
    for schema, source in {
        "pretrain": "NeMo v2.1.0 (commit 633cb602777bffefbe12066b0c915c87e7b469e9)",
        "sft": "NeMo-Aligner v0.7.0 (commit 0d72d2829d34c07cd8685348c0f37f6b6b7e5834)",
        "dpo": "NeMo-Aligner v0.7.0 (commit 0d72d2829d34c07cd8685348c0f37f6b6b7e5834)",
    }.items():
        assert source in (LISTS / f"{schema}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("schema", "key", "known"),
    [
        ("pretrain", "model.num_layers", True),
        ("pretrain", "model.optim", True),
        ("pretrain", "model.rotary_base", True),
        ("pretrain", "model.mcore_customization_config.anything", True),
        ("pretrain", "model.data.train_ds.file_path", False),
        ("sft", "model.transformer_engine", True),
        ("sft", "model.data.data_prefix", False),
        ("sft", "trainer.val_check_interval", False),
        ("dpo", "model.encoder_seq_length", True),
        ("dpo", "model.restore_from_path", False),
        ("dpo", "model.data.data_prefix.train", True),
    ],
)
def test_a_schema_knows_what_its_main_reads_and_nothing_else(schema, key, known):
    assert known_keys(schema).has(key) is known


def test_a_section_is_no_value():
    keys = known_keys("pretrain")
    assert keys.is_section("model.optim")
    assert not keys.is_section("model.optim.lr")
    assert not keys.is_section("model.data.data_prefix")


def test_suggestions_look_at_the_name_first_and_the_spelling_next():
    assert known_keys("dpo").suggestions("model.restore_from_path")[:2] == [
        "model.peft.restore_from_path",
        "pretrained_checkpoint.restore_from_path",
    ]
    assert "model.num_layers" in known_keys("pretrain").suggestions("model.num_layer")
    assert known_keys("pretrain").suggestions("zzz") == []
