"""Every YAML that a verb reads passes that verb's own `--dry-run`, and starts with what a user needs to know."""

import pytest

from data_prep.layout import REPOSITORY_ROOT
from recipes import cli
from tests.conftest import CONFIGS

SAMPLE = REPOSITORY_ROOT / "data_prep" / "sample_corpus"
HERE = sorted(path.relative_to(CONFIGS) for path in CONFIGS.rglob("*.yaml"))


@pytest.fixture
def words(prepared, tmp_path):
    """The settings each data and evaluation config asks for."""
    return {
        "data/sample.yaml": ["prep", f"output_dir={tmp_path / 'data'}"],
        "data/own.yaml": [
            "prep",
            f"output_dir={tmp_path / 'data'}",
            *(f"sources.{index}.path={SAMPLE / f'documents.{lang}.jsonl'}" for index, lang in enumerate(("en", "hi"))),
        ],
        "data/fertility.yaml": [
            "fertility",
            f"documents={prepared.data.root / 'documents'}",
            f"tokenizers.base={prepared.data.tokenizer}",
            f"output={tmp_path / 'fertility.json'}",
        ],
        "data/blend_tiny.yaml": ["blend", f"tokens_dir={prepared.data.tokens}", f"output={tmp_path / 'a.yaml'}"],
        "data/blend_paper.yaml": [
            "blend",
            f"tokens_dir={prepared.data.tokens}",
            f"output={tmp_path / 'c.yaml'}",
            "budget_tokens=200_000",
            "sequence_length=256",
        ],
        "data/blend_tiny_base.yaml": ["blend", f"tokens_dir={prepared.data.tokens}", f"output={tmp_path / 'b.yaml'}"],
    }


ELSEWHERE = ("sources", "extend.yaml", "bengali.yaml", "blend_bengali.yaml")
"""Those of data/sources name files of the hub (tests/data_prep/ingest/test_source_configs.py); extend.yaml needs a
.nemo (tests/recipes/test_extend.py); the Bengali ones run in tests/test_bengali_llama.py."""


@pytest.mark.parametrize(
    "name", [str(path) for path in HERE if path.parts[0] == "data" and path.parts[1] not in ELSEWHERE]
)
def test_data_configs_pass_a_dry_run(name, words, tmp_path) -> None:
    verb, *settings = words[name]
    assert cli.main([verb, str(CONFIGS / name), *settings, "--dry-run"]) == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["cpt/tiny_base.yaml"])
def test_a_training_config_passes_a_dry_run(name, prepared, tmp_path, capsys) -> None:
    folder = f"exp_manager.explicit_log_dir={tmp_path / 'run'}"
    assert cli.main(["pretrain", str(CONFIGS / name), str(prepared.blend), folder, "--dry-run"]) == 0
    assert "config is sound, nothing was started" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [str(path) for path in HERE if path.parts[0] == "eval" and path.name != "judge.yaml"])
def test_an_evaluation_config_passes_a_dry_run(name, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    words = [f"model={folder}", f"output={tmp_path / 'evaluation.json'}"]
    if name == "eval/tiny.yaml":
        words.append("documents=null")
    assert cli.main(["evaluate", str(CONFIGS / name), *words, "--dry-run"]) == 0
    assert "tasks; nothing was run" in capsys.readouterr().out


@pytest.mark.parametrize("path", HERE, ids=str)
def test_every_config_says_what_it_assumes_how_to_launch_it_and_one_override(path) -> None:
    text = (CONFIGS / path).read_text()
    for word in ("Assumes:", "Launch", "Override:"):
        assert word in text
