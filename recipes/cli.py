"""The command line: `langadapt VERB CONFIG.yaml [more.yaml ...] [key=value ...] [--dry-run]`.

Exit codes: 0 done, 1 a check or a run failed, 2 wrong usage or config, 130 interrupted.
"""

import argparse
import importlib
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from data_prep.errors import LangadaptError, UsageError
from data_prep.prep_settings import StageName
from recipes import evaluate


@dataclass(frozen=True, kw_only=True)
class Verb:
    """A verb of the command line.

    Attributes:
        module: Holds `main(configs, overrides, *, dry_run) -> int`.
        help: One line for the list of verbs.
        example: A working command, shown by --help.
        action: What the word after the verb may be, for verbs that have one; passed on as `action=WORD`.
        options: `--name VALUE` forms, passed on as `name=VALUE`, with their help.
        numbers: Those of the options that take a whole number.
        stages: Bare words that choose a part of the verb's work, passed on as `stage=WORD`.
        words: The setting that bare words fill, all of them passed on as one list, for a verb that takes no YAML.
        hub: Whether it may read the Hugging Face hub; the others name all their inputs, so the hub is closed to them.
    """

    module: str
    help: str
    example: str
    action: tuple[str, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    numbers: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    words: str = ""
    hub: bool = False

    @property
    def metavar(self) -> str:
        """What --help calls the words after the verb."""
        return " | ".join([self.words.upper() or "CONFIG.yaml", *(["STAGE"] if self.stages else []), "key=value"])


VERBS: dict[str, Verb] = {
    "doctor": Verb(
        module="recipes.doctor",
        help="what is installed, which ground a run takes",
        example="langadapt doctor",
    ),
    "demo": Verb(
        module="recipes.demo",
        help="the whole recipe at toy size",
        example="langadapt demo --workdir runs/demo",
        options={
            "workdir": "folder for everything the demo makes (default runs/demo)",
            "real-hi": "JSONL file of Hindi documents instead of the sample corpus",
            "real-en": "JSONL file of English documents instead of the sample corpus",
            "steps": "training steps of every stage instead of the configs' (4 shows in 2 minutes that all runs)",
        },
        numbers=("steps",),
    ),
    "prep": Verb(
        module="data_prep.pipeline",
        help="text to tagged shards to Megatron .bin/.idx, all stages or one",
        example="langadapt prep nemo_configs/data/sample.yaml output_dir=runs/demo/data\n"
        "  langadapt prep nemo_configs/data/sample.yaml audit output_dir=runs/demo/data",
        stages=get_args(StageName),
        hub=True,
    ),
    "blend": Verb(
        module="data_prep.blend",
        help="plan the sampling weights from receipts",
        example="langadapt blend nemo_configs/data/blend_tiny.yaml tokens_dir=runs/demo/data/tokens "
        "output=runs/demo/blend/cpt.yaml",
    ),
    "fertility": Verb(
        module="data_prep.fertility.verb",
        help="what candidate tokenizers make of each language, and whether one needs more pieces",
        example="langadapt fertility nemo_configs/data/fertility.yaml documents=runs/demo/data/documents "
        "tokenizers.base=runs/demo/data/tokenizer/tokenizer.model output=runs/demo/fertility.json",
    ),
    "verify": Verb(
        module="recipes.verify",
        help="read token datasets whole: files, index, ids, ends of documents, receipt, tokenizer",
        example="langadapt verify runs/demo/data/tokens samples=1\n"
        "  langadapt verify runs/demo/blend/cpt.yaml model=runs/demo/base/checkpoints/megatron_gpt.nemo",
        words="prefix",
    ),
    "extend": Verb(
        module="recipes.extend",
        help="new pieces for one language, in a .nemo and its tokenizer",
        example="langadapt extend nemo_configs/data/extend.yaml model=runs/demo/base/checkpoints/megatron_gpt.nemo "
        "documents=runs/demo/data/documents output=runs/demo/extended",
    ),
    "plan": Verb(
        module="recipes.plan.verb",
        help="memory, time, cost and disk of a training config on a cluster, with no GPU; better layouts",
        example="langadapt plan nemo_configs/cpt/nemotron_mini_4b_hindi.yaml cluster=a100-80gb nodes=16",
    ),
    "pretrain": Verb(
        module="recipes.pretrain",
        help="train from random weights (the demo's stand-in for a base model)",
        example="langadapt pretrain nemo_configs/cpt/tiny_base.yaml runs/demo/blend/base.yaml "
        "exp_manager.explicit_log_dir=runs/demo/base",
    ),
    "cpt": Verb(
        module="recipes.cpt",
        help="continue the pre-training of a .nemo checkpoint on a blend",
        example="langadapt cpt nemo_configs/cpt/tiny.yaml runs/demo/blend/cpt.yaml "
        "exp_manager.explicit_log_dir=runs/demo/cpt "
        "model.restore_from_path=runs/demo/base/checkpoints/megatron_gpt.nemo",
    ),
    "sft": Verb(
        module="recipes.sft",
        help="supervised fine-tuning with NeMo-Aligner",
        example="langadapt sft nemo_configs/sft/tiny.yaml exp_manager.explicit_log_dir=runs/demo/sft "
        "model.restore_from_path=runs/demo/cpt/checkpoints/megatron_gpt.nemo",
    ),
    "dpo": Verb(
        module="recipes.dpo",
        help="direct preference optimisation with NeMo-Aligner",
        example="langadapt dpo nemo_configs/dpo/tiny.yaml exp_manager.explicit_log_dir=runs/demo/dpo "
        "pretrained_checkpoint.restore_from_path=runs/demo/sft/checkpoints/megatron_gpt_sft.nemo",
    ),
    "audit": Verb(
        module="recipes.audit",
        help="tokens of every source that a pretrain or cpt run has read, beside its plan",
        example="langadapt audit runs/demo/cpt",
        words="run_folder",
    ),
    "convert": Verb(
        module="recipes.convert",
        help="a NeMo checkpoint to a Hugging Face folder, or a Hugging Face folder to a .nemo, with a parity proof",
        action=("to-hf", "to-nemo"),
        example="langadapt convert to-hf model=runs/demo/dpo/checkpoints/megatron_gpt.nemo output=runs/demo/hf",
    ),
    "evaluate": Verb(
        module="recipes.evaluate",
        help="bits per byte of held-out text, benchmark tasks and sample generations, by language",
        example="langadapt evaluate nemo_configs/eval/tiny.yaml models.base=runs/demo/hf/base "
        "models.cpt=runs/demo/hf/cpt documents=runs/demo/data/documents output=runs/demo/evaluation.json",
        stages=tuple(evaluate.PARTS),
        hub=True,
    ),
    "submit": Verb(
        module="recipes.submit.verb",
        help="a verb as a Slurm job that stops in time, goes on by itself, and says why it ended",
        action=("data", "blend", "pretrain", "cpt", "sft", "dpo", "convert", "eval", "pipeline"),
        example="langadapt submit cpt nemo_configs/cpt/nemotron_mini_4b_hindi.yaml runs/hindi/blend/cpt.yaml "
        "cluster=a100-80gb cluster.slurm.partition=gpu exp_manager.explicit_log_dir=runs/hindi/cpt --dry-run",
    ),
    "report": Verb(
        module="recipes.report",
        help="one page and one JSON about a run",
        example="langadapt report workdir=runs/demo",
    ),
    "card": Verb(
        module="recipes.card",
        help="the Hugging Face cards of a run's converted models and of its corpus",
        example="langadapt card runs/demo",
        words="run",
    ),
    "release": Verb(
        module="recipes.release",
        help="a folder that transformers loads offline and that could be pushed as it is; nothing is pushed",
        example="langadapt release runs/demo --out runs/demo/release",
        options={"out": "the folder to make"},
        words="run",
    ),
}


def parser() -> argparse.ArgumentParser:
    """The parser; each verb's --help shows a working example."""
    top = argparse.ArgumentParser(prog="langadapt", description=__doc__.splitlines()[0])
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, verb in VERBS.items():
        sub = verbs.add_parser(
            name,
            help=verb.help,
            description=f"{verb.help}.",
            epilog=f"example:\n  {verb.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if verb.action:
            sub.add_argument("action", choices=verb.action)
        for option, text in verb.options.items():
            kind = int if option in verb.numbers else str
            sub.add_argument(f"--{option}", metavar="VALUE", type=kind, help=text)
        sub.add_argument("--dry-run", action="store_true", help="resolve, check, print, exit 0")
        sub.add_argument("arguments", nargs="*", metavar=verb.metavar)
    return top


def parse(words: list[str]) -> argparse.Namespace:
    """Parses a command line whose options may stand anywhere after the verb."""
    top = parser()
    arguments, rest = top.parse_known_args(words)
    if unknown := [word for word in rest if word.startswith("-")]:
        top.error(f"unknown option {unknown[0]}; settings are written key=value")
    arguments.arguments += rest
    return arguments


def unusable_path(error: OSError) -> LangadaptError:
    """A file or folder that cannot be read or written, said as an error with a remedy."""
    return LangadaptError(
        f"{error.strerror or error}",
        where=str(error.filename or "unknown path"),
        fix="check that the path is right, its folder writable, and the disk not full (df -h)",
    )


def as_overrides(verb: Verb, arguments: argparse.Namespace) -> list[str]:
    """The verb's action and options as key=value words."""
    names = [*(("action",) if verb.action else ()), *(option.replace("-", "_") for option in verb.options)]
    given = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    for name, value in given.items():
        if value == "":
            raise UsageError(f"--{name.replace('_', '-')} is empty.", where="command line", fix="give it a value")
    return [f"{name}={quote(value)}" for name, value in given.items()]


def quote(value: object) -> str:
    """A value that YAML and Hydra both read back as this very text."""
    text = str(value)
    if isinstance(value, int):
        return text
    if re.fullmatch(r"[\w.+-]*/[\w/.+-]*", text, re.ASCII):
        return text
    return f"'{text}'" if "'" not in text else '"' + text.replace('"', '\\"') + '"'


def split_arguments(verb: Verb, words: list[str]) -> tuple[list[Path], list[str]]:
    """Separates YAML files from overrides, into which bare words go where the verb takes those."""
    arguments = [f"stage={word}" if word in verb.stages else word for word in words]
    overrides = [word for word in arguments if "=" in word or word.startswith("~")]
    bare = [word for word in arguments if word not in overrides]
    if verb.words:
        return [], [f"{verb.words}=[{','.join(map(quote, bare))}]", *overrides]
    configs = list(map(Path, bare))
    for path in configs:
        if path.suffix not in (".yaml", ".yml"):
            raise UsageError(
                f"'{path}' is neither a YAML file nor key=value.",
                where="command line",
                fix="langadapt VERB CONFIG.yaml key=value ..."
                + (f"\nstages are {', '.join(verb.stages)}" if verb.stages else ""),
            )
        if not path.exists():
            raise UsageError(f"{path} does not exist.", where="command line", fix=f"ls {path.parent}")
    return configs, overrides


def main(argv: list[str] | None = None) -> int:
    """Runs one verb; user mistakes become a message and an exit code, never a stack trace."""
    words = sys.argv[1:] if argv is None else argv
    try:
        arguments = parse(words)
        verb = VERBS[arguments.verb]
        if not verb.hub:
            os.environ.setdefault("HF_HUB_OFFLINE", "1")
        configs, overrides = split_arguments(verb, [*as_overrides(verb, arguments), *arguments.arguments])
        module = importlib.import_module(verb.module)
        return int(module.main(configs, overrides, dry_run=arguments.dry_run))
    except LangadaptError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"error: {unusable_path(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; the same command continues where it stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
