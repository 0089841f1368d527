"""Verb `demo`: the whole recipe at toy size, each step through the verb a real run uses.

Text -> Megatron datasets -> blend -> a tiny Nemotron pre-trained mostly on English -> continued pre-training on the
blend with tensor parallelism -> SFT -> DPO -> Hugging Face checkpoints with a parity proof -> bits per byte -> report.
Every step leaves a receipt or a run record, so a killed demo continues where it stopped when run again.
"""

import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from data_prep import settings as strict
from data_prep.errors import LangadaptError, UsageError
from data_prep.files import atomic_write
from data_prep.layout import REPOSITORY_ROOT, Layout
from recipes.cli import quote

CONFIGS = REPOSITORY_ROOT / "nemo_configs"
STEP_SECONDS = "steps.json"
MIN_STEPS = 4
TOKENS_PER_STEP = 8 * 256  # global batch x sequence length of nemo_configs/cpt/tiny_base.yaml and tiny.yaml
OWN_MAX_EPOCHS = 200  # a demo shows that all works; a hundred short documents of one's own are read that often


@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """What a demo may be told.

    Attributes:
        workdir: Folder for everything it makes.
        real_hi: JSONL of Hindi documents (`text`, optionally `id`) instead of the sample corpus.
        real_en: The same for English.
        steps: Training steps of every stage; None for those of its config.
    """

    workdir: Path = Path("runs/demo")
    real_hi: Path | None = None
    real_en: Path | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < MIN_STEPS:
            raise ValueError(f"{self.steps} steps are fewer than a schedule needs\n--steps {MIN_STEPS} or more")
        if (self.real_hi is None) != (self.real_en is None):
            raise ValueError(
                "one language alone cannot be blended half and half\ngive both --real-hi FILE and --real-en FILE"
            )


@dataclass(frozen=True, kw_only=True)
class Step:
    """One command of the chain.

    Attributes:
        name: As printed and recorded.
        purpose: What the reader of the terminal sees.
        arguments: Command line, verb first.
    """

    name: str
    purpose: str
    arguments: tuple[str, ...]


class StepFailed(LangadaptError):
    """A step of the demo ended with an error, which it has printed."""


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Runs the chain, or prints its commands."""
    settings = strict.load(DemoSettings, configs, overrides)
    check_inputs(settings)
    steps = plan(settings)
    if dry_run:
        print("\n".join("langadapt " + " ".join(step.arguments) for step in steps))
        return 0
    start = time.time()
    for number, step in enumerate(steps, start=1):
        run_step(step, f"[{number}/{len(steps)}]", settings.workdir)
    print_summary(settings.workdir, time.time() - start)
    return 0


def check_inputs(settings: DemoSettings) -> None:
    """Refuses input files that are not there, before anything starts."""
    for option, path in (("--real-hi", settings.real_hi), ("--real-en", settings.real_en)):
        if path is not None and not path.is_file():
            raise UsageError(f"{path} does not exist.", where=option, fix=f"{option} /path/to/documents.jsonl")


def plan(settings: DemoSettings) -> list[Step]:
    """The chain as commands, in order."""
    return [*_data_steps(settings), *_training_steps(settings), *_result_steps(settings)]


def _data_steps(settings: DemoSettings) -> list[Step]:
    work, data = _folders(settings)
    prep = ("prep", CONFIGS / "data" / "sample.yaml", *_sources(settings), setting("output_dir", data.root))

    def blend(name: str, config: str, purpose: str) -> Step:
        words = (setting("tokens_dir", data.tokens), setting("output", work / "blend" / f"{name}.yaml"))
        return _step(f"blend {name}", purpose, "blend", CONFIGS / "data" / config, *words, *_budget(settings))

    return [
        _step("prep", "documents to Megatron datasets", *prep),
        blend("base", "blend_tiny_base.yaml", "weights for the stand-in base model"),
        blend("cpt", "blend_tiny.yaml", "weights for continued pre-training"),
    ]


def _training_steps(settings: DemoSettings) -> list[Step]:
    work, data = _folders(settings)

    def train(name: str, purpose: str, verb: str, *words: object, section: str = "trainer") -> Step:
        run_folder = setting("exp_manager.explicit_log_dir", work / name)
        return _step(name, purpose, verb, *words, run_folder, *_schedule(settings, section))

    return [
        train(
            "base",
            "pre-train a tiny Nemotron, mostly on English",
            "pretrain",
            CONFIGS / "cpt" / "tiny_base.yaml",
            work / "blend" / "base.yaml",
        ),
        train(
            "cpt",
            "continue on the Hindi-English blend, tensor parallel over two processes",
            "cpt",
            CONFIGS / "cpt" / "tiny.yaml",
            work / "blend" / "cpt.yaml",
            setting("model.restore_from_path", model(work, "base")),
        ),
        train(
            "sft",
            "instruction-tune on conversations",
            "sft",
            CONFIGS / "sft" / "tiny.yaml",
            setting("model.restore_from_path", model(work, "cpt")),
            setting("model.data.train_ds.file_path", data.instruct("sft", "train")),
            setting("model.data.validation_ds.file_path", data.instruct("sft", "validation")),
            section="trainer.sft",
        ),
        train(
            "dpo",
            "prefer the better answers",
            "dpo",
            CONFIGS / "dpo" / "tiny.yaml",
            setting("pretrained_checkpoint.restore_from_path", model(work, "sft")),
            setting("model.data.data_prefix.train", [data.instruct("dpo", "train")]),
            setting("model.data.data_prefix.validation", [data.instruct("dpo", "validation")]),
            section="trainer.dpo",
        ),
    ]


def _result_steps(settings: DemoSettings) -> list[Step]:
    work, data = _folders(settings)
    converted = {stage: work / "hf" / stage for stage in ("base", "cpt", "dpo")}

    def convert(stage: str, folder: Path) -> Step:
        words = (setting("model", model(work, stage)), setting("output", folder))
        purpose = f"the {stage} checkpoint to Hugging Face, with parity proof"
        return _step(f"convert {stage}", purpose, "convert", "to-hf", *words)

    return [
        *(convert(stage, folder) for stage, folder in converted.items()),
        _step(
            "evaluate",
            "bits per byte before and after, and sample generations",
            "evaluate",
            CONFIGS / "eval" / "tiny.yaml",
            *(setting(f"models.{stage}", folder) for stage, folder in converted.items()),
            setting("documents", data.root / "documents"),
            setting("output", work / "evaluation.json"),
        ),
        _step("report", "one page", "report", setting("workdir", work)),
    ]


def _folders(settings: DemoSettings) -> tuple[Path, Layout]:
    work = settings.workdir.expanduser().absolute()
    return work, Layout(work / "data")


def _step(name: str, purpose: str, *arguments: object) -> Step:
    return Step(name=name, purpose=purpose, arguments=tuple(str(argument) for argument in arguments))


def setting(key: str, value: Path | list[Path]) -> str:
    """A key=value word for a path, or a list of paths, whatever characters are in it."""
    if isinstance(value, list):
        return f"{key}=[{','.join(quote(item) for item in value)}]"
    return f"{key}={quote(value)}"


def model(work: Path, stage: str) -> Path:
    """The final checkpoint of a stage."""
    return work / stage / "checkpoints" / MODELS[stage]


# Where each stage leaves its final checkpoint: checkpoints/<exp_manager.name>.nemo of its config.
MODELS = {
    "base": "megatron_gpt.nemo",
    "cpt": "megatron_gpt.nemo",
    "sft": "megatron_gpt_sft.nemo",
    "dpo": "megatron_gpt.nemo",
}


def _schedule(settings: DemoSettings, section: str) -> list[str]:
    """Overrides for `steps` steps with one validation, and so one checkpoint, halfway and one at the end."""
    if settings.steps is None:
        return []
    return [
        f"{section}.max_steps={settings.steps}",
        f"{section}.val_check_interval={settings.steps // 2}",
        "model.optim.sched.warmup_steps=1",
    ]


def _budget(settings: DemoSettings) -> list[str]:
    """Overrides of the blends: tokens for `steps` steps, and more epochs for a small corpus of the user's own."""
    budget = [] if settings.steps is None else [f"budget_tokens={settings.steps * TOKENS_PER_STEP}"]
    return budget if settings.real_hi is None else [*budget, f"max_epochs={OWN_MAX_EPOCHS}"]


