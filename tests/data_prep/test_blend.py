import json
import shutil
from pathlib import Path

import pytest
import yaml

from data_prep import blend
from data_prep.errors import DataError, UsageError
from data_prep.files import sha256_file
from data_prep.layout import Layout

CONFIGS = Path(__file__).parents[2] / "nemo_configs" / "data"
EN, HI = "small.en-Latn.real", "small.hi-Deva.real"


@pytest.fixture
def copy(small_prep: Layout, tmp_path: Path) -> Layout:
    """A preparation of one's own, to spoil."""
    shutil.copytree(small_prep.root, tmp_path / "data")
    return Layout(tmp_path / "data")


def run(layout: Layout, *overrides: str, dry_run: bool = False, config: str = "blend_tiny.yaml") -> Path:
    output = layout.root.parent / "blend" / "cpt.yaml"
    given = [f"tokens_dir={layout.tokens}", f"output={output}", "budget_tokens=2000", *overrides]
    assert blend.main([CONFIGS / config], given, dry_run=dry_run) == 0
    return output


def test_the_fragment_has_nemos_keys_and_absolute_paths(copy: Layout) -> None:
    output = run(copy)
    model = yaml.safe_load(output.read_text())["model"]
    train = model["data"]["data_prefix"]["train"]
    assert train[1::2] == [str(copy.prefix(name, "train")) for name in (EN, HI, "small.hi-Latn.romanized")]
    assert sum(train[::2]) == pytest.approx(1)
    heldout = [0.5, str(copy.prefix(EN, "heldout")), 0.5, str(copy.prefix(HI, "heldout"))]
    assert model["data"]["data_prefix"]["validation"] == model["data"]["data_prefix"]["test"] == heldout
    assert model["data"]["splits_string"] is None
    assert Path(model["data"]["index_mapping_dir"]).parent == output.parent / "index"
    assert model["tokenizer"] == {
        "library": "sentencepiece",
        "model": str(copy.tokenizer),
        "type": None,
        "sentencepiece_legacy": False,
    }


def test_the_plan_tells_what_the_fragment_cannot(copy: Layout) -> None:
    document = json.loads(run(copy).with_suffix(".json").read_text())
    assert document["budget_tokens"] == 2000
    assert document["tokenizer"]["sha256"] == sha256_file(copy.tokenizer)
    entry = document["train"][1]
    assert (entry["lang"], entry["kind"], entry["tokens_drawn"] > 0) == ("hi-Deva", "real", True)
    assert entry["epochs"] > document["train"][2]["epochs"]


def test_the_base_blend_takes_real_text_only_and_says_so(copy: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    output = run(copy, config="blend_tiny_base.yaml")
    train = yaml.safe_load(output.read_text())["model"]["data"]["data_prefix"]["train"]
    assert train[::2] == pytest.approx([0.95, 0.05])
    assert "kind romanized is not in `kinds`" in capsys.readouterr().out


def test_a_dry_run_prints_the_blend_and_writes_nothing(copy: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    output = run(copy, dry_run=True)
    assert "blend of 2,000 tokens" in capsys.readouterr().out
    assert not output.parent.exists()


def test_a_folder_moved_as_a_whole_still_blends(copy: Layout, tmp_path: Path) -> None:
    shutil.move(copy.root, tmp_path / "moved" / "data")
    run(Layout(tmp_path / "moved" / "data"))


def test_a_folder_without_datasets_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no token datasets(.|\n)*tokens_dir=DIR/tokens"):
        run(Layout(tmp_path))


def test_a_dataset_without_receipt_is_refused(copy: Layout) -> None:
    copy.prefix(HI, "train").with_name(f"{HI}_text_document.receipt.json").unlink()
    with pytest.raises(DataError, match=rf"receipt is missing(.|\n)*{HI}"):
        run(copy)


def test_a_dataset_cut_short_is_refused(copy: Layout) -> None:
    tokens = copy.prefix(HI, "train").with_name(f"{HI}_text_document.bin")
    tokens.write_bytes(tokens.read_bytes()[:-2])
    with pytest.raises(DataError, match=r"no longer holds: .*\.bin has \d+ bytes(.|\n)*langadapt prep"):
        run(copy)


def test_a_dataset_older_than_its_text_is_refused(copy: Layout) -> None:
    shard = copy.document_shard(HI, "train", "00000")
    shard.write_bytes(copy.document_shard(EN, "train", "00000").read_bytes())
    with pytest.raises(DataError, match=r"no longer holds: .*00000\.jsonl\.zst has changed since"):
        run(copy)


def edit_receipt(layout: Layout, **details: object) -> None:
    path = layout.prefix(HI, "train").with_name(f"{HI}_text_document.receipt.json")
    receipt = json.loads(path.read_text())
    receipt["details"] |= details.pop("details", {})
    path.write_text(json.dumps(receipt | details))


def test_a_receipt_that_counts_otherwise_than_the_index_is_refused(copy: Layout) -> None:
    edit_receipt(copy, documents=1)
    with pytest.raises(DataError, match="the receipt says 1"):
        run(copy)


def test_datasets_of_different_tokenizers_are_refused(copy: Layout) -> None:
    edit_receipt(copy, details={"tokenizer_sha256": "0" * 64})
    with pytest.raises(DataError, match=r"2 different tokenizers(.|\n)*000000000000"):
        run(copy)


def test_another_or_no_tokenizer_is_refused(copy: Layout, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"not where it was made(.|\n)*tokenizer=PATH"):
        run(copy, f"tokenizer={tmp_path}/none.model")
    other = tmp_path / "other.model"
    other.write_text("x")
    with pytest.raises(DataError, match=r"not the tokenizer(.|\n)*other\.model"):
        run(copy, f"tokenizer={other}")


def test_a_misspelt_key_names_the_right_one(copy: Layout) -> None:
    with pytest.raises(UsageError, match=r"did you mean 'max_epochs'"):
        run(copy, "max_epoch=3")


def test_data_made_anew_under_the_same_name_gets_a_new_index_folder(copy: Layout) -> None:
    def index_folder() -> str:
        return yaml.safe_load(run(copy).read_text())["model"]["data"]["index_mapping_dir"]

    before = index_folder()
    assert index_folder() == before
    receipt = next((copy.tokens / "train").glob("*.receipt.json"))
    receipt.write_text(receipt.read_text().replace('"seconds"', '"seconds" '))
    assert index_folder() != before
