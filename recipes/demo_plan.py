"""The demo's chain as commands: pure decisions, so that they can be read, tested and printed by `--dry-run`."""

import re
from dataclasses import dataclass
from pathlib import Path

from data_prep.layout import REPOSITORY_ROOT, Layout
from recipes.cli import quote

CONFIGS = REPOSITORY_ROOT / "nemo_configs"
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


def plan(settings: DemoSettings) -> list[Step]:
    """The chain as commands, in order."""
    base, *adaptation = _training_steps(settings)
    return [*_data_steps(settings), base, *_vocabulary_steps(settings), *adaptation, *_result_steps(settings)]


def _data_steps(settings: DemoSettings) -> list[Step]:
    work, data = _folders(settings)
    config = "sample.yaml" if settings.real_hi is None else "own.yaml"
    prep = ("prep", CONFIGS / "data" / config, *_sources(settings), setting("output_dir", data.root))

    def blend(name: str, config: str, purpose: str) -> Step:
        words = (setting("tokens_dir", data.tokens), setting("output", work / "blend" / f"{name}.yaml"))
        return _step(f"blend {name}", purpose, "blend", CONFIGS / "data" / config, *words, *_budget(settings))

    return [
        _step("prep", "documents to Megatron datasets", *prep),
        _step("verify", "every token read and checked", "verify", data.tokens),
        blend("base", "blend_tiny_base.yaml", "weights for the stand-in base model"),
        blend("cpt", "blend_tiny.yaml", "weights for continued pre-training"),
    ]


def _vocabulary_steps(settings: DemoSettings) -> list[Step]:
    """What more Hindi pieces would do; the demo goes on with the base's own, as the paper does."""
    work, data = _folders(settings)
    extended = work / "extended"
    return [
        _step(
            "extend",
            "the base with 500 more Hindi pieces, to see what they would save",
            "extend",
            CONFIGS / "data" / "extend.yaml",
            setting("model", model(work, "base")),
            setting("documents", data.root / "documents"),
            setting("output", extended),
            "new_pieces=500",
        ),
        _step(
            "fertility",
            "tokens a word of both tokenizers, and whether the vocabulary should grow",
            "fertility",
            CONFIGS / "data" / "fertility.yaml",
            setting("documents", data.root / "documents"),
            setting("tokenizers.base", data.tokenizer),
            setting("tokenizers.extended", extended / "tokenizer.model"),
            setting("output", work / "fertility.json"),
        ),
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
            "bits per byte and a few tasks before and after, and sample generations",
            "evaluate",
            CONFIGS / "eval" / "tiny.yaml",
            *(setting(f"models.{stage}", folder) for stage, folder in converted.items()),
            setting("documents", data.root / "documents"),
            setting("output", work / "evaluation.json"),
        ),
        _step(
            "contamination",
            "evaluation items in the training text",
            "evaluate",
            CONFIGS / "eval" / "tiny.yaml",
            "contamination",
            setting("documents", data.root / "documents"),
            setting("output", work / "evaluation.json"),
        ),
        _step("card", "model cards and the corpus's card", "card", work),
        _step("release", "a folder that could be pushed", "release", work, "--out", work / "release"),
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
    """Overrides of own.yaml's two sources (0 English, 1 Hindi)."""
    given = {0: settings.real_en, 1: settings.real_hi}
    return [
        override
        for index, path in given.items()
        if path is not None
        for override in (
            f"sources.{index}.path={quote(path.absolute())}",
            f"sources.{index}.source={quote(source_name(path))}",
        )
    ]


def source_name(path: Path) -> str:
    """A name for a user's file that can name folders: its own with other characters replaced, or `own`."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", path.name.split(".")[0]).strip("_-") or "own"