def _sources(settings: DemoSettings) -> list[str]:
    """Overrides of sample.yaml's two sources (0 English, 1 Hindi) for documents of the user's own."""
    given = {0: settings.real_en, 1: settings.real_hi}
    return [
        override
        for index, path in given.items()
        if path is not None
        for override in (
            f"sources.{index}.path={quote(path.absolute())}",
            f"sources.{index}.source={quote(source_name(path))}",
            f"sources.{index}.license=as-in-the-file",
            f"sources.{index}.id_field=null",
            f"sources.{index}.group_field=null",
        )
    ]


def source_name(path: Path) -> str:
    """A name for a user's file that can name folders: its own with other characters replaced, or `own`."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", path.name.split(".")[0]).strip("_-") or "own"


def run_step(step: Step, number: str, workdir: Path) -> None:
    """Runs one command in a process of its own and adds its seconds to the record.

    Raises:
        StepFailed: It failed; carries the command's exit code and how to repeat it alone.
    """
    print(f"\n{number} {step.name}: {step.purpose}", flush=True)
    start = time.time()
    code = run_command([sys.executable, "-m", "recipes.cli", *step.arguments])
    if code != 0:
        failure = StepFailed(
            f"The step `{step.name}` ended with exit code {code}; its message is above.",
            where=" ".join(("langadapt", *step.arguments)),
            fix="mend it and run the same demo command again: finished steps are not repeated",
        )
        failure.exit_code = max(code, 1)
        raise failure
    add_seconds(workdir, step.name, time.time() - start)


def run_command(command: list[str]) -> int:
    """Runs a command to its end; an interrupt or a termination of the demo stops it first."""
    process = subprocess.Popen(command)
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def add_seconds(workdir: Path, name: str, seconds: float) -> None:
    """Records a step's wall time; a repeated, skipped step keeps the longer, first one."""
    path = workdir / STEP_SECONDS
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known[name] = round(max(seconds, known.get(name, 0.0)), 1)
    workdir.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as stream:
        stream.write(json.dumps(known, indent=2).encode())


def print_summary(workdir: Path, seconds: float) -> None:
    """Where the time went, and where the result is."""
    steps = json.loads((workdir / STEP_SECONDS).read_text(encoding="utf-8"))
    print("\nwhere the time went (s): " + ", ".join(f"{name} {value:.0f}" for name, value in steps.items()))
    print(f"demo: done in {seconds:.0f} s; open {(workdir / 'report.html').absolute()}")
