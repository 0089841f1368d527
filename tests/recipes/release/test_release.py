"""The verb: a folder that could be pushed as it is, and nothing else."""

import json
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, ModelCard
from huggingface_hub.utils import filter_repo_objects

from recipes import cli
from recipes.release import contents
from tests.recipes.snippets import run_snippet

FILES = [
    *(".gitattributes", "README.md", "SHA256SUMS", "config.json", "evaluation.json", "generation_config.json"),
    *("model.safetensors", "parity.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"),
]


@pytest.fixture
def carded(work) -> Path:
    """A run with its cards."""
    assert cli.main(["card", str(work)]) == 0
    return work


def release(work: Path, *words: str) -> int:
    return cli.main(["release", str(work), "--out", str(work / "release"), *words])


def edit_json(path: Path, **changes) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture
def released(carded) -> Path:
    assert release(carded) == 0
    return carded / "release"


def test_transformers_loads_the_folder_offline_and_generates(released, tmp_path) -> None:
    assert sorted(path.name for path in released.iterdir()) == FILES
    moved = released.rename(tmp_path / "elsewhere")
    run_snippet(moved / "README.md", tmp_path)


def test_the_hubs_client_takes_every_file(released) -> None:
    names = [path.name for path in released.iterdir()]
    assert sorted(filter_repo_objects(names)) == FILES
    for name in names:
        CommitOperationAdd(path_in_repo=name, path_or_fileobj=str(released / name))
    assert ModelCard.load(released / "README.md").data.library_name == "transformers"
    assert (released / ".gitattributes").read_text() == "*.safetensors filter=lfs diff=lfs merge=lfs -text\n"


def test_no_text_names_a_place_of_this_machine(released, carded) -> None:
    for path in released.iterdir():
        if path.suffix != ".safetensors":
            assert str(carded) not in path.read_text(encoding="utf-8")
    assert json.loads((released / "parity.json").read_text())["source"] == "megatron_gpt.nemo"
    evaluation = json.loads((released / "evaluation.json").read_text())
    assert evaluation["models"] == {"base": "base"}
    original = json.loads((carded / "evaluation.json").read_text())
    assert evaluation["bits_per_byte"] == original["bits_per_byte"]


def test_a_release_is_made_once(released, carded, capsys) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in released.iterdir()}
    capsys.readouterr()
    assert release(carded) == 0
    assert "release: done already" in capsys.readouterr().out
    assert {path.name: path.stat().st_mtime_ns for path in released.iterdir()} == before


def test_a_new_card_makes_a_new_release(released, carded) -> None:
    assert cli.main(["card", str(carded), "license=mit"]) == 0
    assert release(carded) == 0
    assert ModelCard.load(released / "README.md").data.license == "mit"


def test_words_somebody_added_to_the_card_are_released(carded) -> None:
    card = carded / "hf" / "base" / "README.md"
    card.write_text(
        card.read_text(encoding="utf-8").replace("## Use", "## Thanks\n\nTo all.\n\n## Use"), encoding="utf-8"
    )
    assert release(carded) == 0
    assert "To all." in (carded / "release" / "README.md").read_text(encoding="utf-8")


def test_weights_that_are_not_those_of_the_certificate_are_refused(carded, capsys) -> None:
    weights = carded / "hf" / "base" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert release(carded) == 2
    assert "model.safetensors changed since the certificate was made" in capsys.readouterr().err
    assert release(carded, "unproven=true") == 0
    text = (carded / "release" / "README.md").read_text(encoding="utf-8")
    assert "> **Not proven:** model.safetensors changed since the certificate was made." in text
    assert not (carded / "release" / "parity.json").exists()
    assert "not proven, by unproven=true" in capsys.readouterr().out


def test_a_model_without_a_certificate_is_refused(carded, capsys) -> None:
    (carded / "hf" / "base" / "parity.json").unlink()
    assert release(carded) == 2
    assert "there is no parity.json" in capsys.readouterr().err
    assert release(carded, "unproven=true") == 0
    assert sorted(path.name for path in (carded / "release").iterdir()) == [
        each for each in FILES if each != "parity.json"
    ]


def test_a_certificate_without_a_comparison_is_refused(carded, capsys) -> None:
    edit_json(carded / "hf" / "base" / "parity.json", max_abs_logit_diff=None)
    assert release(carded) == 2
    assert "converted with parity=false" in capsys.readouterr().err


