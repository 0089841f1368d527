import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from data_prep import blend
from data_prep.errors import UsageError
from data_prep.files import sha256_file
from data_prep.layout import Layout

from .token_datasets import build_blend, make_dataset, make_tokenizer

CONFIGS = Path(__file__).parents[3] / "nemo_configs" / "data"
EN, HI = "small.en-Latn.real", "small.hi-Deva.real"


@pytest.fixture
def copy(small_prep: Layout, tmp_path: Path) -> Layout:
    """A preparation of one's own, to spoil."""
    shutil.copytree(small_prep.root, tmp_path / "data")
    return Layout(tmp_path / "data")


def run(layout: Layout, *overrides: str, dry_run: bool = False, config: str = "blend_tiny.yaml") -> Path:
    output = layout.root.parent / "blend" / "cpt.yaml"
    given = [f"tokens_dir={layout.tokens}", f"output={output}", "budget_tokens=2000", "sequence_length=16", *overrides]
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


def test_the_fragment_names_every_held_out_set_for_the_monitor(copy: Layout) -> None:
    """Also of kinds that nothing is validated on: what a run forgets, or learns, shows in each."""
    fragment = yaml.safe_load(run(copy).read_text())
    names = (EN, HI, "small.hi-Latn.romanized")
    assert fragment["langadapt"] == {"monitor": {"sets": [str(copy.prefix(name, "heldout")) for name in names]}}


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


def made(folder: Path, datasets: dict[str, list[int]]) -> Layout:
    """Training datasets of chosen documents, and a held-out one of each language."""
    layout = Layout(folder / "data")
    tokenizer = make_tokenizer(layout)
    for name, lengths in datasets.items():
        make_dataset(layout, name, "train", lengths, tokenizer)
    for name in ("s.en-Latn.real", "s.hi-Deva.real"):
        make_dataset(layout, name, "heldout", [5000] * 20, tokenizer)
    return layout


def test_the_papers_preset_gives_the_papers_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """40B x 2.0 + 60B x 1.0 + 120B x 0.5 epochs = 200B Hindi, beside 200B English; files of those sizes, all hole."""
    sizes = {"en-Latn.real": 200, "hi-Deva.real": 40, "hi-Deva.translated": 60, "hi-Latn.romanized": 120}
    layout = made(tmp_path, {f"s.{name}": [2 * 10**9] * (size // 2) for name, size in sizes.items()})
    output = tmp_path / "blend" / "cpt.yaml"
    given = [f"tokens_dir={layout.tokens}", f"output={output}"]
    assert blend.main([CONFIGS / "blend_paper.yaml"], given, dry_run=False) == 0
    plan = json.loads(output.with_suffix(".json").read_text())
    drawn = {f"{each['lang']}.{each['kind']}": (each["tokens_drawn"], each["epochs"]) for each in plan["train"]}
    assert drawn == {
        "en-Latn.real": (200 * 10**9, pytest.approx(1.0)),
        "hi-Deva.real": (80 * 10**9, pytest.approx(2.0)),
        "hi-Deva.translated": (60 * 10**9, pytest.approx(1.0)),
        "hi-Latn.romanized": (60 * 10**9, pytest.approx(0.5)),
    }
    assert plan["samples"] == 97_656_250
    assert [plan["by_language"][language]["tokens_drawn"] for language in ("en", "hi")] == [200 * 10**9] * 2
    assert "all hi" in capsys.readouterr().out


def test_two_thousand_sources_are_planned_and_the_table_stays_short(tmp_path: Path, capsys) -> None:
    layout = made(tmp_path, {f"s{n}.{'hi-Deva' if n % 2 else 'en-Latn'}.real": [700, 600 + n] for n in range(2000)})
    output = run(layout, "budget_tokens=4_000_000")
    train = yaml.safe_load(output.read_text())["model"]["data"]["data_prefix"]["train"]
    assert len(train) == 4000
    assert sum(train[::2]) == pytest.approx(1)
    assert "1,960 smaller ones" in capsys.readouterr().out


def check_against_megatron(output: Path, samples: int, length: int) -> None:
    """What megatron-core's builder deals out of each dataset is the plan within half a per cent or 2 samples."""
    fragment = yaml.safe_load(output.read_text())["model"]["data"]["data_prefix"]
    dataset = build_blend(fragment["train"], length, samples)
    dealt = np.bincount(dataset.dataset_index[:samples], minlength=len(dataset.datasets))
    plan = json.loads(output.with_suffix(".json").read_text())
    for each, count in zip(plan["train"], dealt.tolist(), strict=True):
        planned = each["tokens_drawn"] / length
        assert abs(count - planned) <= max(0.005 * planned, 2), each
        assert count * length <= 4.01 * each["tokens_available"]
    assert build_blend(fragment["validation"], length, 8) is not None


def test_megatron_draws_what_a_usual_blend_plans(tmp_path: Path) -> None:
    names = ("s.en-Latn.real", "s.hi-Deva.real", "s.hi-Deva.translated", "s.hi-Latn.romanized")
    layout = made(tmp_path, dict(zip(names, ([1000] * 200, [1000] * 40, [1000] * 60, [1000] * 120), strict=True)))
    output = run(layout, "budget_tokens=400_000")
    check_against_megatron(output, 25_000, 16)


def test_megatron_draws_what_an_extreme_blend_plans(tmp_path: Path) -> None:
    """A thousand tokens beside 20 million, a source below one sample, and 300 of a few: none stops upstream."""
    names = {"s.en-Latn.real": [10**6] * 20, "tiny.hi-Deva.real": [1000], "nothing.hi-Deva.real": [10]}
    names |= {f"s{n}.hi-Deva.translated": [17 + n % 40] for n in range(300)}
    names |= {"s.hi-Deva.real": [10**6] * 3}
    layout = made(tmp_path, names)
    output = run(layout, "budget_tokens=8_000_000", "language_shares={en: 0.999, hi: 0.001}")
    check_against_megatron(output, 500_000, 16)
