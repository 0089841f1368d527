"""The README's commands work as they stand there, and its tree and links name what exists."""

import re
import shlex
from pathlib import Path

import pytest

from recipes import cli
from tests.conftest import REPOSITORY, run_langadapt

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    shlex.split(line, comments=True) for block in BLOCKS for line in block.replace("\\\n", " ").splitlines() if line
]
# Training at the README's sizes is the demo's business (test_demo.py); here each verb runs a few steps.
FEW_STEPS = {
    "pretrain": "trainer.{}=4",
    "cpt": "trainer.{}=4",
    "sft": "trainer.sft.{}=4",
    "dpo": "trainer.dpo.{}=4",
}


def step_by_step() -> list[list[str]]:
    return [words[1:] for words in COMMANDS if words[0] == "langadapt"]


@pytest.mark.slow
def test_the_step_by_step_commands_run_in_order(tmp_path) -> None:
    for words in step_by_step():
        here = [word.replace("runs/", f"{tmp_path}/") for word in words]
        if words[0] in FEW_STEPS:
            here += [FEW_STEPS[words[0]].format(key) for key in ("max_steps", "val_check_interval")]
            here += ["model.optim.sched.warmup_steps=1"]
        run_langadapt(*here)
    assert (tmp_path / "first" / "release" / "parity.json").exists()


def test_the_make_commands_are_targets() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = [words[1] for words in COMMANDS if words[0] == "make"]
    assert {"demo", "test"} <= set(targets)
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_the_ci_runs_the_readmes_test_command() -> None:
    assert "make test" in (REPOSITORY / ".ci" / "run").read_text()


def test_the_demo_command_parses() -> None:
    (words,) = [words for words in COMMANDS if words[0].endswith("bin/langadapt")]
    arguments = cli.parser().parse_args(words[1:])
    assert cli.as_overrides(cli.VERBS["demo"], arguments) == [
        "workdir=runs/mine",
        "real_hi='hindi.jsonl'",
        "real_en='english.jsonl'",
    ]


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http)([^)]+)\)", README))
def test_links_lead_somewhere(target) -> None:
    assert (REPOSITORY / target).exists()


def test_the_tree_names_what_exists() -> None:
    tree = README.split("The tree is the pipeline.")[1].split("```")[1]
    folders: list[Path] = [REPOSITORY]
    for line in tree.strip("\n").splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        names = re.match(r"\s*((?:\S+ )*\S+)(?:\s{2,}|$)", line).group(1).split()
        for name in names:
            path = folders[depth] / name
            assert path.exists(), line
        folders[depth + 1 :] = [folders[depth] / names[0]]


def test_figures_of_the_sample_corpus_are_right() -> None:
    folder = REPOSITORY / "data_prep" / "sample_corpus"
    lines = {path.name: len(path.read_text().splitlines()) for path in folder.glob("*.jsonl")}
    documents = lines["documents.hi.jsonl"] + lines["documents.en.jsonl"]
    expected = f"{documents} documents, {lines['chat.jsonl']} conversations, {lines['preferences.jsonl']} preference"
    assert expected in README


def test_the_number_of_patches_is_right() -> None:
    from recipes.runtime.portable import PATCHES

    for text in (README, *((REPOSITORY / "docs" / name).read_text() for name in ("setup.md", "portable_ground.md"))):
        assert f"{len(PATCHES)} named" in text