def test_a_model_without_a_card_is_refused(work, capsys) -> None:
    assert release(work) == 2
    assert "the model has no card" in capsys.readouterr().err


def test_a_card_of_another_conversion_is_refused(carded, capsys) -> None:
    edit_json(carded / "hf" / "base" / "parity.json", source_sha256="f" * 64)
    assert release(carded) == 2
    assert "the card is not of these weights" in capsys.readouterr().err


def test_a_model_that_transformers_could_not_load_is_refused(carded, capsys) -> None:
    certificate = json.loads((carded / "hf" / "base" / "parity.json").read_text())
    del certificate["files"]["generation_config.json"]
    edit_json(carded / "hf" / "base" / "parity.json", files=certificate["files"])
    assert release(carded) == 1
    assert "the model is not whole: generation_config.json is missing" in capsys.readouterr().err


def test_a_local_path_in_a_card_stops_the_release(carded, capsys) -> None:
    card = carded / "hf" / "base" / "README.md"
    card.write_text(card.read_text(encoding="utf-8") + "\nsee /home/asha/runs\n", encoding="utf-8")
    assert release(carded) == 2
    message = capsys.readouterr().err
    assert "a local path stands in a file that would be published: /home/asha/runs" in message
    assert not (carded / "release").exists()
    assert release(carded, "allow=['/home/asha/runs']") == 0


def test_a_secret_is_not_repeated_in_the_message(carded, capsys) -> None:
    secret = "hf_" + "a1B2" * 9
    card = carded / "hf" / "base" / "README.md"
    card.write_text(card.read_text(encoding="utf-8") + f"\n{secret}\n", encoding="utf-8")
    assert release(carded) == 2
    message = capsys.readouterr().err
    assert "a Hugging Face token stands in a file" in message
    assert secret not in message


def test_files_that_are_no_part_of_the_model_stay_behind_and_are_named(carded, capsys) -> None:
    (carded / "hf" / "base" / "optimizer.pt").write_bytes(b"x")
    assert release(carded) == 0
    assert "left out, no part of the model: optimizer.pt" in capsys.readouterr().out
    assert not (carded / "release" / "optimizer.pt").exists()


def test_a_licence_beside_the_weights_or_in_a_named_folder_goes_with_them(carded, tmp_path, capsys) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "NOTICE.txt").write_text("of the base")
    (carded / "hf" / "base" / "LICENSE").write_text("of the weights")
    assert release(carded, f"legal={tmp_path}/base") == 0
    assert (carded / "release" / "LICENSE").read_text() == "of the weights"
    assert (carded / "release" / "NOTICE.txt").read_text() == "of the base"
    said = capsys.readouterr().out
    assert f"with NOTICE.txt from {tmp_path}/base: make sure that it is the base model's" in said
    assert "no LICENSE or NOTICE" not in said


def test_what_is_not_there_is_said(carded, capsys) -> None:
    (carded / "evaluation.json").unlink()
    assert release(carded) == 0
    said = capsys.readouterr().out
    for line in ("no LICENSE or NOTICE of a base model was found", "without an evaluation", "without a licence"):
        assert line in said


def test_a_dry_run_checks_and_writes_nothing(carded, capsys) -> None:
    assert release(carded, "--dry-run") == 0
    assert "nothing was written" in capsys.readouterr().out
    assert not (carded / "release").exists()


def test_a_run_without_a_converted_model_is_refused(tmp_path, capsys) -> None:
    assert release(tmp_path) == 2
    assert "there is no converted model" in capsys.readouterr().err


def test_a_missing_shard_is_named(carded, capsys) -> None:
    base = carded / "hf" / "base"
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (base / "model.safetensors.index.json").write_text(json.dumps(index))
    (base / "parity.json").unlink()
    assert release(carded, "unproven=true") == 1
    assert "model-00002-of-00002.safetensors is missing" in capsys.readouterr().err


def test_large_text_files_go_into_lfs() -> None:
    rules = contents.attributes({"tokenizer.json": 10_000_000, "config.json": 700, "model.safetensors": 5_000_000_000})
    assert rules.decode().splitlines() == [
        "*.safetensors filter=lfs diff=lfs merge=lfs -text",
        "tokenizer.json filter=lfs diff=lfs merge=lfs -text",
    ]


def test_a_file_larger_than_the_hub_takes_is_refused(carded, monkeypatch, capsys) -> None:
    monkeypatch.setattr(contents, "LARGEST", 1000)
    assert release(carded) == 2
    assert "the hub takes 1,000" in capsys.readouterr().err
