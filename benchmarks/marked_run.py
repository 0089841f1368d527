"""One `langadapt` verb with the time of chosen moments written down: the child process of benchmarks.start_up.

    python -m benchmarks.marked_run MARKS_FILE pretrain CONFIG.yaml ...

Nothing of the run changes but the order of two imports, so that they can be told apart: torch comes before the config
is read, and NeMo just before the patches instead of with the first patch that needs it.
"""

import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

NEMO_MODEL = "nemo.collections.nlp.models.language_modeling.megatron_gpt_model"


class Marks:
    """Moments by name, one `NAME SECONDS` line each, in seconds since the epoch."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, name: str) -> None:
        """Writes down that a moment has come."""
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(f"{name} {time.time()}\n")

    def around(self, target: Any, attribute: str, name: str) -> None:
        """Marks `NAME_begins` and `NAME_ends` whenever the function `target.attribute` is called."""
        function: Callable[..., Any] = getattr(target, attribute)

        def marked(*args: Any, **kwargs: Any) -> Any:
            self.add(f"{name}_begins")
            result = function(*args, **kwargs)
            self.add(f"{name}_ends")
            return result

        setattr(target, attribute, marked)


def read(path: Path) -> dict[str, float]:
    """The marks of a file; of a moment that came several times the first counts."""
    marks: dict[str, float] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, seconds = line.split()
        marks.setdefault(name, float(seconds))
    return marks


def main(path: Path, words: list[str]) -> int:
    """Runs the verb."""
    from recipes import cli, training

    marks = Marks(path)
    marks.add("torch_begins")
    from recipes.runtime import portable, pretraining  # imports torch, on which portable stands

    marks.add("torch_ends")
    marks.around(training, "_train", "training")
    marks.around(pretraining, "build_model", "model")
    marks.around(portable, "apply", "patches")
    apply_patches = portable.apply

    def import_nemo_first(missing: Any) -> list[str]:
        marks.add("nemo_begins")
        model_class = importlib.import_module(NEMO_MODEL).MegatronGPTModel
        marks.around(model_class, "build_train_valid_test_datasets", "datasets")
        return apply_patches(missing)

    portable.apply = import_nemo_first
    return cli.main(words)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
